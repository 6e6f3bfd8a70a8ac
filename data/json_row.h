#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "src/base/json.h"

namespace usam::data {

inline constexpr int kMaxRowDepth = 64;
inline constexpr size_t kMaxRowText = 65536;   // bytes of a label or prompt: more is a broken export, not a transcript
inline constexpr double kMaxRowSeconds = 1e6;  // 11 days: more is a unit mistake or garbage

bool is_blank(std::string_view text);
std::string_view trim(std::string_view text);
// What is wrong with a text field, or nothing: NUL characters, more bytes than kMaxRowText, blank where it must not be.
std::optional<std::string> problem_of_text(std::string_view name, std::string_view text, bool may_be_blank = false);
// A number of seconds that a text holds; what is wrong with it otherwise.
std::optional<std::string> read_seconds(std::string_view name, std::string_view text, double& seconds);
std::optional<std::string> problem_of_seconds(std::string_view name, double seconds, const std::string& shown);
// "not valid JSON at column 12: REASON".
std::string json_problem(size_t position, const std::string& what);

// Parses a row as one JSON object. Strict: UTF-8, no name twice in an object, no text after it, at most 64 levels deep.
// Returns the sentence that says what is wrong, or nothing.
std::optional<std::string> parse_json_row(std::string_view text, Json& row);
// A text without line ends that stands for the value in messages: "a number", "a list", ...
std::string kind_of(const Json& value);

// Reads the fields of a row's object one by one; the first problem stays, and what was not asked for is the rest.
class RowFields {
 public:
  explicit RowFields(const Json& row, std::string where = "") : row_(row), where_(std::move(where)) {}

  bool has(const std::string& name) const { return row_.contains(name) && !row_.at(name).is_null(); }
  // A text that must be there and not blank; "" with a problem otherwise.
  std::string text(const std::string& name);
  // The same for one that may be absent, null or blank: "" then.
  std::string optional_text(const std::string& name);
  // A number, or a text that holds one; -1 where it is absent or null.
  double seconds(const std::string& name);
  // Any value that may be absent or null: null then.
  const Json& value(const std::string& name);
  // A value that must be of this kind; null with a problem otherwise.
  const Json& list(const std::string& name);
  const Json& map(const std::string& name);
  // Notes what is wrong, unless something is already.
  void refuse(const std::string& sentence);
  const std::optional<std::string>& problem() const { return problem_; }
  // What was not read, as a JSON map; "" where there is nothing.
  std::string rest() const;

 private:
  const Json* find(const std::string& name);

  const Json& row_;
  std::string where_;  // of an inner map, for messages: "recording."
  std::set<std::string> read_;
  std::optional<std::string> problem_;
};

}  // namespace usam::data
