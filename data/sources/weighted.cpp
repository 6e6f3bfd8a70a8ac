#include "data/sources/weighted.h"

#include <algorithm>

#include "src/base/error.h"

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

int64_t WeightedSource::text_bytes(int64_t index) const {
  const size_t part = part_of(index);
  return parts_[part].source->text_bytes(index - first_[part]);
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

std::vector<Share> WeightedSource::shares() const {
  std::vector<Share> shares;
  for (size_t p = 0; p < parts_.size(); ++p)
    shares.push_back({first_[p], first_[p + 1], parts_[p].weight, parts_[p].source->name()});
  return shares;
}

}  // namespace usam::data
