#pragma once
#include <string>

namespace usam::eval::html {

// What a page looks like, in light and in dark, on paper and on a phone.
std::string style_sheet();
// What it does: a click on a spectrogram plays from there, the playhead follows, one clip plays at a time.
std::string script();

}  // namespace usam::eval::html
