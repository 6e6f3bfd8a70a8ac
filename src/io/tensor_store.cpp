#include "src/io/tensor_store.h"

#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/io/safetensors_header.h"

namespace usam::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "usam tensor store 1";
constexpr const char* kSuffix = ".safetensors";
constexpr auto kLeftoverAge = std::chrono::hours(24);

// Of all that an entry is: a flipped bit in the header is found as well as one in the values.
std::string checksum(const std::string& key, const StoredTensor& value) {
  const torch::Tensor& x = value.tensor;
  const std::string facts = fmt::format("{}\n{}\n{}\n{}", key, value.note, safetensors_dtype_name(x.scalar_type()),
                                        fmt::join(x.sizes(), "x"));
  const XXH64_hash_t seed = XXH3_64bits(facts.data(), facts.size());
  return fmt::format("{:016x}", XXH3_64bits_withSeed(x.numel() > 0 ? x.const_data_ptr() : nullptr, x.nbytes(), seed));
}

// An entry's metadata: its checksum, then its note.
constexpr size_t kSumDigits = 16;

std::string new_name() {
  std::random_device random;
  return fmt::format("shard-{:08x}{:08x}{}", random(), random(), kSuffix);
}

int64_t size_of(const StoredTensor& value) {
  return static_cast<int64_t>(value.tensor.nbytes());
}

}  // namespace

TensorStore::TensorStore(std::string folder, std::string kind, int64_t shard_bytes)
    : folder_(std::move(folder)), kind_(std::move(kind)), shard_bytes_(shard_bytes) {
  remove_leftovers();
  scan();
}

TensorStore::~TensorStore() {
  std::unique_lock lock(mutex_);
  write_collected(lock);
  idle_.wait(lock, [this] { return !is_writing_; });
}

// What writers that were killed left behind.
void TensorStore::remove_leftovers() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    if (entry.path().filename().string().find(std::string(kSuffix) + ".partial-") == std::string::npos) continue;
    const auto written = entry.last_write_time(ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kLeftoverAge) fs::remove(entry.path(), ignored);
  }
}

// Null, and a line in the log, for what is no shard of this kind.
std::shared_ptr<const TensorStore::Shard> TensorStore::open(const std::string& path) const {
  try {
    auto shard = std::make_shared<Shard>(Shard{path, SafetensorsFile(path)});
    const Metadata& metadata = shard->file.metadata();
    const auto is = [&](const char* name, const std::string& value) {
      const auto found = metadata.find(name);
      return found != metadata.end() && found->second == value;
    };
    if (is("format", kFormat) && is("kind", kind_)) return shard;
    log::warn("{}: left out, it was not written by this cache", path);
  } catch (const UserError& e) {
    log::warn("{}. It is left out; what it held is made again", e.what());
  }
  return nullptr;
}

void TensorStore::scan() {
  std::error_code absent;
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(folder_, absent))
    if (entry.path().extension() == kSuffix) paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    {
      const std::lock_guard lock(mutex_);
      if (!seen_.insert(path).second) continue;
    }
    const auto shard = open(path);
    const std::lock_guard lock(mutex_);
    if (shard) add(shard);
  }
}

void TensorStore::add(const std::shared_ptr<const Shard>& shard) const {
  for (const auto& name : shard->file.names()) {
    const TensorEntry& entry = shard->file.entry(name);
    if (index_.emplace(name, shard).second) bytes_ += static_cast<int64_t>(entry.end - entry.begin);
  }
}

void TensorStore::drop(const std::shared_ptr<const Shard>& shard) const {
  const std::lock_guard lock(mutex_);
  bool is_first = false;
  for (const auto& name : shard->file.names()) {
    const auto found = index_.find(name);
    if (found == index_.end() || found->second != shard) continue;
    const TensorEntry& entry = shard->file.entry(name);
    bytes_ -= static_cast<int64_t>(entry.end - entry.begin);
    index_.erase(found);
    is_first = true;
  }
  if (!is_first) return;
  std::error_code ignored;
  fs::remove(shard->path, ignored);
  log::warn("{}: a checksum is wrong. The file is removed; what it held is made again", shard->path);
}

