#pragma once
#include <fmt/format.h>

#include <string>

namespace usam::log {

enum class Level { kDebug, kInfo, kWarn, kError };

// Writes one line to standard error (spdlog behind it; log.cpp is the only file that includes it).
void write(Level level, const std::string& message);
// Lines below this level are dropped; default kInfo, or the environment variable USAM_LOG=debug|info|warn|error.
void set_level(Level level);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace usam::log
