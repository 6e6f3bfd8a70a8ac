#pragma once
#include <cstdint>
#include <memory>

#include "src/base/config.h"
#include "src/base/registry.h"

namespace usam {

// The learning rate's course over a run, as a factor of the optimizer's own rate.
class Schedule {
 public:
  virtual ~Schedule() = default;
  // The factor of step `step` (from 0) of `total`.
  virtual double factor(int64_t step, int64_t total) const = 0;
};

// Steps of warm-up: a value below 1 is a share of the run, rounded up (as transformers' TrainingArguments does), one of
// at least 1 a number of steps. The factor rises from 0 at step 0, so that a run with warm-up learns nothing in its
// first step (as transformers' get_*_schedule_with_warmup).
int64_t warmup_steps(double warmup, int64_t total);

struct ConstantScheduleConfig {
  double warmup = 0;
};
void describe(Fields& f, ConstantScheduleConfig& c);

// Linear or cosine: from 1 after the warm-up down to `min_ratio` at the end of the run.
struct DecayScheduleConfig {
  double warmup = 0;
  double min_ratio = 0;
};
void describe(Fields& f, DecayScheduleConfig& c);

std::shared_ptr<Schedule> constant_schedule(const ConstantScheduleConfig& config);
std::shared_ptr<Schedule> linear_schedule(const DecayScheduleConfig& config);
std::shared_ptr<Schedule> cosine_schedule(const DecayScheduleConfig& config);

using ScheduleRegistry = Registry<Schedule>;
// Every schedule by its `type:`; the list is in register.cpp.
const ScheduleRegistry& schedules();

}  // namespace usam
