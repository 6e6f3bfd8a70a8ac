#pragma once
// The record of a run: metrics.jsonl and TensorBoard events. Everything that depends on the clock stands under `time`.
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "src/io/jsonl.h"
#include "src/io/tensorboard.h"
#include "trainer/sums.h"

namespace usam {

// One logged step.
struct StepRecord {
  int64_t step = 0;  // from 1
  Figures figures;
  double lr = 0;  // as used
  double gradient_norm = 0;
  bool finite = true;                    // else it was dropped
  double seconds = 0, wait_seconds = 0;  // of the step, and of it spent waiting for data
  double audio_seconds = 0;              // over all ranks
};

class Recorder {
 public:
  // Cuts metrics.jsonl and bad_batches.jsonl of `run` to the first `step` steps and goes on from there.
  Recorder(const std::string& run, int64_t step);
  // {"step", "loss", terms and metrics, "lr", "grad_norm", "time"}
  void step(const StepRecord& record);
  // {"step", "eval": {"loss", terms and metrics}, "time"}
  void evaluation(int64_t step, const Figures& figures, double seconds);
  void flush() { events_.flush(); }

 private:
  io::JsonLinesWriter lines_;
  io::EventWriter events_;
};

}  // namespace usam
