#include "data/blend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

namespace usam::data {
namespace {

std::vector<double> weights_by_temperature(const std::vector<Share>& shares, double temperature) {
  double rows = 0, powers = 0;
  std::vector<double> weights;
  for (const Share& share : shares) {
    const auto own = static_cast<double>(share.rows());
    rows += own;
    powers += own > 0 ? std::pow(own, 1 / temperature) : 0;
  }
  for (const Share& share : shares) {
    const auto own = static_cast<double>(share.rows());
    weights.push_back(own > 0 ? rows * std::pow(own, 1 / temperature) / powers / own : 0);
  }
  return weights;
}

}  // namespace

void describe(Fields& f, BlendConfig& c) {
  f("temperature", c.temperature,
    "manifests are seen in proportion to their rows to the power of 1 / temperature: 1 as they are, high: equally")
      .more_than(0)
      .at_most(1000);
}

void describe(Fields& f, PhaseConfig& c) {
  f("until_step", c.until_step, "last step of the phase; the last phase has none").at_least(1);
  f("weights", c.weights, "how often the rows of each manifest of train are seen in an epoch of the phase; 0: never")
      .required()
      .at_least(0)
      .at_most(1000);
}

std::string curriculum_problem(const std::vector<PhaseConfig>& curriculum, size_t manifests) {
  int64_t before = 0;
  for (size_t i = 0; i < curriculum.size(); ++i) {
    const PhaseConfig& phase = curriculum[i];
    const bool is_last = i + 1 == curriculum.size();
    if (phase.weights.size() != manifests)
      return fmt::format("phase {} of 'curriculum' has {} weights for {} manifests: give one for each of 'train'",
                         i + 1, phase.weights.size(), manifests);
    if (std::ranges::all_of(phase.weights, [](double weight) { return weight == 0; }))
      return fmt::format("phase {} of 'curriculum' has no weight above 0: nothing would be seen in it", i + 1);
    if (is_last && phase.until_step)
      return fmt::format("phase {} of 'curriculum' is the last: it has no 'until_step'", i + 1);
    if (!is_last && !phase.until_step)
      return fmt::format("phase {} of 'curriculum' needs 'until_step': another phase follows", i + 1);
    if (is_last) continue;
    if (*phase.until_step <= before)
      return fmt::format("phase {} of 'curriculum' ends with step {}, not after the one before it", i + 1,
                         *phase.until_step);
    before = *phase.until_step;
  }
  return "";
}

std::vector<int64_t> phase_ends(const std::vector<PhaseConfig>& curriculum) {
  std::vector<int64_t> ends;
  for (const PhaseConfig& phase : curriculum)
    if (phase.until_step) ends.push_back(*phase.until_step);
  return ends;
}

std::vector<std::vector<double>> phase_weights(const std::vector<Share>& shares, const BlendConfig& blend,
                                               const std::vector<PhaseConfig>& curriculum) {
  if (blend.temperature) return {weights_by_temperature(shares, *blend.temperature)};
  std::vector<std::vector<double>> phases;
  for (const PhaseConfig& phase : curriculum) {
    if (phase.weights.size() != shares.size())
      internal_error("a phase has {} weights for {} shares", phase.weights.size(), shares.size());
    phases.push_back(phase.weights);
  }
  if (!phases.empty()) return phases;
  phases.emplace_back();
  for (const Share& share : shares) phases.back().push_back(share.weight);
  return phases;
}

}  // namespace usam::data
