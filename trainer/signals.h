#pragma once

namespace usam {

// While it lives, SIGTERM, SIGUSR1 and SIGINT ask the trainer to save and leave at the next step's edge instead of
// ending the process; a second SIGINT ends it at once. Several (ranks that are threads) share what came.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The number of the signal that came, or 0.
  static int received();
};

}  // namespace usam
