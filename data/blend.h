#pragma once
// How often the rows of each training manifest are seen: weights, a temperature, or a curriculum (docs/blending.md).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/source.h"
#include "src/base/config.h"

namespace usam::data {

struct BlendConfig {
  // Weights from the manifests' sizes: manifest p, n_p of N rows, gets a share of the epoch's N visits in proportion to
  // n_p^(1/T). 1: each row once; above it, small manifests are seen more often, up to equal shares.
  std::optional<double> temperature;
};

// A stretch of training with weights of its own, one for each manifest of data.train; 0 leaves one out.
struct PhaseConfig {
  std::optional<int64_t> until_step;  // its last step; absent: to the end of training
  std::vector<double> weights;
};

void describe(Fields& f, BlendConfig& c);
void describe(Fields& f, PhaseConfig& c);

// What is wrong with a curriculum for so many manifests: a sentence, or "".
std::string curriculum_problem(const std::vector<PhaseConfig>& curriculum, size_t manifests);

// The last step of every phase but the last.
std::vector<int64_t> phase_ends(const std::vector<PhaseConfig>& curriculum);

// The weights of a source's shares in each phase, one phase at least: the shares' own, by temperature, or the
// curriculum's.
std::vector<std::vector<double>> phase_weights(const std::vector<Share>& shares, const BlendConfig& blend,
                                               const std::vector<PhaseConfig>& curriculum);

}  // namespace usam::data
