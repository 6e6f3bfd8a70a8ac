#include "src/eval/html/report_config.h"

namespace usam::eval {

void describe(Fields& f, ReportConfig& c) {
  f("examples", c.examples, "samples of each task that report.html shows, the worst first").at_least(0).resumable();
  f("audio_megabytes", c.audio_megabytes, "audio inside report.html; clips beyond it are linked to")
      .at_least(0)
      .resumable();
}

}  // namespace usam::eval
