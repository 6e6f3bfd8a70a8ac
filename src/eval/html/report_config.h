#pragma once
#include <cstdint>

#include "src/base/config.h"

namespace usam::eval {

// The `evaluate.report:` map of a config: what report.html shows of single samples.
struct ReportConfig {
  int64_t examples = 10;        // of each task, the worst first
  double audio_megabytes = 20;  // of audio inside the page; clips beyond are linked to
};
void describe(Fields& f, ReportConfig& c);

}  // namespace usam::eval
