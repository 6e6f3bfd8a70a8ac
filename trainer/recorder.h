#pragma once
// The record of a run: metrics.jsonl and TensorBoard events. Everything that depends on the clock stands under `time`.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "src/io/jsonl.h"
#include "src/io/tensorboard.h"
#include "trainer/checkpoint.h"
#include "trainer/interval.h"
#include "trainer/sums.h"

namespace usam {

// An epoch that is over, and what was seen in it, over all ranks.
struct EpochRecord {
  int64_t epoch = 0, phase = 0;
  int64_t micro_batches = 0, of = 0;  // fewer than `of` where the end of a phase cut it short
  int64_t skipped = 0;
  std::map<std::string, int64_t> seen;  // samples, as data::Batch::seen
};
// "Epoch 3 is over after 120 micro-batches: 5000 samples, 2 skipped; by task ASR 4000, SER 1000; by source ..."
std::string text_of(const EpochRecord& record);
Json to_json(const EpochRecord& record);

// One logged step.
struct StepRecord {
  int64_t step = 0;  // from 1
  Figures figures;
  double lr = 0;  // as used
  double gradient_norm = 0;
  bool finite = true;  // else it was dropped
  // Of the step, and of it spent waiting for data and for other ranks.
  double seconds = 0, wait_seconds = 0, communication_seconds = 0;
  double audio_seconds = 0, tokens = 0;  // over all ranks
  Interval interval;                     // of the steps since the last logged one
  std::optional<EpochRecord> ended_epoch;
  std::map<std::string, int64_t> health;  // troubles by name, 1 for each that there is (Health)
  bool is_starved = false;                // of data, in the interval
};

class Recorder {
 public:
  // Cuts metrics.jsonl and bad_batches.jsonl of `run` to what a run that stands at `state` has written, and goes on
  // from there. `prometheus`: a file for its text collector that says how the run stands, rewritten at every line; "":
  // none.
  Recorder(const std::string& run, const RunState& state, const std::string& prometheus = "");
  // {"step", "loss", terms and metrics, "lr", "grad_norm", "time"}, and "epoch" where one is over, "health" where
  // something is wrong; docs/distributed.md has the keys of time, docs/blending.md those of epoch,
  // docs/troubleshooting.md those of health. Of a step that is not finite only what it says of an epoch and of health.
  void step(const StepRecord& record);
  // {"step", "eval": {"loss", terms and metrics}, "time"}
  void evaluation(int64_t step, const Figures& figures, double seconds);
  // Anything else that TensorBoard shows.
  void events(const std::function<void(io::EventWriter&)>& write);
  // Makes all of it survive a power cut, which a checkpoint relies on. Returns "", or why it could not.
  std::string flush();

 private:
  void write(const Json& line);
  void show(const Json& line);
  // A full disk does not end a run: what cannot be written is kept, and one warning says so.
  void try_to(const std::function<void()>& write);

  io::JsonLinesWriter lines_;
  io::EventWriter events_;
  std::string run_, prometheus_;
  Json shown_;  // what the file of Prometheus says
  bool has_warned_ = false;
};

}  // namespace usam
