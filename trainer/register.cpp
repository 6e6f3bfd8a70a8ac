#include "trainer/optimizer.h"
#include "trainer/schedule.h"

namespace usam {

const OptimizerRegistry& optimizers() {
  static const OptimizerRegistry registry = [] {
    OptimizerRegistry r;
    r.add<AdamWConfig>("adamw", [](const AdamWConfig& config, const std::vector<ParameterGroup>& groups) {
      return std::make_shared<AdamW>(config, groups);
    });
    return r;
  }();
  return registry;
}

const ScheduleRegistry& schedules() {
  static const ScheduleRegistry registry = [] {
    ScheduleRegistry r;
    r.add<ConstantScheduleConfig>("constant", constant_schedule);
    r.add<DecayScheduleConfig>("linear", linear_schedule);
    r.add<DecayScheduleConfig>("cosine", cosine_schedule);
    return r;
  }();
  return registry;
}

}  // namespace usam
