#include "src/text/word_cache.h"

namespace usam::text {
namespace {

constexpr size_t kSlots = size_t{1} << 16;
constexpr size_t kMaxUsed = kSlots / 2;

}  // namespace

WordCache::WordCache() : slots_(kSlots) {}

bool WordCache::append(std::string_view word, uint64_t hash, std::vector<int64_t>& ids) const {
  for (size_t at = hash & (kSlots - 1);; at = (at + 1) & (kSlots - 1)) {
    const Slot& slot = slots_[at];
    if (slot.text_size == 0) return false;
    if (slot.hash != hash || std::string_view(texts_).substr(slot.text, slot.text_size) != word) continue;
    ids.insert(ids.end(), ids_.begin() + slot.ids, ids_.begin() + slot.ids + slot.ids_size);
    return true;
  }
}

void WordCache::insert(std::string_view word, uint64_t hash, const uint32_t* ids, size_t count) {
  if (used_ == kMaxUsed) clear();
  size_t at = hash & (kSlots - 1);
  while (slots_[at].text_size != 0) at = (at + 1) & (kSlots - 1);
  slots_[at] = {hash, static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(ids_.size()),
                static_cast<uint16_t>(word.size()), static_cast<uint16_t>(count)};
  texts_ += word;
  ids_.insert(ids_.end(), ids, ids + count);
  ++used_;
}

void WordCache::clear() {
  slots_.assign(kSlots, {});
  texts_.clear();
  ids_.clear();
  used_ = 0;
}

std::unique_ptr<WordCache> WordCaches::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<WordCache>();
  auto cache = std::move(idle_.back());
  idle_.pop_back();
  return cache;
}

void WordCaches::give_back(std::unique_ptr<WordCache> cache) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(cache));
}

}  // namespace usam::text
