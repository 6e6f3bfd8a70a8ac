#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace usam::io {

// What EventWriter (tensorboard.h) wrote, as far as people look at it.
struct Event {
  enum class Kind {
    kOther,   // a scalar, the version of the file
    kResume,  // what earlier files hold at `step` and after it is done again
    kImage,   // `bytes` are a PNG
    kSound,   // a wav
    kText     // Markdown
  };
  Kind kind = Kind::kOther;
  double time = 0;  // seconds since 1970
  int64_t step = 0;
  std::string tag, bytes;
};

// Hands over the events of a TensorBoard file in their order until `see` returns false. False where the file ends in
// the midst of an event or holds something that is none: what stands before that was handed over. UserError: a file
// that cannot be opened.
bool read_events(const std::string& path, const std::function<bool(Event&&)>& see);

}  // namespace usam::io
