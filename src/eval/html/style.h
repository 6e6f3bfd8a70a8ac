#pragma once
#include <string>

#include "src/eval/html/markup.h"

namespace usam::eval::html {

// What a page looks like, in light and in dark, on paper and on a phone.
std::string style_sheet();
// What it does: a click on a spectrogram plays from there, the playhead follows, one clip plays at a time.
std::string script();
// What spectrograms of a page share: grey levels become colours, darkest first. Once in the body.
Markup heat_colours();

}  // namespace usam::eval::html
