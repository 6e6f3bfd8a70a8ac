#include "trainer/interval.h"

#include <fmt/format.h>

#include <algorithm>

namespace usam {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

void IntervalClock::add(double seconds, double data, double communication) {
  ++steps_;
  data_ += data;
  communication_ += communication;
  compute_ += std::max(0.0, seconds - data - communication);
}

Interval IntervalClock::close(dist::Communicator& ranks, torch::Device device) {
  const PeakMemory memory = peak_memory(device);
  const std::vector<double> mine = {data_,
                                    compute_,
                                    communication_,
                                    static_cast<double>(memory.host),
                                    static_cast<double>(memory.device),
                                    static_cast<double>(ranks.sent() - sent_)};
  sent_ = ranks.sent();
  Interval interval;
  interval.steps = steps_;
  std::vector<double> busy;
  for (const torch::Tensor& tensor : ranks.all_gather(torch::tensor(mine, torch::kFloat64))) {
    const double* theirs = tensor.data_ptr<double>();
    const auto world = static_cast<double>(ranks.world());
    interval.data += theirs[0] / world;
    interval.compute += theirs[1] / world;
    interval.communication += theirs[2] / world;
    interval.sent += theirs[5] / world / static_cast<double>(steps_);
    interval.memory.host = std::max(interval.memory.host, static_cast<int64_t>(theirs[3]));
    interval.memory.device = std::max(interval.memory.device, static_cast<int64_t>(theirs[4]));
    busy.push_back(theirs[0] + theirs[1]);
  }
  const auto slowest = std::max_element(busy.begin(), busy.end());
  interval.slowest = slowest - busy.begin();
  interval.slowest_seconds = *slowest;
  busy.erase(slowest);
  if (const double others = busy.empty() ? 0 : median(busy); others > 0)
    interval.spread = interval.slowest_seconds / others - 1;
  data_ = compute_ = communication_ = 0;
  steps_ = 0;
  return interval;
}

std::string IntervalClock::warning(const Interval& interval) {
  constexpr double kMuch = 0.2, kMeasurableSeconds = 1;
  const bool is_slow = interval.spread > kMuch && interval.slowest_seconds >= kMeasurableSeconds;
  const int64_t suspect = is_slow ? interval.slowest : -1;
  times_ = suspect >= 0 && suspect == suspect_ ? times_ + 1 : 1;
  suspect_ = suspect;
  if (suspect < 0 || times_ != 3) return "";
  return fmt::format(
      "Rank {} is slow: data and compute of the last {} steps took it {:.3g} s, {:.0f} % more than the other ranks, "
      "which wait for it.",
      suspect, interval.steps, interval.slowest_seconds, 100 * interval.spread);
}

}  // namespace usam
