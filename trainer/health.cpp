#include "trainer/health.h"

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <string_view>

#include "src/base/text.h"
#include "trainer/recorder.h"

namespace usam {
namespace {

constexpr int64_t kPatience = 3;       // lines
constexpr double kMuchWaiting = 0.25;  // share of the time
constexpr double kMeasurableWait = 1;  // seconds
constexpr const char* kNotFinite = "not_finite";
constexpr const char* kStarved = "starved";

double waiting(const Interval& interval) {
  const double all = interval.data + interval.compute + interval.communication;
  return interval.data < kMeasurableWait ? 0 : interval.data / all;
}

}  // namespace

Health::Health(std::vector<Watch> watches) : watches_(std::move(watches)) {}

bool Health::is_due(const std::string& name, bool is_wrong, int64_t patience) {
  if (!is_wrong) {
    courses_.erase(name);
    return false;
  }
  Course& course = courses_.try_emplace(name, Course{0, patience}).first->second;
  if (++course.lines < course.next) return false;
  course.next *= 10;
  return true;
}

std::vector<std::string> Health::see(StepRecord& record) {
  std::vector<std::string> told;
  if (!record.finite) record.health[kNotFinite] = 1;
  if (is_due(kNotFinite, !record.finite, 1))
    told.push_back(fmt::format(
        "Step {}: the loss or its gradient is not finite. Listen to the samples in bad_batches.jsonl; where it happens "
        "to others too, lower trainer.optimizer.lr, give trainer.schedule a longer warmup, set trainer.max_grad_norm "
        "to 1 or trainer.precision to fp32.",
        record.step));
  if (!record.finite) return told;
  for (const Watch& watch : watches_) {
    const auto found = record.figures.values.find(watch.figure);
    if (found == record.figures.values.end()) continue;
    const double value = found->second;
    const bool is_low = value < watch.least, is_wrong = is_low || value > watch.most;
    if (is_wrong) record.health[watch.name] = 1;
    if (is_due(watch.name, is_wrong, kPatience))
      told.push_back(fmt::format("{}: {} is {:.3g}, {} {:g}, at step {} and has been for {} lines. {}", watch.what,
                                 watch.figure, value, is_low ? "below" : "above", is_low ? watch.least : watch.most,
                                 record.step, courses_.at(watch.name).lines, watch.remedy));
  }
  const double share = waiting(record.interval);
  record.is_starved = share > kMuchWaiting;
  if (is_due(kStarved, record.is_starved, kPatience))
    told.push_back(fmt::format(
        "Data starvation: {:.0f} % of the time of the last {} steps, up to step {}, went by waiting for samples. Raise "
        "data.threads, keep clips in memory with data.cache_memory, or what frozen encoders make of them on disk with "
        "recipe.cache.",
        100 * share, record.interval.steps, record.step));
  return told;
}

// Torch's allocator of host memory throws an error without a type of its own.
bool is_out_of_memory(const std::exception& e) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&e) || dynamic_cast<const std::bad_alloc*>(&e) ||
         std::string_view(e.what()).find("DefaultCPUAllocator: ") != std::string_view::npos;
}

std::string out_of_memory_message(int64_t step, const std::string& phase, const std::string& device,
                                  const std::vector<std::string>& keys) {
  if (phase == "saving")
    return fmt::format(
        "What is saved after step {} does not fit into host memory. Set trainer.save_in_background: false, which needs "
        "no copy of the optimizer's values.",
        step);
  if (phase.find("evaluation") != std::string::npos)
    return fmt::format(
        "The evaluation after step {} does not fit into the memory of {}. Lower evaluate.batch_rows or data.batch.",
        step, device);
  return fmt::format(
      "Step {} does not fit into the memory of {}. Lower data.batch (and raise trainer.accumulate as much) or "
      "data.max_seconds, or raise trainer.recompute; trainer.warm_with_longest: true finds out before the first step. "
      "Its samples: {}.",
      step, device, join_words(keys));
}

}  // namespace usam
