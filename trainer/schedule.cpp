#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace usam {
namespace {

void describe_warmup(Fields& f, double& warmup) {
  f("warmup", warmup, "warm-up: below 1 a share of the run (rounded up), else a whole number of steps").at_least(0);
  f.rule([&warmup] {
    const bool good = warmup < 1 || warmup == std::floor(warmup);
    return good ? std::string() : std::string("'warmup' must be a share below 1 or a whole number of steps.");
  });
}

// A warm-up, then a curve over the rest of the run: `shape` maps progress in [0, 1] to a factor in [0, 1].
class WarmupThen final : public Schedule {
 public:
  WarmupThen(double warmup, double min_ratio, double (*shape)(double))
      : warmup_(warmup), min_ratio_(min_ratio), shape_(shape) {}

  double factor(int64_t step, int64_t total) const override {
    const int64_t warmup = warmup_steps(warmup_, total);
    if (step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
    const double progress =
        static_cast<double>(step - warmup) / static_cast<double>(std::max<int64_t>(1, total - warmup));
    return min_ratio_ + (1 - min_ratio_) * shape_(std::min(progress, 1.0));
  }

 private:
  double warmup_, min_ratio_;
  double (*shape_)(double);
};

}  // namespace

int64_t warmup_steps(double warmup, int64_t total) {
  return static_cast<int64_t>(warmup < 1 ? std::ceil(warmup * static_cast<double>(total)) : warmup);
}

void describe(Fields& f, ConstantScheduleConfig& c) {
  describe_warmup(f, c.warmup);
}

void describe(Fields& f, DecayScheduleConfig& c) {
  describe_warmup(f, c.warmup);
  f("min_ratio", c.min_ratio, "factor at the end of the run").at_least(0).at_most(1);
}

std::shared_ptr<Schedule> constant_schedule(const ConstantScheduleConfig& config) {
  return std::make_shared<WarmupThen>(config.warmup, 0, [](double) { return 1.0; });
}

std::shared_ptr<Schedule> linear_schedule(const DecayScheduleConfig& config) {
  return std::make_shared<WarmupThen>(config.warmup, config.min_ratio, [](double progress) { return 1 - progress; });
}

std::shared_ptr<Schedule> cosine_schedule(const DecayScheduleConfig& config) {
  return std::make_shared<WarmupThen>(config.warmup, config.min_ratio, [](double progress) {
    return 0.5 * (1 + std::cos(std::numbers::pi * progress));
  });
}

}  // namespace usam
