#pragma once
#include <string>
#include <vector>

namespace usam::text {

// What was understood in one of several windows of a recording that follow each other.
struct WindowText {
  std::string text;
  double seconds = 0;  // length of the window
};

// The text of the whole recording, of windows that overlap by `overlap` seconds. Where two meet, the end of the left
// text is aligned with the beginning of the right one, by words without case and punctuation, in scripts that are
// written without spaces by characters. The result goes over from the left text to the right one in the middle of what
// they have in common: words that the edge of a window has cut stand beyond that. Where they have nothing in common the
// one text follows the other. White space around the texts is dropped.
std::string merge_windows(const std::vector<WindowText>& windows, double overlap);

}  // namespace usam::text
