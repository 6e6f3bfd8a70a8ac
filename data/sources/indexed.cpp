#include "data/sources/indexed.h"

#include <fmt/ranges.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "data/audio/decode.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/base/thread.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMeasuredBlock = 64, kMeasuringThreads = 8;
constexpr double kProgressSeconds = 10;

// Calls `use` with each hash that stands in both ascending lists.
template <class Use>
void for_common(std::span<const uint64_t> a, std::span<const uint64_t> b, Use use) {
  if (a.size() > b.size()) std::swap(a, b);
  const bool is_far_longer = b.size() / 16 > a.size();
  auto at = b.begin();
  for (size_t i = 0; i < a.size(); ++i) {
    if (i > 0 && a[i] == a[i - 1]) continue;
    if (is_far_longer) {
      at = std::lower_bound(at, b.end(), a[i]);
    } else {
      while (at != b.end() && *at < a[i]) ++at;
    }
    if (at != b.end() && *at == a[i]) use(a[i]);
  }
}

}  // namespace

IndexedSource::IndexedSource(ManifestConfig config, int64_t source) : config_(std::move(config)), source_(source) {
  fs::path path = fs::absolute(config_.path.value).lexically_normal();
  if (fs::is_directory(path)) path /= ".";
  folder_ = config_.audio_root.empty() ? path.parent_path().string()
                                       : fs::absolute(config_.audio_root.value).lexically_normal().string();
}

int64_t IndexedSource::text_bytes(int64_t index) const {
  return index_->label_bytes(index) + (index_->task(index).has_prompt ? 0 : std::ssize(config_.prompt));
}

std::string IndexedSource::task_name(const std::string& task) const {
  const std::string& named = task.empty() ? config_.task : task;
  const auto renamed = config_.tasks.find(named);
  return renamed == config_.tasks.end() ? named : renamed->second;
}

std::string IndexedSource::audio_path(const std::string& wav) const {
  std::string moved = wav;
  const std::pair<const std::string, std::string>* longest = nullptr;
  for (const auto& entry : config_.prefix) {
    if (wav.starts_with(entry.first) && (!longest || entry.first.size() > longest->first.size())) longest = &entry;
  }
  if (longest) moved = longest->second + wav.substr(longest->first.size());
  return (fs::path(folder_) / moved).lexically_normal().string();
}

Row IndexedSource::row_of(ManifestLine&& line, const Index& index, int64_t number) const {
  Row row;
  row.key = std::move(line.key);
  for (const std::string& wav : line.wavs) {
    AudioRef audio;
    audio.path = audio_path(wav);
    audio.is_part = line.offset >= 0;
    audio.offset = std::max(line.offset, 0.0);
    row.audios.push_back(std::move(audio));
  }
  row.task = task_name(line.task);
  row.prompt = line.prompt.empty() ? config_.prompt : std::move(line.prompt);
  row.references = split_references(line.label);
  row.tags = std::move(line.tags);
  row.seconds = index.seconds(number);
  row.extra = std::move(line.extra);
  row.source = source_;
  row.line = index.line(number);
  return row;
}

void IndexedSource::open_rows(IndexRequest request, const ManifestOptions& options, const SeenKeys& seen,
                              ManifestProblems& problems) {
  request.path = name();
  request.folder = options.index_dir;
  request.key = [this](const Index& index, int64_t row) { return row_at(index, row).key; };
  request.check = [&](const Index& index, const IndexRequest::Refuse& refuse) {
    return check(index, options, seen, refuse);
  };
  request.measure = [this](Index& index) { measure(index); };
  request.measured_under = to_line({folder_, config_.prefix});
  index_ = open_index(request, problems);
}

