#include "data/index.h"

#include <xxhash.h>

#include <algorithm>
#include <stdexcept>

#include "data/index_columns.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr size_t kShownProblems = 20, kKeptProblems = 100'000;

}  // namespace

void ManifestProblems::add(std::string problem) {
  ++count_;
  if (problems_.size() < kKeptProblems) problems_.push_back(std::move(problem));
}

void ManifestProblems::raise() const {
  if (problems_.empty()) return;
  std::string text;
  for (size_t i = 0; i < std::min(problems_.size(), kShownProblems); ++i) text += (i ? "\n" : "") + problems_[i];
  if (problems_.size() > kShownProblems)
    text +=
        fmt::format("\n... and {} more ({} problems in all)", count_ - static_cast<int64_t>(kShownProblems), count_);
  throw UserError(text);
}

uint64_t key_hash(std::string_view key) {
  return XXH3_64bits(key.data(), key.size());
}

uint32_t text_check(std::string_view text) {
  return static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
}

Index::Index(std::shared_ptr<State> state) : state_(std::move(state)) {}

int64_t Index::checked(int64_t row) const {
  if (row < 0 || row >= state_->rows)
    throw std::out_of_range(fmt::format("row {} of an index of {} rows", row, state_->rows));
  return row;
}

int64_t Index::size() const {
  return state_->rows;
}

const std::vector<std::string>& Index::files() const {
  return state_->files;
}

FileSpan Index::text(int64_t row) const {
  checked(row);
  return {state_->at<int32_t>(kTextFile, row), state_->at<int64_t>(kTextBegin, row),
          state_->at<int32_t>(kTextBytes, row)};
}

uint32_t Index::check(int64_t row) const {
  return static_cast<uint32_t>(state_->at<int32_t>(kCheck, checked(row)));
}

int64_t Index::line(int64_t row) const {
  return state_->at<int32_t>(kLine, checked(row));
}

double Index::seconds(int64_t row) const {
  return state_->at<double>(kSeconds, checked(row));
}

void Index::set_seconds(int64_t row, double seconds) {
  checked(row);
  torch::Tensor& column = state_->columns[kSeconds];
  if (!column.defined()) column = torch::zeros({size()}, torch::kFloat64);
  column.mutable_data_ptr<double>()[row] = seconds;
}

int64_t Index::label_bytes(int64_t row) const {
  return state_->at<int32_t>(kLabelBytes, checked(row));
}

FileSpan Index::member(int64_t row) const {
  checked(row);
  return {state_->at<int32_t>(kMemberFile, row), state_->at<int64_t>(kMemberBegin, row),
          state_->at<int64_t>(kMemberBytes, row)};
}

std::string Index::member_name(int64_t row) const {
  const auto bytes = state_->at<int32_t>(kNameBytes, checked(row));
  if (bytes <= 0) return "";
  const auto begin = state_->at<int64_t>(kNameBegin, row);
  const torch::Tensor& names = state_->columns[kNames];
  if (!names.defined() || begin < 0 || begin + bytes > names.numel()) return "";
  return {static_cast<const char*>(names.const_data_ptr()) + begin, static_cast<size_t>(bytes)};
}

const IndexTask& Index::task(int64_t row) const {
  return state_->tasks.at(static_cast<size_t>(state_->at<int16_t>(kTask, checked(row))));
}

const std::vector<IndexTask>& Index::tasks() const {
  return state_->tasks;
}

int64_t Index::unmeasured() const {
  return state_->unmeasured;
}

std::string Index::place(int64_t row) const {
  return fmt::format("{}:{}", files().at(static_cast<size_t>(text(row).file)), line(row));
}

std::span<const uint64_t> Index::key_hashes() const {
  const torch::Tensor& hashes = state_->columns[kKeyHash];
  if (!hashes.defined()) return {};
  return {static_cast<const uint64_t*>(hashes.const_data_ptr()), static_cast<size_t>(hashes.numel())};
}

std::vector<int64_t> Index::rows_of(uint64_t key_hash) const {
  const auto hashes = key_hashes();
  const auto [first, last] = std::ranges::equal_range(hashes, key_hash);
  std::vector<int64_t> rows;
  for (auto i = first; i != last; ++i) rows.push_back(checked(state_->at<int32_t>(kKeyRow, i - hashes.begin())));
  return rows;
}

}  // namespace usam::data
