// What the trainer tells of itself: what it is at, and what went wrong.
#include <c10/util/Exception.h>

#include "src/base/log.h"
#include "src/base/text.h"
#include "src/dist/heartbeat.h"
#include "trainer/trainer.h"

namespace usam {

// `slowness`: of a phase that cannot tell how far it is (dist::Activity).
void Trainer::at(const std::string& phase, const std::vector<std::string>& keys, int64_t slowness) {
  phase_under_way_ = phase;
  keys_under_way_ = keys;
  parts_.ranks->monitor().at({step_under_way_, phase, keys, slowness});
}

// The next micro-batch of a stream; while this rank waits for it, others can read for which samples.
std::optional<data::Batch> Trainer::next_of(BatchStream& stream, const std::string& phase) {
  if (&stream == stream_.get()) step_under_way_ = state_.step + 1;
  at(phase);
  for (std::vector<std::string> missing; !(missing = stream.missing_after(std::chrono::seconds(1))).empty();)
    at(phase, missing);
  std::optional<data::Batch> batch = stream.next();
  if (batch)
    log::debug("Step {}, {}: epoch {}, micro-batch {}: {}", step_under_way_, phase, batch->cursor.epoch,
               batch->cursor.micro_batch, join_words(batch->keys));
  return batch;
}

// Looks at what a loss of the first step reaches, and before its last backward pass names what none has reached.
const torch::Tensor& Trainer::see(const torch::Tensor& loss, bool is_last) {
  if (!reach_) return loss;
  reach_->see(loss);
  if (!is_last) return loss;
  const std::string message = unreached_message(reach_->unreached(*parts_.ranks));
  if (is_first() && !message.empty()) log::warn("{}", message);
  reach_.reset();
  return loss;
}

// What else than the exception's text helps: the samples whose computation failed, or the rank that was lost. Torch's
// own exceptions are about the former, all others in a run of several ranks (Gloo's, NCCL's) about the latter.
void Trainer::explain_failure(const std::exception& e) {
  progress_.clear();
  if (is_out_of_memory(e)) {
    log::error("{}", out_of_memory_message(step_under_way_, phase_under_way_, parts_.device.str(), keys_under_way_));
  } else if (dynamic_cast<const c10::Error*>(&e) && !dynamic_cast<const c10::DistError*>(&e)) {
    const std::string on = keys_under_way_.empty() ? "" : " on the samples " + join_words(keys_under_way_);
    log::error("Step {} failed in its {}{}.", step_under_way_, phase_under_way_, on);
  } else if (const std::string lost = parts_.ranks->diagnosis(); !lost.empty()) {
    throw dist::RankLost(lost);
  }
}

}  // namespace usam
