#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/source.h"

namespace usam::data {

// Several sources one after the other, each a share with a weight of its own (draws.h says what comes of it).
class WeightedSource final : public Source {
 public:
  struct Part {
    std::shared_ptr<const Source> source;
    double weight = 1;
  };
  explicit WeightedSource(std::vector<Part> parts);

  int64_t size() const override { return first_.back(); }
  Row row(int64_t index) const override;
  double seconds(int64_t index) const override;
  std::string name() const override;
  std::string place(int64_t index) const override;
  int64_t text_bytes(int64_t index) const override;
  std::vector<Share> shares() const override;

 private:
  size_t part_of(int64_t index) const;

  std::vector<Part> parts_;
  std::vector<int64_t> first_;  // of each part, and the end
};

}  // namespace usam::data
