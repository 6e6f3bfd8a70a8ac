#include "src/text/json_node.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/text/tokenizer_json.h"

namespace usam::text {
namespace {

const nlohmann::json kNull;

template <class... Args>
[[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) {
  throw UnsupportedTokenizer(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr size_t kLimit = 120;
  std::string out;
  for (char c : text.substr(0, kLimit)) out += c >= ' ' && c < 127 ? c : '?';
  return text.size() > kLimit ? out + "..." : out;
}

bool JsonNode::has(const char* name) const {
  return json_->is_object() && json_->contains(name) && !(*json_)[name].is_null();
}

JsonNode JsonNode::child(const char* name) const {
  const bool there = json_->is_object() && json_->contains(name);
  return {there ? (*json_)[name] : kNull, key_.empty() ? name : key_ + "." + name, *origin_};
}

void JsonNode::expect_object() const {
  if (json_->is_object()) return;
  if (key_.empty()) user_error("{}: the file must hold a JSON object.", *origin_);
  mistake("an object");
}

void JsonNode::only(std::initializer_list<std::string_view> names) const {
  expect_object();
  for (const auto& entry : json_->items())
    if (entry.key() != "type" && std::find(names.begin(), names.end(), entry.key()) == names.end())
      unsupported("{}: '{}.{}' is not a key that usam knows.", *origin_, key_, shown(entry.key()));
}

std::vector<std::string> JsonNode::keys() const {
  std::vector<std::string> names;
  for (const auto& entry : json_->items()) names.push_back(entry.key());
  return names;
}

std::string JsonNode::as_text() const {
  if (!json_->is_string()) mistake("a text");
  return json_->get<std::string>();
}

int64_t JsonNode::as_count() const {
  if (!json_->is_number_unsigned() || json_->get<uint64_t>() > INT32_MAX)
    mistake("a whole number from 0 to 2147483647");
  return json_->get<int64_t>();
}

std::string JsonNode::text(const char* name) const {
  return child(name).as_text();
}

int64_t JsonNode::count(const char* name) const {
  return child(name).as_count();
}

bool JsonNode::flag(const char* name, bool otherwise) const {
  const JsonNode value = child(name);
  if (value.is_null()) return otherwise;
  if (!value.json_->is_boolean()) value.mistake("true or false");
  return value.json_->get<bool>();
}

std::vector<JsonNode> JsonNode::list(const char* name) const {
  const JsonNode value = child(name);
  if (!value.json_->is_array()) value.mistake("a list");
  std::vector<JsonNode> nodes;
  for (size_t i = 0; i < value.json_->size(); ++i)
    nodes.emplace_back((*value.json_)[i], fmt::format("{}[{}]", value.key_, i), *origin_);
  return nodes;
}

std::string JsonNode::type() const {
  expect_object();
  return text("type");
}

std::string JsonNode::literal() const {
  if (has("Regex")) child("Regex").refuse_because("regular expressions are not supported here; a text is");
  const std::string value = text("String");
  if (value.empty()) child("String").mistake("a text that is not empty");
  return value;
}

void JsonNode::mistake(const std::string& expected) const {
  const std::string got =
      is_null() ? "nothing" : shown(json_->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  user_error("{}: '{}' must be {}, got {}.", *origin_, key_, expected, got);
}

void JsonNode::refuse(const std::string& supported) const {
  unsupported("{}: '{}' is {}, which is not supported; supported is: {}.", *origin_, key_,
              shown(json_->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)), supported);
}

void JsonNode::refuse_type(const std::string& type, const std::string& supported) const {
  unsupported("{}: '{}' is of type '{}', which is not supported; supported are: {}.", *origin_, key_, shown(type),
              supported);
}

void JsonNode::refuse_because(const std::string& reason) const {
  unsupported("{}: '{}' is not supported: {}.", *origin_, key_, reason);
}

}  // namespace usam::text
