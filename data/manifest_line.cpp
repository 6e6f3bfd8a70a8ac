#include "data/manifest_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "src/base/json.h"

namespace usam::data {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxText = 65536;   // bytes of a label or prompt: more is a broken export, not a transcript
constexpr double kMaxSeconds = 1e6;  // 11 days: more is a unit mistake or garbage

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string> split_tags(std::string_view text) {
  std::vector<std::string> tags;
  while (true) {
    const auto comma = text.find(',');
    if (const auto tag = trim(text.substr(0, comma)); !tag.empty()) tags.emplace_back(tag);
    if (comma == std::string_view::npos) return tags;
    text.remove_prefix(comma + 1);
  }
}

// Receives the parser's events; nothing below the known names is kept, so that depth and size of the rest do not
// matter.
class LineHandler {
 public:
  explicit LineHandler(ManifestLine& line) : line_(line) {}

  std::optional<std::string> problem;

  bool null() { return value("null"); }
  bool boolean(bool) { return value("true or false"); }
  bool number_integer(Json::number_integer_t v) { return number(static_cast<double>(v)); }
  bool number_unsigned(Json::number_unsigned_t v) { return number(static_cast<double>(v)); }
  bool number_float(Json::number_float_t v, const std::string&) { return number(v); }
  bool binary(Json::binary_t&) { return value("binary data"); }
  bool string(std::string& text) {
    if (depth_ == 1 && !name_.empty()) return known_string(text);
    if (depth_ == 2 && in_tags_) {
      if (!is_blank(text)) line_.tags.emplace_back(trim(text));
      return true;
    }
    return value("text");
  }
  bool start_object(std::size_t) { return open("a map"); }
  bool end_object() { return --depth_, true; }
  bool start_array(std::size_t) { return open("a list"); }
  bool end_array() {
    if (--depth_ == 1) in_tags_ = false;
    return true;
  }
  bool key(std::string& name) {
    if (depth_ != 1) return true;
    if (std::find(names_.begin(), names_.end(), name) != names_.end())
      return fail(fmt::format("'{}' stands twice in the line", name));
    names_.push_back(name);
    name_ = name;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    std::string reason =
        e.what();  // "[json.exception...] parse error at line 1, column 9: syntax error ... - REASON; last read: ..."
    if (const auto at = reason.find(" - "); at != std::string::npos) reason.erase(0, at + 3);
    if (const auto at = reason.find("] "); at != std::string::npos) reason.erase(0, at + 2);
    reason.resize(std::min(reason.find("; last read"), reason.size()));
    return fail(fmt::format("not valid JSON at column {}: {}", position, reason));
  }

  bool has(std::string_view name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }

 private:
  bool fail(std::string sentence) {
    problem = std::move(sentence);
    return false;
  }
  bool open(const char* what) {
    if (depth_ == 0) {
      if (std::string_view(what) == "a list") return fail("the line must be a JSON object, found a list");
      return ++depth_, true;
    }
    if (depth_ == 1 && name_ == "tags" && std::string_view(what) == "a list") {
      in_tags_ = true;
    } else if (depth_ == 1 && !value(what)) {
      return false;
    } else if (in_tags_) {
      return fail(fmt::format("'tags' must be a list of texts, found {} in it", what));
    }
    if (++depth_ > kMaxDepth) return fail(fmt::format("nested more than {} levels deep", kMaxDepth));
    return true;
  }
  bool number(double v) {
    double* field = depth_ == 1 ? known_number() : nullptr;
    if (!field) return value("a number");
    *field = v;
    return check_seconds(v, fmt::format("{}", v));
  }
  // Any value that is not what a known name wants.
  bool value(const char* found) {
    if (depth_ == 0) return fail(fmt::format("the line must be a JSON object, found {}", found));
    if (in_tags_) return fail(fmt::format("'tags' must be a list of texts, found {} in it", found));
    if (depth_ > 1) return true;
    if (name_ == "key" || name_ == "wav" || name_ == "label" || name_ == "task")
      return fail(fmt::format("'{}' must be text, found {}", name_, found));
    if (std::string_view(found) == "null") return true;  // an optional name that is null is absent
    if (name_ == "prompt") return fail(fmt::format("'prompt' must be text, found {}", found));
    if (name_ == "tags") return fail(fmt::format("'tags' must be a list of texts or one text, found {}", found));
    if (known_number()) return fail(fmt::format("'{}' must be a number of seconds, found {}", name_, found));
    return true;
  }
  bool known_string(std::string& text) {
    std::string* field = name_ == "key"      ? &line_.key
                         : name_ == "wav"    ? &line_.wav
                         : name_ == "label"  ? &line_.label
                         : name_ == "task"   ? &line_.task
                         : name_ == "prompt" ? &line_.prompt
                                             : nullptr;
    if (field) {
      if (text.find('\0') != std::string::npos) return fail(fmt::format("'{}' holds a NUL character", name_));
      if (text.size() > kMaxText)
        return fail(fmt::format("'{}' has {} bytes, at most {} are accepted", name_, text.size(), kMaxText));
      if (is_blank(text) && name_ != "prompt") return fail(fmt::format("'{}' is empty", name_));
      *field = std::move(text);
    } else if (name_ == "tags") {
      line_.tags = split_tags(text);
    } else if (double* number = known_number()) {
      const auto digits = trim(text);
      const auto end = digits.data() + digits.size();
      const auto parsed = std::from_chars(digits.data(), end, *number);
      if (parsed.ec != std::errc() || parsed.ptr != end)
        return fail(fmt::format("'{}' must be a number of seconds, found '{}'", name_, text));
      return check_seconds(*number, text);
    }
    return true;
  }
  double* known_number() { return name_ == "dur" ? &line_.seconds : name_ == "offset" ? &line_.offset : nullptr; }
  bool check_seconds(double seconds, const std::string& shown) {
    if (std::isfinite(seconds) && seconds >= 0 && seconds <= kMaxSeconds) return true;
    return fail(fmt::format("'{}' must be from 0 to {} seconds, found {}", name_, kMaxSeconds, shown));
  }

  ManifestLine& line_;
  std::vector<std::string> names_;
  std::string name_;
  int depth_ = 0;
  bool in_tags_ = false;
};

}  // namespace

std::optional<std::string> parse_manifest_line(std::string_view text, ManifestLine& line) {
  line = ManifestLine();
  LineHandler handler(line);
  Json::sax_parse(text.begin(), text.end(), &handler);
  if (handler.problem) return handler.problem;
  for (const char* name : {"key", "wav", "label", "task"}) {
    if (!handler.has(name)) return fmt::format("'{}' is missing", name);
  }
  return std::nullopt;
}

std::vector<std::string> split_references(const std::string& label) {
  std::vector<std::string> references;
  std::string_view rest = label;
  while (true) {
    const auto tab = rest.find('\t');
    if (!is_blank(rest.substr(0, tab))) references.emplace_back(rest.substr(0, tab));
    if (tab == std::string_view::npos) return references;
    rest.remove_prefix(tab + 1);
  }
}

}  // namespace usam::data
