#pragma once
// The `evaluate.window:` map of a config: recordings that are longer than a window are answered window by window.
#include "src/base/config.h"

namespace usam::eval {

struct WindowConfig {
  double seconds = 30;
  double overlap = 5;  // seconds that a window shares with the one before it
};
void describe(Fields& f, WindowConfig& c);

}  // namespace usam::eval
