#pragma once
// What can be said against a row.
#include <cstdint>
#include <string>
#include <vector>

namespace usam::inspect {

enum class Kind {
  kUnreadable,  // its recording, or the row itself
  kNoLabel,     // neither a label nor tags
  kSeveral,     // more than one recording
  kDuplicate,   // an earlier row of the set has the same samples, task, prompt and label
  kLength,      // the manifest's is not the recording's
  kLabel,       // characters that nobody sees, blanks at its ends, words of mixed scripts
  kAcross,      // another set has the same samples
  kConflict,    // an earlier row has the same samples, another label and the same task
  kPace,        // a label far too long or short for its clip
  kSound,       // silent, short, clipped, off zero, beyond full scale
};
inline constexpr int kKinds = 10;

struct KindText {
  const char* title;   // "unreadable"
  const char* remedy;  // what --fix does
  bool is_rejected;    // by --fix
};
const KindText& text_of(Kind kind);

struct Finding {
  int64_t row = 0;
  Kind kind = Kind::kUnreadable;
  std::string sentence;
};

}  // namespace usam::inspect
