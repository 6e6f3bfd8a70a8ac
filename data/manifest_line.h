#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace usam::data {

// What a row's text says, whatever its dialect, before paths are resolved.
struct ManifestLine {
  std::string key;                // empty where the dialect has none: see derived_key()
  std::vector<std::string> wavs;  // one at least
  std::string label, task, prompt;
  std::vector<std::string> tags;
  double seconds = -1, offset = -1;  // -1: not given
  std::string extra;                 // Row::extra
  bool is_left_out = false;          // the row says so itself (NeMo's _skipme)
};

// Parses one line `{key, wav, label, task?, dur?, offset?, tags?, prompt?}` of a manifest into `line`.
// `dur` and `offset` may be a number or a string that holds one, `tags` a list of strings or one comma-separated
// string; other names go to `extra`, where that is wanted. Strict: UTF-8, no name twice, no text after the object, at
// most 64 levels deep. Returns the sentence that says what is wrong with the line, or nothing.
std::optional<std::string> parse_manifest_line(std::string_view text, ManifestLine& line, bool with_extra = false);

// A row's prompt. Where it says nothing of the recording's place, the recording comes first, as in the projects that
// write so.
std::string with_slot(const std::string& prompt);
// The tags of a text that separates them by commas, blank ones left out.
std::vector<std::string> split_tags(std::string_view text);
// The label's references: its parts between TABs, blank ones left out.
std::vector<std::string> split_references(const std::string& label);
// Bytes of the row's own prompt and its longest reference.
int64_t label_bytes(const ManifestLine& line);

}  // namespace usam::data
