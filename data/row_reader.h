#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data/dialects.h"
#include "data/index.h"
#include "data/row_text.h"

namespace usam::data {

// How the rows stand in a text: one a line, or as the elements of a JSON list ([...], or {"annotation": [...]}).
enum class RowLayout { kLines, kList };

struct RowFormat {
  RowLayout layout = RowLayout::kLines;
  const Dialect* dialect = nullptr;
};

// What a text looks like by its first rows; `dialect` is taken as given where it is not nullptr.
RowFormat detect_format(const RowText& text, const Dialect* dialect);

// Why a file that begins with these bytes is no text of rows, or "".
std::string wrong_encoding(std::string_view text);

// Gives every row of a text to the builder, as rows of its first file: by several threads, in order, in bounded memory.
// A row's line is its line in the file, or its place in the list, from 1. What cannot be used is refused.
void read_rows(const RowText& text, const RowFormat& format, IndexBuilder& builder);

}  // namespace usam::data
