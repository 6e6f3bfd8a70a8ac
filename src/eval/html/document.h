#pragma once
// What all pages have in common.
#include <string>
#include <utility>
#include <vector>

#include "src/eval/html/markup.h"

namespace usam::eval::html {

// One file that a browser opens from anywhere. `style` and `script` follow those of style.h.
struct Document {
  std::string title;
  Markup body;
  std::string style, script;
};
std::string render(const Document& document);

Markup heading(const std::string& level, const std::string& plain);
// The page's own heading, with a line below it.
Markup top(const std::string& title, const std::string& subtitle);
// Names and values at the foot of a page.
Markup foot(const std::vector<std::pair<std::string, std::string>>& lines);
// A cell of a table's body.
Markup cell(const std::string& plain, bool is_number = false);
// A table that scrolls sideways where the window is narrow; columns from the first one of numbers on are headed as
// such.
inline constexpr size_t kNoNumbers = 1000;
Markup table_of(const std::vector<std::string>& names, const Markup& rows, size_t first_number = 1);

}  // namespace usam::eval::html
