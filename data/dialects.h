#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/json_row.h"
#include "data/manifest_line.h"

namespace usam::data {

// A way of writing a row as a JSON object, one a line or in a list (docs/data.md shows each).
struct Dialect {
  const char* name;  // as the config says it: "slam"
  // Whether a first row looks like it.
  bool (*is_likely)(const Json& row);
  // Reads a row; the sentence that says what is wrong with it, or nothing. `with_extra` wants ManifestLine::extra too.
  std::optional<std::string> (*parse)(std::string_view text, ManifestLine& line, bool with_extra);
};

// All of them; the first one is U-SAM's own, which is also what a row that looks like none is taken for.
const std::vector<Dialect>& dialects();
// nullptr for a name that is none.
const Dialect* find_dialect(std::string_view name);

// A key for a row that has none: its recording's path and, for a part, where that begins. Stable over runs.
std::string derived_key(const ManifestLine& line);

// Read a row that is parsed into an empty line.
std::optional<std::string> read_messages(const Json& row, ManifestLine& line, bool with_extra);
std::optional<std::string> read_kimi(const Json& row, ManifestLine& line, bool with_extra);
std::optional<std::string> read_lhotse(const Json& row, ManifestLine& line, bool with_extra);

}  // namespace usam::data
