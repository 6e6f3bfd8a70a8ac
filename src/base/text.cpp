#include "src/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

namespace usam {

int64_t edit_distance(const std::string& a, const std::string& b) {
  // rows[i % 3][j]: distance between the first i bytes of a and the first j of b; swaps look two rows back.
  std::vector<std::vector<int64_t>> rows(3, std::vector<int64_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& two_above = rows[(i + 1) % 3];
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        row[j] = static_cast<int64_t>(i + j);
        continue;
      }
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (is_swap) row[j] = std::min(row[j], two_above[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& names) {
  int64_t limit = std::clamp<int64_t>(static_cast<int64_t>(name.size()) / 3, 1, 3);
  std::string best;
  for (const auto& candidate : names) {
    int64_t distance = edit_distance(name, candidate);
    if (distance > limit || distance >= static_cast<int64_t>(candidate.size())) continue;
    limit = distance - 1;  // from now on only nearer ones
    best = candidate;
  }
  return best;
}

std::string join_words(const std::vector<std::string>& words, const std::string& last) {
  std::string joined;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) joined += i + 1 == words.size() ? " " + last + " " : ", ";
    joined += words[i];
  }
  return joined;
}

std::string join_some(std::vector<std::string> words, size_t most) {
  if (words.size() > most) {
    const std::string rest = fmt::format("{} more", words.size() - most);
    words.resize(most);
    words.push_back(rest);
  }
  return join_words(words);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

char ascii_lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

std::string ascii_lower(std::string text) {
  for (char& letter : text) letter = ascii_lower(letter);
  return text;
}

std::string trimmed(const std::string& text) {
  const char* kBlank = " \t\r\n\v\f";
  size_t first = text.find_first_not_of(kBlank);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string printable(const std::string& text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      shown += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown;
}

std::string human_bytes(int64_t bytes) {
  if (std::abs(bytes) < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / 1024;
  for (const char* unit : {"KiB", "MiB", "GiB", "TiB"}) {
    if (std::abs(size) < 1023.95) return fmt::format("{:.1f} {}", size, unit);
    size /= 1024;
  }
  return fmt::format("{:.1f} PiB", size);
}

std::string human_seconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "unknown";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds > 1e15) return "unknown";
  int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  int64_t minutes = whole / 60;
  if (minutes < 24 * 60) return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
  return fmt::format("{} d {} h", minutes / (24 * 60), minutes / 60 % 24);
}

std::optional<double> parse_seconds(const std::string& text) {
  static const std::map<char, double> kUnits = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
  double seconds = 0, last_unit = std::numeric_limits<double>::infinity();
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    double value = 0;
    const auto [stop, error] = std::from_chars(at, end, value, std::chars_format::fixed);
    if (error != std::errc() || !(value >= 0)) return std::nullopt;
    const auto unit = kUnits.find(stop == end ? 's' : *stop);
    if (unit == kUnits.end() || unit->second >= last_unit) return std::nullopt;  // the larger unit comes first
    seconds += value * unit->second;
    last_unit = unit->second;
    at = stop == end ? stop : stop + 1;
    while (at != end && *at == ' ') ++at;
  }
  return text.empty() || !std::isfinite(seconds) ? std::nullopt : std::optional(seconds);
}

std::string human_count(int64_t count) {
  if (std::abs(count) < 1000) return fmt::format("{}", count);
  double size = static_cast<double>(count) / 1000;
  for (const char* unit : {"k", "M", "G"}) {
    if (std::abs(size) < 999.95) return fmt::format("{:.1f} {}", size, unit);
    size /= 1000;
  }
  return fmt::format("{:.1f} T", size);
}

}  // namespace usam