std::vector<int64_t> IndexedSource::check(const Index& index, const ManifestOptions& options, const SeenKeys& seen,
                                          const IndexRequest::Refuse& refuse) const {
  std::vector<int64_t> refused;
  const auto refuse_row = [&](int64_t row, const std::string& sentence) {
    refuse(index.text(row).file, index.line(row), sentence);
    refused.push_back(row);
  };
  std::vector<std::string> wrong;  // of each task
  for (const IndexTask& task : index.tasks()) {
    const std::string named = task_name(task.task);
    std::string& sentence = wrong.emplace_back();
    if (task.rows == 0) continue;
    if (named.empty()) {
      sentence = "'task' is missing; name it in the row, or for all of them in the config: {path: ..., task: ASR}";
    } else if (!options.tasks.empty() && !task.has_prompt && config_.prompt.empty() && !options.tasks.contains(named)) {
      sentence =
          fmt::format("unknown task '{}'; the recipe has prompts for: {}", named, fmt::join(options.tasks, ", "));
    }
  }
  if (std::ranges::any_of(wrong, [](const std::string& s) { return !s.empty(); })) {
    for (int64_t row = 0; row < index.size(); ++row) {
      const auto task = static_cast<size_t>(&index.task(row) - index.tasks().data());
      if (!wrong[task].empty()) refuse_row(row, wrong[task]);
    }
  }
  const std::set<int64_t> without_task(refused.begin(), refused.end());
  for (const auto& other : seen.sources_) {
    if (!other->index_) continue;
    for_common(index.key_hashes(), other->index().key_hashes(), [&](uint64_t hash) {
      for (const int64_t there : other->index().rows_of(hash)) {
        const std::string key = other->row(there).key;
        for (const int64_t row : index.rows_of(hash)) {
          if (!without_task.contains(row) && row_at(index, row).key == key)
            refuse_row(row, fmt::format("key '{}' stands in {} already", key, other->place(there)));
        }
      }
    });
  }
  return refused;
}

void IndexedSource::measure(Index& index) const {
  using Clock = std::chrono::steady_clock;
  using Block = std::vector<std::pair<int64_t, double>>;
  const auto length_of = [&](int64_t number) {
    try {
      const Row row = row_at(index, number);
      double seconds = 0;
      for (const AudioRef& audio : row.audios) seconds += std::max(audio::probe(audio).seconds - audio.offset, 0.0);
      return seconds;
    } catch (const UserError&) {
      return -1.0;  // reading the sample will fail too, under `data.on_error`
    }
  };
  const auto threads = std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, kMeasuringThreads);
  OrderedStream<Block> blocks(threads, 4 * threads, [&](int64_t number) -> std::optional<Block> {
    const int64_t begin = number * kMeasuredBlock, end = std::min(begin + kMeasuredBlock, index.size());
    if (begin >= end) return std::nullopt;
    Block block;
    for (int64_t row = begin; row < end; ++row) {
      if (index.seconds(row) < 0) block.emplace_back(row, length_of(row));
    }
    return block;
  });
  const auto begin = Clock::now();
  auto told = begin;
  int64_t measured = 0, failed = 0, done = 0;
  Block all;  // set at the end: threads still read the column
  while (const auto block = blocks.next()) {
    for (const auto& [row, seconds] : *block) {
      (seconds >= 0 ? measured : failed) += 1;
      if (seconds >= 0) all.emplace_back(row, seconds);
    }
    done = std::min(done + kMeasuredBlock, index.size());
    if (std::chrono::duration<double>(Clock::now() - told).count() < kProgressSeconds) continue;
    told = Clock::now();
    const double seconds = std::chrono::duration<double>(told - begin).count();
    log::info("{}: reading the lengths of rows from their files: {} of {} rows, {} files/s, {} left", name(),
              human_count(done), human_count(index.size()),
              human_count(static_cast<int64_t>(static_cast<double>(measured + failed) / seconds)),
              human_seconds(seconds / static_cast<double>(done) * static_cast<double>(index.size() - done)));
  }
  for (const auto& [row, seconds] : all) index.set_seconds(row, seconds);
  if (measured > 0) log::info("{}: the lengths of {} rows were read from their files", name(), measured);
}

}  // namespace usam::data
