#include "data/sources/weighted.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/manifest.h"
#include "data/permutation.h"
#include "src/base/error.h"
#include "src/tensor/rng.h"

namespace usam::data {

WeightedSource::WeightedSource(std::vector<Part> parts) : parts_(std::move(parts)), first_{0} {
  for (const Part& part : parts_) first_.push_back(first_.back() + part.source->size());
}

size_t WeightedSource::part_of(int64_t index) const {
  if (index < 0 || index >= size()) internal_error("row {} of {}", index, size());
  return static_cast<size_t>(std::upper_bound(first_.begin(), first_.end(), index) - first_.begin() - 1);
}

Row WeightedSource::row(int64_t index) const {
  const size_t part = part_of(index);
  return parts_[part].source->row(index - first_[part]);
}

double WeightedSource::seconds(int64_t index) const {
  const size_t part = part_of(index);
  return parts_[part].source->seconds(index - first_[part]);
}

std::string WeightedSource::place(int64_t index) const {
  const size_t part = part_of(index);
  return parts_[part].source->place(index - first_[part]);
}

std::string WeightedSource::name() const {
  std::string names;
  for (const Part& part : parts_) names += (names.empty() ? "" : ", ") + part.source->name();
  return names;
}

std::vector<Visit> WeightedSource::visits(uint64_t seed, int64_t epoch) const {
  std::vector<Visit> all;
  for (size_t p = 0; p < parts_.size(); ++p) {
    const int64_t rows = parts_[p].source->size();
    const auto whole = static_cast<int64_t>(std::floor(parts_[p].weight));
    const double expected = (parts_[p].weight - static_cast<double>(whole)) * static_cast<double>(rows);
    const DrawKey key = draw_key(seed, "weight", static_cast<uint64_t>(epoch), static_cast<uint64_t>(p));
    auto extra = static_cast<int64_t>(std::floor(expected));
    if (uniform(key.with("rounding")) < expected - static_cast<double>(extra)) ++extra;

    std::vector<int64_t> times(static_cast<size_t>(rows), whole);
    if (extra > 0) {
      const std::vector<int64_t> order = permutation(rows, key.with("rows"));
      for (int64_t i = 0; i < extra; ++i) ++times[static_cast<size_t>(order[static_cast<size_t>(i)])];
    }
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t copy = 0; copy < times[static_cast<size_t>(row)]; ++copy) all.push_back({first_[p] + row, copy});
    }
  }
  return all;
}

std::shared_ptr<const Source> open_manifests(const std::vector<ManifestConfig>& manifests,
                                             const std::set<std::string>& tasks) {
  SeenKeys seen;
  ManifestProblems problems;
  std::vector<WeightedSource::Part> parts;
  for (const ManifestConfig& manifest : manifests) {
    const ManifestOptions options{tasks, std::ssize(parts)};
    parts.push_back({Manifest::open(manifest.path.value, options, seen, problems), manifest.weight});
  }
  problems.raise();
  return std::make_shared<WeightedSource>(std::move(parts));
}

}  // namespace usam::data
