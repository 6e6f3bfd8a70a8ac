#include "data/index_builder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/base/text.h"

namespace usam::data {
namespace {

constexpr size_t kSpoolBlock = 1 << 20, kKeptRefusals = 100'000;
constexpr int64_t kMaxTasks = 32'767;
constexpr double kProgressSeconds = 10;

bool is_all_zero(const char* bytes, size_t count) {
  return std::all_of(bytes, bytes + count, [](char byte) { return byte == 0; });
}

// A file that goes when it is closed; -1 where the folder cannot take one.
int nameless_file(const std::string& folder) {
  const int file = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  std::string name = folder + "/.usam-index-XXXXXX";  // file systems without O_TMPFILE
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

}  // namespace

Spool::~Spool() {
  if (file_ >= 0) close(file_);
}

void Spool::add(const void* bytes, size_t count) {
  pending_.append(static_cast<const char*>(bytes), count);
  if (file_ >= 0 && pending_.size() >= kSpoolBlock) flush();
}

void Spool::use_folder(const std::string& folder) {
  file_ = nameless_file(folder);
}

void Spool::flush() {
  is_zero_ = is_zero_ && is_all_zero(pending_.data(), pending_.size());
  if (write_all(file_, pending_)) {
    written_ += pending_.size();
    pending_.clear();
    return;
  }
  // The disk is full: what was written comes back into memory.
  std::string all(written_, '\0');
  if (read_at(file_, all.data(), std::ssize(all), 0) != std::ssize(all))
    internal_error("what was written of an index cannot be read again");
  close(std::exchange(file_, -1));
  written_ = 0;
  pending_ = all + pending_;
}

torch::Tensor Spool::finish(torch::ScalarType type) {
  if (file_ >= 0 && !pending_.empty()) flush();
  const auto width = static_cast<int64_t>(c10::elementSize(type));
  if (file_ >= 0 && written_ > 0 && !is_zero_) {
    void* mapped = mmap(nullptr, written_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (mapped == MAP_FAILED) internal_error("an index of {} bytes cannot be mapped", written_);
    return torch::from_blob(
        mapped, {static_cast<int64_t>(written_) / width}, [size = written_](void* at) { munmap(at, size); }, type);
  }
  if (file_ >= 0 || is_all_zero(pending_.data(), pending_.size())) return {};
  auto kept = std::make_shared<std::string>(std::move(pending_));
  return torch::from_blob(kept->data(), {std::ssize(*kept) / width}, [kept](void*) {}, type);
}

ColumnBuilder::ColumnBuilder(const IndexRequest& request, std::function<std::string()> on_many)
    : request_(request), on_many_(std::move(on_many)) {}

int16_t ColumnBuilder::task_number(const IndexRecord& record) {
  std::string name = std::string(record.has_prompt ? "p" : "-").append(record.task);
  const auto [at, is_new] = task_numbers_.try_emplace(std::move(name), static_cast<int16_t>(tasks_.size()));
  if (is_new) {
    if (std::ssize(tasks_) >= kMaxTasks)
      user_error("{}: its rows name more than {} different tasks; is 'task' the right field?", request_.path,
                 kMaxTasks);
    tasks_.push_back({std::string(record.task), record.has_prompt, 0});
  }
  ++tasks_[static_cast<size_t>(at->second)].rows;
  return at->second;
}

void ColumnBuilder::add(const IndexRecord& record) {
  if (rows_ >= INT32_MAX || record.text.bytes > INT32_MAX || record.line > INT32_MAX)
    user_error("{}: more than {} rows or lines; give it as several manifests", request_.path, INT32_MAX);
  if (rows_ == kMinStoredRows) {
    if (const std::string folder = on_many_(); !folder.empty()) {
      for (Spool& spool : spools_) spool.use_folder(folder);
    }
  }
  const auto put = [this]<class T>(Column column, T value) { spools_[column].add(&value, sizeof value); };
  put(kTextBegin, record.text.begin);
  put(kTextBytes, static_cast<int32_t>(record.text.bytes));
  put(kTextFile, record.text.file);
  put(kCheck, record.check);
  put(kLine, static_cast<int32_t>(record.line));
  put(kSeconds, record.seconds);
  put(kLabelBytes, static_cast<int32_t>(std::min<int64_t>(record.label_bytes, INT32_MAX)));
  put(kTask, task_number(record));
  put(kMemberBegin, record.member.begin);
  put(kMemberBytes, record.member.bytes);
  put(kMemberFile, record.member.file);
  put(kNameBegin, record.name.empty() ? int64_t{0} : names_bytes_);
  put(kNameBytes, static_cast<int32_t>(record.name.size()));
  spools_[kNames].add(record.name.data(), record.name.size());
  names_bytes_ += std::ssize(record.name);
  put(kKeyHash, key_hash(record.key));
  unmeasured_ += record.seconds < 0;
  ++rows_;
}

void ColumnBuilder::refuse(int32_t file, int64_t line, const std::string& sentence) {
  ++refused_count_;
  if (refused_.size() < kKeptRefusals) refused_.push_back({file, line, sentence});
}

void ColumnBuilder::progress(int64_t done, int64_t total) {
  const auto now = Clock::now();
  if (std::chrono::duration<double>(now - told_).count() < kProgressSeconds) return;
  told_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double rate = static_cast<double>(done) / seconds;
  log::info("{}: reading its rows: {} rows, {} of {}, {}/s, {} left", request_.path, human_count(rows_),
            human_bytes(done), human_bytes(total), human_bytes(static_cast<int64_t>(rate)),
            human_seconds(static_cast<double>(total - done) / std::max(rate, 1.0)));
}

// Sorts the hashes; returns the rows whose key stands in an earlier row, and notes them as refused.
std::vector<int64_t> ColumnBuilder::repeated_keys(const std::shared_ptr<Index::State>& state) {
  std::vector<std::pair<uint64_t, int32_t>> sorted(static_cast<size_t>(rows_));
  for (int64_t row = 0; row < rows_; ++row)
    sorted[static_cast<size_t>(row)] = {state->at<uint64_t>(kKeyHash, row), static_cast<int32_t>(row)};
  std::ranges::sort(sorted);
  state->columns[kKeyHash] = torch::empty({rows_}, torch::kInt64);
  state->columns[kKeyRow] = torch::empty({rows_}, torch::kInt32);
  auto* hashes = static_cast<uint64_t*>(state->columns[kKeyHash].mutable_data_ptr());
  auto* rows = state->columns[kKeyRow].mutable_data_ptr<int32_t>();
  for (size_t i = 0; i < sorted.size(); ++i) std::tie(hashes[i], rows[i]) = sorted[i];

  const Index index(state);
  std::vector<int64_t> repeated;
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    for (end = begin + 1; end < sorted.size() && sorted[end].first == sorted[begin].first;) ++end;
    if (end - begin == 1) continue;
    std::unordered_map<std::string, int64_t> first;
    for (size_t i = begin; i < end; ++i) {
      const int64_t row = sorted[i].second;
      const auto [earlier, is_new] = first.try_emplace(request_.key(index, row), row);
      if (is_new) continue;
      repeated.push_back(row);
      refuse(index.text(row).file, index.line(row),
             fmt::format("key '{}' stands in {} already", earlier->first, index.place(earlier->second)));
    }
  }
  return repeated;
}

namespace {

// Leaves rows out; their tasks are counted no more.
void leave_out(Index::State& state, const std::vector<int64_t>& rows) {
  for (const int64_t row : rows) --state.tasks.at(static_cast<size_t>(state.at<int16_t>(kTask, row))).rows;
  auto keep = torch::ones({state.rows}, torch::kBool);
  keep.index_fill_(0, torch::tensor(rows), false);
  const auto kept = keep.nonzero().flatten();
  const auto numbers = (keep.cumsum(0) - 1).to(torch::kInt32);  // of the rows that stay, in the shorter columns
  const auto kept_keys = keep.index_select(0, state.columns[kKeyRow].to(torch::kInt64)).nonzero().flatten();
  for (int column = 0; column < kColumns; ++column) {
    torch::Tensor& of = state.columns[static_cast<size_t>(column)];
    if (!of.defined() || column == kNames) continue;
    of = of.index_select(0, column == kKeyHash || column == kKeyRow ? kept_keys : kept);
  }
  state.columns[kKeyRow] = numbers.index_select(0, state.columns[kKeyRow].to(torch::kInt64));
  state.rows = kept.numel();
  const torch::Tensor& seconds = state.columns[kSeconds];
  state.unmeasured = seconds.defined() ? (seconds < 0).sum().item<int64_t>() : 0;
}

}  // namespace

std::shared_ptr<Index::State> ColumnBuilder::finish(ManifestProblems& problems, bool& is_whole) {
  auto state = std::make_shared<Index::State>();
  state->rows = rows_;
  state->unmeasured = unmeasured_;
  state->files = request_.files;
  state->tasks = std::move(tasks_);
  for (size_t i = 0; i < kColumns; ++i) state->columns[i] = spools_[i].finish(kColumnKinds[i].type);
  std::vector<int64_t> left_out = repeated_keys(state);
  if (request_.check) {
    const auto refuse_row = [&](int32_t file, int64_t line, const std::string& sentence) {
      refuse(file, line, sentence);
    };
    for (const int64_t row : request_.check(Index(state), refuse_row)) left_out.push_back(row);
  }
  std::ranges::sort(left_out);
  left_out.erase(std::unique(left_out.begin(), left_out.end()), left_out.end());
  if (!left_out.empty()) leave_out(*state, left_out);

  is_whole = refused_count_ == 0;
  std::ranges::stable_sort(refused_, {}, [](const Refused& r) { return std::pair(r.file, r.line); });
  for (const Refused& r : refused_) {
    const std::string& file = request_.files.at(static_cast<size_t>(r.file));
    problems.add(r.line > 0 ? fmt::format("{}:{}: {}", file, r.line, r.sentence)
                            : fmt::format("{}: {}", file, r.sentence));
  }
  problems.add_unnamed(refused_count_ - std::ssize(refused_));
  return state;
}

}  // namespace usam::data
