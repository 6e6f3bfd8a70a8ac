#pragma once
// A value inside a JSON file together with where it stands, for messages that name the file and the key.
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace usam::text {

// A text as it may stand in a message: printable ASCII, at most 120 characters.
std::string shown(std::string_view text);

// Readers throw UserError ("FILE: 'KEY' must be ...") for values of another type, UnsupportedTokenizer ("FILE: 'KEY' is
// X, which is not supported ...") for values that usam does not have.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& json, std::string key, const std::string& origin)
      : json_(&json), key_(std::move(key)), origin_(&origin) {}

  bool is_null() const { return json_->is_null(); }
  bool is_object() const { return json_->is_object(); }
  bool is_array() const { return json_->is_array(); }
  bool is_zero() const { return json_->is_number() && json_->get<double>() == 0; }
  // Whether the object has this key with something other than null.
  bool has(const char* name) const;
  // Whether it has this key at all.
  bool holds(const char* name) const { return json_->is_object() && json_->contains(name); }
  std::vector<std::string> keys() const;
  // The value at a key; null where it is absent.
  JsonNode child(const char* name) const;
  void expect_object() const;
  // Refuses keys that are neither "type" nor in the list.
  void only(std::initializer_list<std::string_view> names) const;

  std::string text(const char* name) const;
  bool flag(const char* name, bool otherwise) const;
  int64_t count(const char* name) const;  // a whole number from 0
  std::vector<JsonNode> list(const char* name) const;
  std::string as_text() const;  // of the value itself
  int64_t as_count() const;
  std::string type() const;     // the text at "type"
  std::string literal() const;  // of {"String": "..."}

  [[noreturn]] void mistake(const std::string& expected) const;
  [[noreturn]] void refuse(const std::string& supported) const;
  [[noreturn]] void refuse_type(const std::string& type, const std::string& supported) const;
  [[noreturn]] void refuse_because(const std::string& reason) const;

 private:
  const nlohmann::json* json_;
  std::string key_;  // from the file's root, "" for the root
  const std::string* origin_;
};

}  // namespace usam::text
