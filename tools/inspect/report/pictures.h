#pragma once
// What a run's TensorBoard files show of single samples (recipes/pictures.h), without what a resumed run did again.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace usam::inspect {

// A sample of data.valid.
struct ShownSample {
  std::string key, task, label, answer;
  int64_t step = 0;                                      // of the answer and the mask
  std::string mask;                                      // a PNG; "" for none
  std::string sound;                                     // a wav; "" for none
  std::vector<std::pair<int64_t, std::string>> answers;  // at all evaluations
};

// A time that the run was under way, from its first to its last sign in an event file.
struct Stretch {
  double begin = 0, end = 0;  // seconds since 1970
  int64_t first_step = 0;     // 0, or the first step after a resumption
};

struct Pictures {
  std::vector<ShownSample> samples;
  std::vector<Stretch> stretches;
  std::vector<std::string> notes;  // files that are torn
};
Pictures read_pictures(const std::string& run);

}  // namespace usam::inspect
