#include "src/base/config_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "src/base/text.h"

namespace usam {

void ParseContext::fail_type(const ConfigNode& node, const std::string& wanted, const std::string& remedy) {
  std::string subject = key_.empty() ? "the config" : "'" + key_ + "'";
  fail(node.mark, fmt::format("{} must be {}, got {}{}", subject, wanted, node.described(),
                              remedy.empty() ? "" : " (" + remedy + ")"));
}

namespace {

// True when the node is a plain scalar, or one tagged with one of `tags`, that may be read as `wanted`. Null, lists,
// maps and quoted texts are reported; a text that waits for an environment variable is passed over.
bool is_plain(const ConfigNode& node, ParseContext& ctx, const std::string& wanted,
              const std::vector<std::string>& tags) {
  if (node.is_unresolved) return false;
  bool has_tag = node.is_scalar() && !node.tag.empty();
  bool is_right_tag = has_tag && std::find(tags.begin(), tags.end(), node.tag) != tags.end();
  if (!node.is_scalar() || (has_tag && !is_right_tag)) {
    ctx.fail_type(node, wanted);
    return false;
  }
  if (node.is_quoted && !has_tag) {
    ctx.fail_type(node, wanted, "remove the quotes");
    return false;
  }
  return true;
}

// True when a scalar may be read as text; also for texts that wait for an environment variable.
bool is_text(const ConfigNode& node, ParseContext& ctx, const std::string& wanted) {
  if (node.is_scalar() && (node.tag.empty() || node.tag == "str")) return true;
  ctx.fail_type(node, wanted, node.is_null() ? "for an empty text write \"\"" : "");
  return false;
}

// By hand: std::regex recurses with every character, and a text may be long.
constexpr std::string_view kDigits = "0123456789";

// Where the run of characters out of `set` that begins at `at` ends.
size_t past(std::string_view text, size_t at, std::string_view set) {
  return std::min(text.find_first_not_of(set, at), text.size());
}

size_t past_sign(std::string_view text, size_t at) {
  return at + (text.substr(at).starts_with('-') || text.substr(at).starts_with('+'));
}

// At least one out of `set` from `at` on, and nothing else.
bool is_all(std::string_view text, size_t at, std::string_view set) {
  return at < text.size() && past(text, at, set) == text.size();
}

bool is_hex(std::string_view text) {
  return text.starts_with("0x") && is_all(text, 2, "0123456789abcdefABCDEF");
}

bool is_decimal(std::string_view text) {
  return is_all(text, past_sign(text, 0), kDigits);
}

bool has_leading_zero(std::string_view text) {
  const size_t first = past_sign(text, 0);
  return is_decimal(text) && text[first] == '0' && first + 1 < text.size();
}

// A sign or none, digits with a point or none, an exponent or none.
bool is_real(std::string_view text) {
  const size_t first = past_sign(text, 0), point = past(text, first, kDigits);
  const bool has_point = text.substr(point).starts_with('.');
  const size_t end = has_point ? past(text, point + 1, kDigits) : point;
  if (end - first == (has_point ? 1 : 0)) return false;
  const bool has_exponent = text.substr(end).starts_with('e') || text.substr(end).starts_with('E');
  return has_exponent ? is_all(text, past_sign(text, end + 1), kDigits) : end == text.size();
}

bool is_infinity(std::string_view text) {
  const std::string_view word = text.substr(past_sign(text, 0));
  return word == ".inf" || word == ".Inf" || word == ".INF";
}

std::string number_remedy(std::string_view text) {
  const size_t first = past_sign(text, 0);
  const bool is_split = past(text, first, kDigits) > first && is_all(text, first, "0123456789_.eE+-") &&
                        text.find('_') != std::string_view::npos;
  return is_split ? "write it without underscores" : "";
}

}  // namespace

void Codec<bool>::parse(const ConfigNode& node, ParseContext& ctx, bool& value) {
  if (!is_plain(node, ctx, "true or false", {"bool"})) return;
  bool is_true = node.text == "true" || node.text == "True" || node.text == "TRUE";
  bool is_false = node.text == "false" || node.text == "False" || node.text == "FALSE";
  if (!is_true && !is_false) return ctx.fail_type(node, "true or false");
  value = is_true;
}
ConfigNode Codec<bool>::print(bool value) {
  return ConfigNode::scalar(value ? "true" : "false", false);
}

void Codec<int64_t>::parse(const ConfigNode& node, ParseContext& ctx, int64_t& value) {
  if (!is_plain(node, ctx, "an integer", {"int"})) return;
  const std::string& text = node.text;
  if (has_leading_zero(text)) return ctx.fail_type(node, "an integer", "write it without leading zeros");
  if (!is_hex(text) && !is_decimal(text)) return ctx.fail_type(node, "an integer", number_remedy(text));
  const char* begin = text.data() + (is_hex(text) ? 2 : text[0] == '+' ? 1 : 0);
  int64_t parsed = 0;
  auto result = std::from_chars(begin, text.data() + text.size(), parsed, is_hex(text) ? 16 : 10);
  if (result.ec != std::errc()) return ctx.fail_type(node, "an integer of 64 bits");
  value = parsed;
}
ConfigNode Codec<int64_t>::print(int64_t value) {
  return ConfigNode::scalar(std::to_string(value), false);
}

void Codec<double>::parse(const ConfigNode& node, ParseContext& ctx, double& value) {
  if (!is_plain(node, ctx, "a number", {"float", "int"})) return;
  const std::string& text = node.text;
  if (is_infinity(text)) {
    value = text[0] == '-' ? -INFINITY : INFINITY;
    return;
  }
  if (!is_real(text)) return ctx.fail_type(node, "a number", number_remedy(text));
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  double parsed = 0;
  auto result = std::from_chars(begin, text.data() + text.size(), parsed);
  if (result.ec != std::errc()) return ctx.fail_type(node, "a number that a double can hold");
  value = parsed;
}
// PyYAML takes a number with an exponent for a text unless it has a point too, hence 5.0e-05.
ConfigNode Codec<double>::print(double value) {
  if (std::isinf(value)) return ConfigNode::scalar(value < 0 ? "-.inf" : ".inf", false);
  std::string text = fmt::format("{}", value);
  if (text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return ConfigNode::scalar(text, false);
}

void Codec<std::string>::parse(const ConfigNode& node, ParseContext& ctx, std::string& value) {
  if (is_text(node, ctx, "a text")) value = node.text;
}
ConfigNode Codec<std::string>::print(const std::string& value) {
  return ConfigNode::scalar(value, true);
}

namespace {

// One way to write a place: a folder's slash at the end would make two configs differ.
std::string normal(const std::filesystem::path& given) {
  const auto path = given.lexically_normal();
  return (path.has_filename() || !path.has_relative_path() ? path : path.parent_path()).string();
}

}  // namespace

void Codec<Path>::parse(const ConfigNode& node, ParseContext& ctx, Path& value) {
  if (!is_text(node, ctx, "a path")) return;
  namespace fs = std::filesystem;
  bool waits = node.is_unresolved && node.text.starts_with("${env:");  // may become absolute: leave it as it is
  if (node.text.empty() || waits) {
    value.value = node.text;
    return;
  }
  bool is_in_cwd = !node.mark.source || (ctx.field() && ctx.field()->is_relative_to_cwd);
  fs::path folder = is_in_cwd ? fs::current_path() : fs::path(node.mark.source->folder);
  value.value = normal(folder / node.text);
  if (!ctx.field() || !ctx.field()->is_must_exist || ctx.is_offline()) return;
  std::error_code error;
  // What stands for several files is judged by who expands it.
  const bool is_pattern =
      value.value.find_first_of("*?[{") != std::string::npos || value.value.find("_OP_") != std::string::npos;
  if (!is_pattern && !fs::exists(value.value, error)) {
    ctx.fail(node.mark, fmt::format("'{}': '{}' does not exist", ctx.key(), value.value));
  }
}
void Codec<Path>::parse_absent(const ConfigMark&, ParseContext&, Path& value) {
  if (!value.empty()) value.value = normal(std::filesystem::absolute(value.value));
}
ConfigNode Codec<Path>::print(const Path& value) {
  return ConfigNode::scalar(value.value, true);
}

int64_t parse_choice(const ConfigNode& node, ParseContext& ctx, const std::vector<std::string>& names) {
  std::string wanted = names.size() == 1 ? names[0] : "one of " + join_words(names, "or");
  if (node.is_unresolved) return -1;
  if (!node.is_scalar()) {
    ctx.fail_type(node, wanted);
    return -1;
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == node.text) return static_cast<int64_t>(i);
  }
  std::string near = nearest_name(node.text, names);
  ctx.fail_type(node, wanted, near.empty() ? "" : "did you mean '" + near + "'?");
  return -1;
}

}  // namespace usam
