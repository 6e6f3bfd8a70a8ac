#include "data/json_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace usam::data {
namespace {

const Json kNull;

// Builds the value from the parser's events, so that depth and names are checked while it grows.
class RowBuilder {
 public:
  explicit RowBuilder(Json& row) : row_(row) {}

  std::optional<std::string> problem;

  bool null() { return put(nullptr); }
  bool boolean(bool v) { return put(v); }
  bool number_integer(Json::number_integer_t v) { return put(v); }
  bool number_unsigned(Json::number_unsigned_t v) { return put(v); }
  bool number_float(Json::number_float_t v, const std::string&) { return put(v); }
  bool binary(Json::binary_t&) { return false; }
  bool string(std::string& text) { return put(std::move(text)); }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return open_.pop_back(), true; }
  bool end_array() { return open_.pop_back(), true; }
  bool key(std::string& name) {
    if (open_.back()->contains(name)) return fail(fmt::format("'{}' stands twice in the line", name));
    name_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    return fail(json_problem(position, e.what()));
  }

 private:
  bool fail(std::string sentence) {
    problem = std::move(sentence);
    return false;
  }
  Json* place(Json value) {
    if (open_.empty()) return &(row_ = std::move(value));
    Json& in = *open_.back();
    if (in.is_object()) return &(in[name_] = std::move(value));
    in.push_back(std::move(value));
    return &in.back();
  }
  bool put(Json value) {
    if (open_.empty()) return fail("the line must be a JSON object, found " + kind_of(value));
    place(std::move(value));
    return true;
  }
  // A value that is being filled stays where it is: its parent grows only after it is closed.
  bool open(Json value) {
    if (open_.empty() && value.is_array()) return fail("the line must be a JSON object, found a list");
    if (std::ssize(open_) >= kMaxRowDepth) return fail(fmt::format("nested more than {} levels deep", kMaxRowDepth));
    open_.push_back(place(std::move(value)));
    return true;
  }

  Json& row_;
  std::vector<Json*> open_;
  std::string name_;
};

}  // namespace

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<std::string> problem_of_text(std::string_view name, std::string_view text, bool may_be_blank) {
  if (text.find('\0') != std::string_view::npos) return fmt::format("'{}' holds a NUL character", name);
  if (text.size() > kMaxRowText)
    return fmt::format("'{}' has {} bytes, at most {} are accepted", name, text.size(), kMaxRowText);
  if (is_blank(text) && !may_be_blank) return fmt::format("'{}' is empty", name);
  return std::nullopt;
}

std::optional<std::string> read_seconds(std::string_view name, std::string_view text, double& seconds) {
  const auto digits = trim(text);
  const auto end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, seconds);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    return fmt::format("'{}' must be a number of seconds, found '{}'", name, text);
  return problem_of_seconds(name, seconds, std::string(text));
}

std::optional<std::string> problem_of_seconds(std::string_view name, double seconds, const std::string& shown) {
  if (std::isfinite(seconds) && seconds >= 0 && seconds <= kMaxRowSeconds) return std::nullopt;
  return fmt::format("'{}' must be from 0 to {} seconds, found {}", name, kMaxRowSeconds, shown);
}

std::string json_problem(size_t position, const std::string& what) {
  // "[json.exception...] parse error at line 1, column 9: syntax error ... - REASON; last read: ..."
  std::string reason = what;
  if (const auto at = reason.find(" - "); at != std::string::npos) reason.erase(0, at + 3);
  if (const auto at = reason.find("] "); at != std::string::npos) reason.erase(0, at + 2);
  reason.resize(std::min(reason.find("; last read"), reason.size()));
  return fmt::format("not valid JSON at column {}: {}", position, reason);
}

std::optional<std::string> parse_json_row(std::string_view text, Json& row) {
  row = Json();
  RowBuilder builder(row);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.problem;
}

std::string kind_of(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "true or false";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "a list" : "a map";
}

const Json* RowFields::find(const std::string& name) {
  read_.insert(name);
  const auto at = row_.find(name);
  return at == row_.end() || at->is_null() ? nullptr : &*at;
}

void RowFields::refuse(const std::string& sentence) {
  if (!problem_) problem_ = sentence;
}

std::string RowFields::text(const std::string& name) {
  const std::string shown = where_ + name;
  const Json* value = find(name);
  if (!value) return refuse(fmt::format("'{}' is missing", shown)), "";
  if (!value->is_string()) return refuse(fmt::format("'{}' must be text, found {}", shown, kind_of(*value))), "";
  const auto& text = value->get_ref<const std::string&>();
  if (const auto wrong = problem_of_text(shown, text)) return refuse(*wrong), "";
  return text;
}

std::string RowFields::optional_text(const std::string& name) {
  const Json* value = find(name);
  if (!value || (value->is_string() && is_blank(value->get_ref<const std::string&>()))) return "";
  return text(name);
}

double RowFields::seconds(const std::string& name) {
  const std::string shown = where_ + name;
  const Json* value = find(name);
  double seconds = -1;
  if (!value) return seconds;
  std::optional<std::string> wrong;
  if (value->is_string()) {
    wrong = read_seconds(shown, value->get_ref<const std::string&>(), seconds);
  } else if (value->is_number()) {
    seconds = value->get<double>();
    wrong = problem_of_seconds(shown, seconds, fmt::format("{}", seconds));
  } else {
    wrong = fmt::format("'{}' must be a number of seconds, found {}", shown, kind_of(*value));
  }
  if (wrong) return refuse(*wrong), -1;
  return seconds;
}

const Json& RowFields::value(const std::string& name) {
  const Json* value = find(name);
  return value ? *value : kNull;
}

const Json& RowFields::list(const std::string& name) {
  const Json* value = find(name);
  if (!value) return refuse(fmt::format("'{}' is missing", where_ + name)), kNull;
  if (!value->is_array())
    return refuse(fmt::format("'{}' must be a list, found {}", where_ + name, kind_of(*value))), kNull;
  return *value;
}

const Json& RowFields::map(const std::string& name) {
  const Json* value = find(name);
  if (!value) return refuse(fmt::format("'{}' is missing", where_ + name)), kNull;
  if (!value->is_object())
    return refuse(fmt::format("'{}' must be a map, found {}", where_ + name, kind_of(*value))), kNull;
  return *value;
}

std::string RowFields::rest() const {
  Json rest = Json::object();
  for (const auto& [name, value] : row_.items()) {
    if (!read_.contains(name)) rest[name] = value;
  }
  return rest.empty() ? "" : to_line(rest);
}

}  // namespace usam::data
