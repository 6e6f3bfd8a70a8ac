#pragma once
#include <string>

#include "src/base/json.h"

namespace usam::serve {

// The log-mel spectrogram of a file's first `seconds`, for drawing: {"frames", "bands", "data"}: base64 of frames x
// bands bytes, time-first, from 0 (silent) to 255; at most 1500 frames. UserError as data::audio::decode.
Json spectrogram(const std::string& path, double seconds);

}  // namespace usam::serve
