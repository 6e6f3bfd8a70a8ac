#include "src/text/bpe.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <queue>

#include "src/base/error.h"
#include "src/text/json_node.h"
#include "src/text/unicode.h"

namespace usam::text {
namespace {

constexpr size_t kShortWord = 48;  // symbols; above, the best merge is found by a heap
constexpr uint32_t kNoRank = UINT32_MAX;

// The bytes that GPT-2 writes as themselves; the others are U+0100 and up, in order.
bool is_own_character(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

uint64_t pair_of(uint32_t left, uint32_t right) {
  return static_cast<uint64_t>(left) << 32 | right;
}

uint64_t hash_pair(uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15;
  return pair ^ pair >> 29;
}

// The bytes that a token's characters stand for; nothing where one stands for none.
std::optional<std::string> bytes_of(std::string_view token) {
  std::string bytes;
  char32_t point = 0;
  for (size_t at = 0; at < token.size();) {
    at += decode_point(token, at, point);
    const int byte = byte_of_character(point);
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace

const std::array<std::string, 256>& byte_characters() {
  static const std::array<std::string, 256> characters = [] {
    std::array<std::string, 256> all;
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const char32_t point = is_own_character(byte) ? static_cast<char32_t>(byte) : next++;
      all[static_cast<size_t>(byte)] = to_utf8(std::u32string_view(&point, 1));
    }
    return all;
  }();
  return characters;
}

int byte_of_character(char32_t point) {
  static const std::vector<int> bytes = [] {
    std::vector<int> all(0x144, -1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) all[is_own_character(byte) ? static_cast<char32_t>(byte) : next++] = byte;
    return all;
  }();
  return point < bytes.size() ? bytes[point] : -1;
}

Bpe::Bpe(const BpeSpec& spec, bool byte_level, const std::unordered_set<int64_t>& special, const std::string& origin)
    : byte_level_(byte_level),
      fuse_unknown_(spec.fuse_unknown),
      byte_fallback_(spec.byte_fallback),
      ignore_merges_(spec.ignore_merges) {
  index_tokens(spec, special);
  index_merges(spec, special, origin);
  if (spec.unknown) unknown_ = find_token(*spec.unknown);
  if (byte_level_)
    for (size_t byte = 0; byte < 256; ++byte) byte_starts_[byte] = start_of(byte_characters()[byte]);
}

void Bpe::index_tokens(const BpeSpec& spec, const std::unordered_set<int64_t>& special) {
  size_t bytes = 0;
  for (const auto& [token, id] : spec.vocab) bytes += token.size();
  arena_.reserve(ignore_merges_ && byte_level_ ? 2 * bytes : bytes);
  slots_.resize(std::bit_ceil(2 * spec.vocab.size() + 1));
  const auto put = [this](std::vector<Slot>& slots, std::string_view text, int64_t id) {
    size_t at = hash_bytes(text) & (slots.size() - 1);
    while (slots[at].id >= 0) at = (at + 1) & (slots.size() - 1);
    slots[at] = {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(text.size()), id};
    arena_ += text;
  };
  for (const auto& [token, id] : spec.vocab) put(slots_, token, id);
  if (!ignore_merges_) return;
  whole_.resize(slots_.size());
  for (const auto& [token, id] : spec.vocab) {
    if (special.count(id)) continue;
    const auto text = byte_level_ ? bytes_of(token) : std::optional<std::string>(token);
    if (text) put(whole_, *text, id);
  }
}

void Bpe::index_merges(const BpeSpec& spec, const std::unordered_set<int64_t>& special, const std::string& origin) {
  merges_.resize(std::bit_ceil(2 * spec.merges.size() + 1));
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const std::string both = left + right;
    const int64_t l = find_token(left), r = find_token(right), id = find_token(both);
    for (const auto& [text, found] : {std::pair(&left, l), {&right, r}, {&both, id}})
      if (found < 0)
        user_error("{}: 'model.merges[{}]' names the token '{}', which is not in 'model.vocab'.", origin, rank,
                   shown(*text));
    if (special.count(id)) continue;
    const uint64_t pair = pair_of(static_cast<uint32_t>(l), static_cast<uint32_t>(r));
    size_t at = hash_pair(pair) & (merges_.size() - 1);
    while (merges_[at].pair != kNoPair && merges_[at].pair != pair) at = (at + 1) & (merges_.size() - 1);
    merges_[at] = {pair, static_cast<uint32_t>(rank), static_cast<uint32_t>(id)};  // of equal pairs the last counts
  }
}

int64_t Bpe::find_token(std::string_view token) const {
  for (size_t at = hash_bytes(token) & (slots_.size() - 1); slots_[at].id >= 0; at = (at + 1) & (slots_.size() - 1))
    if (std::string_view(arena_).substr(slots_[at].begin, slots_[at].size) == token) return slots_[at].id;
  return -1;
}

const Bpe::Merge* Bpe::find_merge(uint32_t left, uint32_t right) const {
  const uint64_t pair = pair_of(left, right);
  for (size_t at = hash_pair(pair) & (merges_.size() - 1);; at = (at + 1) & (merges_.size() - 1)) {
    if (merges_[at].pair == pair) return &merges_[at];
    if (merges_[at].pair == kNoPair) return nullptr;
  }
}

Bpe::Start Bpe::start_of(std::string_view character) const {
  const int64_t id = find_token(character);
  if (id >= 0) return {Start::Kind::kToken, {static_cast<uint32_t>(id)}};
  if (!byte_fallback_) return {};
  Start start{Start::Kind::kBytes, {}};
  for (char byte : character) {
    const int64_t token = find_token(fmt::format("<0x{:02X}>", static_cast<uint8_t>(byte)));
    if (token < 0) return {};
    start.ids.push_back(static_cast<uint32_t>(token));
  }
  return start;
}

// Characters without a token or bytes become the unknown token, a run of them one token where they are fused; without
// an unknown token they vanish. As in HF, bytes do not end such a run.
std::vector<uint32_t> Bpe::symbols_of(std::string_view word) const {
  std::vector<uint32_t> symbols;
  symbols.reserve(word.size());
  bool waiting = false;
  const auto flush = [&] {
    if (waiting) symbols.push_back(static_cast<uint32_t>(unknown_));
    waiting = false;
  };
  const auto add = [&](const Start& start) {
    if (start.kind == Start::Kind::kToken || (start.kind == Start::Kind::kUnknown && !fuse_unknown_)) flush();
    if (start.kind == Start::Kind::kUnknown) waiting = unknown_ >= 0;
    symbols.insert(symbols.end(), start.ids.begin(), start.ids.end());
  };
  if (byte_level_) {
    for (char byte : word) add(byte_starts_[static_cast<uint8_t>(byte)]);
  } else {
    char32_t point = 0;
    for (size_t at = 0, size = 0; at < word.size(); at += size) {
      size = decode_point(word, at, point);
      add(start_of(word.substr(at, size)));
    }
  }
  flush();
  return symbols;
}

void Bpe::merge_short(std::vector<uint32_t>& symbols) const {
  std::array<Merge, kShortWord> best;  // of each symbol and the next
  size_t count = symbols.size();
  const auto look = [&](size_t i) {
    const Merge* merge = i + 1 < count ? find_merge(symbols[i], symbols[i + 1]) : nullptr;
    best[i].rank = merge ? merge->rank : kNoRank;
    best[i].id = merge ? merge->id : 0;
  };
  for (size_t i = 0; i < count; ++i) look(i);
  while (count > 1) {
    size_t first = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (best[i].rank < best[first].rank) first = i;
    if (best[first].rank == kNoRank) break;
    symbols[first] = best[first].id;
    for (size_t i = first + 1; i + 1 < count; ++i) {
      symbols[i] = symbols[i + 1];
      best[i] = best[i + 1];
    }
    --count;
    look(first);
    if (first > 0) look(first - 1);
  }
  symbols.resize(count);
}

void Bpe::merge_long(std::vector<uint32_t>& symbols) const {
  constexpr uint32_t kNone = UINT32_MAX;
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<uint32_t> next(count), previous(count);
  std::vector<bool> gone(count);
  using Entry = std::pair<uint64_t, uint32_t>;  // rank and place, id
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  const auto look = [&](uint32_t i) {
    if (i == kNone || next[i] == kNone) return;
    if (const Merge* merge = find_merge(symbols[i], symbols[next[i]])) queue.push({pair_of(merge->rank, i), merge->id});
  };
  for (uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1 < count ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
  }
  for (uint32_t i = 0; i < count; ++i) look(i);
  while (!queue.empty()) {
    const auto [key, id] = queue.top();
    queue.pop();
    const auto at = static_cast<uint32_t>(key);
    if (gone[at] || next[at] == kNone) continue;
    const uint32_t right = next[at];
    const Merge* merge = find_merge(symbols[at], symbols[right]);
    if (!merge || merge->id != id) continue;  // its neighbour has changed since
    symbols[at] = id;
    gone[right] = true;
    next[at] = next[right];
    if (next[at] != kNone) previous[next[at]] = at;
    look(previous[at]);
    look(at);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i < count; ++i)
    if (!gone[i]) symbols[kept++] = symbols[i];
  symbols.resize(kept);
}

void Bpe::encode(std::string_view word, WordCache& cache, std::vector<int64_t>& ids) const {
  if (word.empty()) return;
  const uint64_t hash = hash_bytes(word);
  const bool cached = word.size() <= WordCache::kMaxWord;
  if (cached && cache.append(word, hash, ids)) return;
  if (ignore_merges_) {
    for (size_t at = hash & (whole_.size() - 1); whole_[at].id >= 0; at = (at + 1) & (whole_.size() - 1))
      if (std::string_view(arena_).substr(whole_[at].begin, whole_[at].size) == word) {
        ids.push_back(whole_[at].id);
        return;
      }
  }
  std::vector<uint32_t> symbols = symbols_of(word);
  if (symbols.size() > 1) symbols.size() <= kShortWord ? merge_short(symbols) : merge_long(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  if (cached) cache.insert(word, hash, symbols.data(), symbols.size());
}

}  // namespace usam::text
