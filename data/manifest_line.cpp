#include "data/manifest_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/json_row.h"

namespace usam::data {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"key", "wav", "label", "task", "dur", "offset", "tags", "prompt"};

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
    return fail(json_problem(position, e.what()));
  }

  bool has(std::string_view name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }
  bool has_unknown() const {
    return std::ranges::any_of(names_,
                               [](const std::string& n) { return std::ranges::find(kNames, n) == kNames.end(); });
  }

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
    if (++depth_ > kMaxRowDepth) return fail(fmt::format("nested more than {} levels deep", kMaxRowDepth));
    return true;
  }
  bool number(double v) {
    double* field = depth_ == 1 ? known_number() : nullptr;
    if (!field) return value("a number");
    *field = v;
    return !(problem = problem_of_seconds(name_, v, fmt::format("{}", v)));
  }
  // Any value that is not what a known name wants.
  bool value(const char* found) {
    if (depth_ == 0) return fail(fmt::format("the line must be a JSON object, found {}", found));
    if (in_tags_) return fail(fmt::format("'tags' must be a list of texts, found {} in it", found));
    if (depth_ > 1) return true;
    if (name_ == "key" || name_ == "wav" || name_ == "label")
      return fail(fmt::format("'{}' must be text, found {}", name_, found));
    if (std::string_view(found) == "null") return true;  // an optional name that is null is absent
    if (name_ == "prompt" || name_ == "task") return fail(fmt::format("'{}' must be text, found {}", name_, found));
    if (name_ == "tags") return fail(fmt::format("'tags' must be a list of texts or one text, found {}", found));
    if (known_number()) return fail(fmt::format("'{}' must be a number of seconds, found {}", name_, found));
    return true;
  }
  bool known_string(std::string& text) {
    std::string* field = name_ == "key"      ? &line_.key
                         : name_ == "wav"    ? &line_.wavs.emplace_back()
                         : name_ == "label"  ? &line_.label
                         : name_ == "task"   ? &line_.task
                         : name_ == "prompt" ? &line_.prompt
                                             : nullptr;
    if (field) {
      if ((problem = problem_of_text(name_, text, name_ == "prompt"))) return false;
      *field = std::move(text);
    } else if (name_ == "tags") {
      line_.tags = split_tags(text);
    } else if (double* number = known_number()) {
      return !(problem = read_seconds(name_, text, *number));
    }
    return true;
  }
  double* known_number() { return name_ == "dur" ? &line_.seconds : name_ == "offset" ? &line_.offset : nullptr; }

  ManifestLine& line_;
  std::vector<std::string> names_;
  std::string name_;
  int depth_ = 0;
  bool in_tags_ = false;
};

}  // namespace

std::optional<std::string> parse_manifest_line(std::string_view text, ManifestLine& line, bool with_extra) {
  line = ManifestLine();
  LineHandler handler(line);
  Json::sax_parse(text.begin(), text.end(), &handler);
  if (handler.problem) return handler.problem;
  for (const char* name : {"key", "wav", "label"}) {
    if (!handler.has(name)) return fmt::format("'{}' is missing", name);
  }
  if (with_extra && handler.has_unknown()) {
    Json row = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    for (const std::string_view name : kNames) row.erase(std::string(name));
    line.extra = to_line(row);
  }
  return std::nullopt;
}

std::string with_slot(const std::string& prompt) {
  return prompt.empty() || prompt.find("<audio>") != std::string::npos ? prompt : "<audio>" + prompt;
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

int64_t label_bytes(const ManifestLine& line) {
  size_t longest = 0;
  for (const std::string& reference : split_references(line.label)) longest = std::max(longest, reference.size());
  return static_cast<int64_t>(line.prompt.size() + longest);
}

}  // namespace usam::data
