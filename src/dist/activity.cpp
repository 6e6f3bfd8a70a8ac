#include "src/dist/activity.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/text.h"

namespace usam::dist {

std::string Activity::text() const {
  constexpr size_t kShown = 4;
  std::string text = step > 0 ? fmt::format("step {}, {}", step, phase) : phase;
  if (keys.empty()) return text;
  std::vector<std::string> quoted;
  for (const auto& key : keys) quoted.push_back(fmt::format("'{}'", key));
  return fmt::format("{} of {}", text, join_some(quoted, kShown));
}

void ActivityMonitor::at(Activity activity) {
  const std::lock_guard lock(mutex_);
  view_.waits = false;
  if (activity == view_.activity) return;
  view_.activity = std::move(activity);
  since_ = Clock::now();
}

ActivityMonitor::View ActivityMonitor::view() const {
  const std::lock_guard lock(mutex_);
  View view = view_;
  view.stood = Clock::now() - since_;
  return view;
}

double ActivityMonitor::waited() const {
  const std::lock_guard lock(mutex_);
  return view_.waited;
}

void ActivityMonitor::comes() {
  const std::lock_guard lock(mutex_);
  ++view_.operations;
  view_.waits = true;
  since_ = Clock::now();
}

void ActivityMonitor::waited_for(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  view_.waited += std::chrono::duration<double>(time).count();
  view_.waits = false;
  since_ = Clock::now();
}

}  // namespace usam::dist
