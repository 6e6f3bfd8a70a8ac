#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <mutex>

#include "src/base/log_sink.h"

namespace usam::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

struct Logger {
  spdlog::logger logger;
  std::mutex mutex;
  std::string prefix;
  Level level = Level::kInfo;

  Logger()
      : logger("usam", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
                           std::getenv("NO_COLOR") ? spdlog::color_mode::never : spdlog::color_mode::automatic)) {
    logger.set_pattern("%Y-%m-%d %H:%M:%S %^%l%$: %v");
    logger.flush_on(spdlog::level::debug);
    const char* wanted = std::getenv("USAM_LOG");
    std::string name = wanted ? wanted : "";
    if (name == "debug") level = Level::kDebug;
    if (name == "warn") level = Level::kWarn;
    if (name == "error") level = Level::kError;
    logger.set_level(to_spdlog(level));
    if (!name.empty() && name != "debug" && name != "info" && name != "warn" && name != "error") {
      logger.warn("USAM_LOG is '{}', which is none of debug, info, warn and error; taking info.", name);
    }
  }
};

// Never destroyed: threads may still log while the process exits.
Logger& logger() {
  static Logger* instance = new Logger;
  return *instance;
}

}  // namespace

void write(Level level, const std::string& message) {
  Logger& log = logger();
  std::string prefix;
  {
    std::lock_guard lock(log.mutex);
    prefix = log.prefix;
  }
  log.logger.log(to_spdlog(level), "{}{}", prefix, message);
}

void set_level(Level level) {
  Logger& log = logger();
  std::lock_guard lock(log.mutex);
  log.level = level;
  log.logger.set_level(to_spdlog(level));
}

Level level() {
  Logger& log = logger();
  std::lock_guard lock(log.mutex);
  return log.level;
}

void set_prefix(const std::string& prefix) {
  Logger& log = logger();
  std::lock_guard lock(log.mutex);
  log.prefix = prefix;
}

}  // namespace usam::log
