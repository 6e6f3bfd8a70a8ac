#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace usam {

// What a look at a run shows.
struct ProgressState {
  int64_t step = 0, total = 0;  // done, of
  double loss = 0, lr = 0;
  std::map<std::string, double> terms;                                       // of the loss by name, and "TERM/TASK"
  double steps_per_second = 0, audio_per_second = 0, tokens_per_second = 0;  // audio: seconds of audio a second
  int64_t memory = 0;  // the most up to now, in bytes, of the device or else of the host

  double seconds_left() const {
    return steps_per_second > 0 ? static_cast<double>(total - step) / steps_per_second : 0;
  }
};

// Speed over about the last twenty steps; the clock runs only inside a step, not during evaluation or saving.
class Pace {
 public:
  void add(double seconds, double audio_seconds, double tokens);
  double steps_per_second() const { return seconds_ > 0 ? steps_ / seconds_ : 0; }
  double audio_per_second() const { return seconds_ > 0 ? audio_ / seconds_ : 0; }
  double tokens_per_second() const { return seconds_ > 0 ? tokens_ / seconds_ : 0; }

 private:
  double steps_ = 0, seconds_ = 0, audio_ = 0, tokens_ = 0;
};

// "step 120/3000 loss 2.3456 lr 4.10e-05 | 1.52 steps/s, 61 s audio/s, 250 tokens/s, 1.2 GiB | 31 min 40 s left |
// balance 1.02, ce 2.301, ce/ASR 2.4, ce/SEC 2.1"
std::string progress_line(const ProgressState& state);
// The same behind a bar, cut to `columns`.
std::string progress_bar(const ProgressState& state, int columns, bool color);

// Shows a run on standard error: a bar that is redrawn on a terminal, plain log lines elsewhere. NO_COLOR is respected.
class Progress {
 public:
  explicit Progress(bool shown);  // false: silent (every rank but the first)
  ~Progress();
  // Redraws the bar (at most ten times a second); elsewhere writes a line when the step is a logged one.
  void update(const ProgressState& state, bool logged);
  // Wipes the bar before other lines are written; the next update draws it again.
  void clear();

 private:
  bool shown_, terminal_, color_, drawn_ = false;
  std::chrono::steady_clock::time_point last_draw_;
};

}  // namespace usam
