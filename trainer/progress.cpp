#include "trainer/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "src/base/log.h"
#include "src/base/text.h"

namespace usam {
namespace {

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void Pace::add(double seconds, double audio_seconds, double tokens) {
  constexpr double kKeep = 0.95;  // a window of about 1 / (1 - 0.95) steps
  steps_ = steps_ * kKeep + 1;
  seconds_ = seconds_ * kKeep + seconds;
  audio_ = audio_ * kKeep + audio_seconds;
  tokens_ = tokens_ * kKeep + tokens;
}

std::string progress_line(const ProgressState& s) {
  std::string text = fmt::format("step {}/{} loss {:.4f} lr {:.2e} | {:.2f} steps/s, {:.0f} s audio/s", s.step, s.total,
                                 s.loss, s.lr, s.steps_per_second, s.audio_per_second);
  if (s.tokens_per_second > 0) text += fmt::format(", {:.0f} tokens/s", s.tokens_per_second);
  text += fmt::format(", {} | {} left", human_bytes(s.memory), human_seconds(s.seconds_left()));
  const char* separator = " | ";
  for (const auto& [name, value] : s.terms) {
    text += fmt::format("{}{} {:.4g}", separator, name, value);
    separator = ", ";
  }
  return text;
}

std::string progress_bar(const ProgressState& s, int columns, bool color) {
  constexpr int kWidth = 20;
  const double share = s.total > 0 ? static_cast<double>(s.step) / static_cast<double>(s.total) : 0;
  const int full = static_cast<int>(share * kWidth);
  std::string bar = std::string(static_cast<size_t>(full), '=') + std::string(static_cast<size_t>(kWidth - full), ' ');
  std::string text = fmt::format("[{}] {:3.0f}% {}", bar, share * 100, progress_line(s));
  text.resize(std::min(text.size(), static_cast<size_t>(std::max(columns - 1, 0))));
  if (color && text.size() > kWidth + 2) text = "\033[32m" + text.insert(kWidth + 2, "\033[0m");
  return text;
}

Progress::Progress(bool shown)
    : shown_(shown), terminal_(isatty(STDERR_FILENO) == 1), color_(std::getenv("NO_COLOR") == nullptr) {}

Progress::~Progress() {
  if (drawn_) std::fputc('\n', stderr);
}

void Progress::update(const ProgressState& state, bool logged) {
  if (!shown_) return;
  if (!terminal_) {
    if (logged) log::info("{}", progress_line(state));
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && state.step < state.total && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  drawn_ = true;
  fmt::print(stderr, "\r\033[K{}", progress_bar(state, terminal_columns(), color_));
  std::fflush(stderr);
}

void Progress::clear() {
  if (!drawn_) return;
  drawn_ = false;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace usam
