#pragma once

namespace usam {

// While it lives, SIGTERM, SIGUSR1 and SIGINT ask the trainer to save and leave at the next step's edge or evaluated
// batch instead of ending the process; a second SIGINT ends it at once. Several (ranks that are threads) share what
// came.
class StopSignals {
 public:
  // `tells`: a first SIGINT is answered on standard error at once.
  explicit StopSignals(bool tells = false);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The number of the signal that came, or 0.
  static int received();
};

}  // namespace usam
