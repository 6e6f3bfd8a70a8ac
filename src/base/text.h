#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace usam {

// Edits (insert, delete, replace, swap of neighbours) that turn one text into the other, byte by byte.
int64_t edit_distance(const std::string& a, const std::string& b);
// The name nearest to `name`, or "" when none is near enough to be what was meant (a third of its letters, three at
// most).
std::string nearest_name(const std::string& name, const std::vector<std::string>& names);
// "a, b and c" or with another last word "a, b or c"; "" for none.
std::string join_words(const std::vector<std::string>& words, const std::string& last = "and");
// The first `most` of the words and how many there are beside them: "a, b and 5 more".
std::string join_some(std::vector<std::string> words, size_t most);
std::vector<std::string> split(const std::string& text, char separator);
// Without white space at both ends.
std::string trimmed(const std::string& text);
// With A to Z small, whatever the locale; other bytes are left alone.
char ascii_lower(char letter);
std::string ascii_lower(std::string text);
// With control characters written out ("\\n", "\\x1b"): a file's name stays on one line of a message.
std::string printable(const std::string& text);
// "512 B", "1.5 KiB", "41.0 MiB".
std::string human_bytes(int64_t bytes);
// "0.8 s", "59 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
std::string human_seconds(double seconds);
// The seconds in "3h50m", "1d", "90m", "30s", "2h 5m 10s" or a plain number of seconds; nothing for other texts.
std::optional<double> parse_seconds(const std::string& text);
// "950", "12.3 k", "41.0 M".
std::string human_count(int64_t count);

}  // namespace usam
