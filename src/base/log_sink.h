#pragma once
// The part of log.h that knows no fmt: log.cpp is compiled against another release of fmt than everybody else.
#include <string>

namespace usam::log {

enum class Level { kDebug, kInfo, kWarn, kError };

// Writes one line to standard error (spdlog behind it; log.cpp is the only file that includes it). Thread-safe.
void write(Level level, const std::string& message);
// Lines below this level are dropped; default kInfo, or the environment variable USAM_LOG=debug|info|warn|error.
void set_level(Level level);
Level level();
// Stands before every message from now on, "[rank 1] " for example; "" for none.
void set_prefix(const std::string& prefix);

}  // namespace usam::log
