#include "tools/serve/counters.h"

#include <fmt/format.h>

namespace usam::serve {

void Counters::answered(const std::string& endpoint, int status, double audio_seconds, double took_seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{endpoint, status}];
  took_[endpoint] += took_seconds;
  audio_seconds_ += audio_seconds;
}

std::string Counters::text(int64_t waiting) const {
  std::string out;
  const auto head = [&out](const std::string& name, const std::string& type, const std::string& help) {
    out += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  };
  const auto one = [&](const std::string& name, const std::string& type, const std::string& help, double value) {
    head(name, type, help);
    out += fmt::format("{} {}\n", name, value);
  };
  const std::lock_guard lock(mutex_);
  head("usam_requests_total", "counter", "Requests answered.");
  for (const auto& [key, count] : requests_)
    out += fmt::format("usam_requests_total{{endpoint=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
  head("usam_request_seconds_total", "counter", "Time from the first byte of requests to the last of their answers.");
  for (const auto& [endpoint, seconds] : took_)
    out += fmt::format("usam_request_seconds_total{{endpoint=\"{}\"}} {}\n", endpoint, seconds);
  one("usam_audio_seconds_total", "counter", "Audio answered about.", audio_seconds_);
  one("usam_tokens_total", "counter", "Tokens written.", static_cast<double>(tokens));
  one("usam_steps_total", "counter", "Passes of the language model, one token of every row each.",
      static_cast<double>(steps));
  one("usam_rows", "gauge", "Rows that go through the model in a step at present.", static_cast<double>(rows));
  one("usam_queue_length", "gauge", "Requests that wait.", static_cast<double>(waiting));
  one("usam_requests_under_way", "gauge", "Requests that are being answered or wait.", static_cast<double>(under_way));
  one("usam_upload_bytes", "gauge", "Memory held by bodies of requests.", static_cast<double>(upload_bytes));
  return out;
}

}  // namespace usam::serve
