#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "src/base/config.h"

namespace usam {

enum class Precision { kFp32, kBf16 };
enum class Better { kAuto, kLower, kHigher };  // kAuto: lower, for the loss alone

// Which evaluation figure says that a checkpoint is the best.
struct BestConfig {
  std::string metric = "loss";
  Better mode = Better::kAuto;
};
void describe(Fields& f, BestConfig& c);

// The `trainer:` map.
struct TrainerConfig {
  TrainerConfig();  // AdamW at a constant rate

  std::optional<int64_t> max_steps, epochs;  // one of the two
  int64_t accumulate = 1;                    // micro-batches of a rank in a step
  Precision precision = Precision::kFp32;    // bf16: the forward pass under autocast; parameters stay fp32
  double max_grad_norm = 1;                  // 0: not clipped
  int64_t save_every = 1000, keep_last = 3, keep_best = 1;
  bool save_in_background = true;
  std::optional<std::string> max_time;  // "3h50m" since the program's start
  int64_t eval_every = 1000;
  int64_t log_every = 10;
  BestConfig best;
  int64_t max_bad_steps = 3;
  bool warm_with_longest = false;
  double recompute = 0;         // share of the blocks
  double recompute_to_gib = 0;  // as few as it takes
  Part optimizer, schedule;
};
void describe(Fields& f, TrainerConfig& c);

}  // namespace usam
