#include "src/dist/post.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/text.h"

namespace usam::dist {

std::string Activity::text() const {
  constexpr size_t kShown = 4;
  std::string text = step > 0 ? fmt::format("step {}, {}", step, phase) : phase;
  if (keys.empty()) return text;
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(kShown, keys.size()); ++i) shown.push_back(fmt::format("'{}'", keys[i]));
  if (keys.size() > kShown) shown.push_back(fmt::format("{} more", keys.size() - kShown));
  return fmt::format("{} of {}", text, join_words(shown));
}

void Post::at(Activity activity) {
  const std::lock_guard lock(mutex_);
  view_.waits = false;
  if (activity == view_.activity) return;
  view_.activity = std::move(activity);
  since_ = Clock::now();
}

Post::View Post::view() const {
  const std::lock_guard lock(mutex_);
  View view = view_;
  view.stood = Clock::now() - since_;
  return view;
}

double Post::waited() const {
  const std::lock_guard lock(mutex_);
  return view_.waited;
}

void Post::comes() {
  const std::lock_guard lock(mutex_);
  ++view_.operations;
  view_.waits = true;
  since_ = Clock::now();
}

void Post::waited_for(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  view_.waited += std::chrono::duration<double>(time).count();
  view_.waits = false;
  since_ = Clock::now();
}

}  // namespace usam::dist
