#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/source.h"

namespace usam::data {

// Several sources one after the other, each with a weight: how often its rows are seen in an epoch on average. Weight w
// gives each row floor(w) visits; the fraction w - floor(w) of the rows, drawn without replacement from (seed, epoch,
// source), one visit more (where that is no whole number of rows, it is rounded up or down at random so that the mean
// is exact).
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
  std::vector<Visit> visits(uint64_t seed, int64_t epoch) const override;

 private:
  size_t part_of(int64_t index) const;

  std::vector<Part> parts_;
  std::vector<int64_t> first_;  // of each part, and the end
};

// Opens the manifests of a list. Throws UserError with everything that is wrong with all of them: lines that cannot be
// used, unknown tasks (where `tasks` is not empty), keys that stand twice.
std::shared_ptr<const Source> open_manifests(const std::vector<ManifestConfig>& manifests,
                                             const std::set<std::string>& tasks = {});

}  // namespace usam::data