void TensorStore::refresh() {
  {
    std::unique_lock lock(mutex_);
    write_collected(lock);
    idle_.wait(lock, [this] { return !is_writing_; });
  }
  scan();
}

bool TensorStore::contains(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return index_.contains(key) || collected_.contains(key) || under_way_.contains(key);
}

std::optional<StoredTensor> TensorStore::find(const std::string& key) const {
  std::unique_lock lock(mutex_);
  for (const Entries* entries : {&collected_, &under_way_})
    if (const auto found = entries->find(key); found != entries->end()) return found->second;
  const auto found = index_.find(key);
  if (found == index_.end()) return std::nullopt;
  const std::shared_ptr<const Shard> shard = found->second;
  const bool is_checked = checked_.contains(key);
  lock.unlock();

  const Metadata& metadata = shard->file.metadata();
  const auto line = metadata.find(key);
  const std::string text = line == metadata.end() ? "" : line->second;
  StoredTensor value{shard->file.get(key), text.size() > kSumDigits ? text.substr(kSumDigits) : ""};
  if (is_checked) return value;
  if (text.substr(0, kSumDigits) != checksum(key, value)) {
    drop(shard);
    return std::nullopt;
  }
  lock.lock();
  checked_.insert(key);
  return value;
}

void TensorStore::put(const std::string& key, StoredTensor value) {
  value.tensor = value.tensor.detach().to(torch::kCPU).contiguous();
  std::unique_lock lock(mutex_);
  if (is_closed_ || index_.contains(key) || under_way_.contains(key)) return;
  const int64_t size = size_of(value);
  if (!collected_.try_emplace(key, std::move(value)).second) return;
  collected_bytes_ += size;
  if (collected_bytes_ >= shard_bytes_) write_collected(lock);
}

// Begins to write the next shard, after the one before it.
void TensorStore::write_collected(std::unique_lock<std::mutex>& lock) {
  idle_.wait(lock, [this] { return !is_writing_; });
  if (collected_.empty()) return;
  is_writing_ = true;
  under_way_ = std::exchange(collected_, {});
  collected_bytes_ = 0;
  const std::string path = (fs::path(folder_) / new_name()).string();
  seen_.insert(path);
  writer_ = std::async(std::launch::async, [this, path] { write(path); });
}

// Runs beside the owner; nobody changes under_way_ meanwhile.
void TensorStore::write(const std::string& path) {
  std::shared_ptr<const Shard> shard;
  std::string reason;
  try {
    NamedTensors tensors;
    Metadata metadata = {{"format", kFormat}, {"kind", kind_}};
    for (const auto& [key, value] : under_way_) {
      tensors.emplace_back(key, value.tensor);
      metadata[key] = checksum(key, value) + value.note;
    }
    fs::create_directories(folder_);
    write_safetensors(path, tensors, metadata);
    shard = open(path);
  } catch (const std::exception& e) {
    reason = e.what();
  }
  const std::lock_guard lock(mutex_);
  if (shard) add(shard);
  under_way_.clear();
  is_writing_ = false;
  idle_.notify_all();
  if (reason.empty()) return;
  if (!is_closed_) log::warn("{} The cache takes nothing more; training goes on without it.", reason);
  is_closed_ = true;
  collected_.clear();
  collected_bytes_ = 0;
}

int64_t TensorStore::bytes() const {
  const std::lock_guard lock(mutex_);
  int64_t all = bytes_ + collected_bytes_;
  for (const auto& [key, value] : under_way_) all += size_of(value);
  return all;
}

int64_t TensorStore::size() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(index_.size() + collected_.size() + under_way_.size());
}

}  // namespace usam::io
