#pragma once
// How each type of field is read from and written to a ConfigNode: the templates behind config.h. Include config.h.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/config.h"

namespace usam {

struct ConfigProblem {
  ConfigMark mark;
  std::string sentence;
};

// Where the parser stands: the dotted key, the modifiers of the field, the problems found so far.
class ParseContext {
 public:
  explicit ParseContext(bool is_offline) : is_offline_(is_offline) {}

  // Notes a problem; the sentence should name key().
  void fail(const ConfigMark& mark, const std::string& sentence) { problems_.push_back({mark, sentence}); }
  // "'trainer.lr' must be a number, got 'fast'".
  void fail_type(const ConfigNode& node, const std::string& wanted, const std::string& remedy = "");
  const std::string& key() const { return key_; }
  // Where a message speaks of keys inside this map: " in 'trainer'", or "" at the top.
  std::string in_key() const { return key_.empty() ? "" : " in '" + key_ + "'"; }
  std::string child_key(const std::string& name) const { return key_.empty() ? name : key_ + "." + name; }
  const Field* field() const { return field_; }
  bool is_offline() const { return is_offline_; }
  std::vector<ConfigProblem>& problems() { return problems_; }

  // While alive, the parser stands one key further down.
  class Enter {
   public:
    Enter(ParseContext& ctx, const std::string& name, const Field* field = nullptr)
        : ctx_(ctx), old_key_(ctx.key_), old_field_(ctx.field_) {
      ctx_.key_ = ctx.child_key(name);
      if (field) ctx_.field_ = field;
    }
    ~Enter() {
      ctx_.key_ = old_key_;
      ctx_.field_ = old_field_;
    }
    Enter(const Enter&) = delete;
    Enter& operator=(const Enter&) = delete;

   private:
    ParseContext& ctx_;
    std::string old_key_;
    const Field* old_field_;
  };

 private:
  std::string key_;
  const Field* field_ = nullptr;
  bool is_offline_;
  std::vector<ConfigProblem> problems_;
};

// Collects the lines of the help.
class HelpWriter {
 public:
  // The keys of one struct under `key` ("" at the top); `note` follows each type: " (type: whisper)".
  void write(const std::string& key, Fields& fields, const std::string& note = "");
  // The keys of each type that a part may have.
  void write_choices(const std::string& key, const ConfigChoices& choices);
  std::string text;
};

// Reads a map into described fields: unknown and missing keys, bounds, checks and rules are reported to `ctx`. `skip`
// is a key that the caller has read.
void parse_fields(const ConfigNode& node, ParseContext& ctx, Fields& fields, const std::string& skip = "");
void parse_part(const ConfigNode& node, ParseContext& ctx, Part& value, const ConfigChoices& choices,
                const std::string& fallback);
ConfigNode print_fields(Fields& fields);
ConfigNode print_part(const Part& value);
// Which of `names` the scalar is; -1, with a problem noted, for none.
int64_t parse_choice(const ConfigNode& node, ParseContext& ctx, const std::vector<std::string>& names);

// A struct with describe(), unless specialised below.
template <class T>
struct Codec {
  static_assert(std::is_class_v<T>,
                "config fields are bool, int64_t, double, std::string, Path, structs with describe()");
  static void parse(const ConfigNode& node, ParseContext& ctx, T& value) {
    Fields fields;
    describe(fields, value);
    parse_fields(node, ctx, fields);
  }
  static void parse_absent(const ConfigMark& mark, ParseContext& ctx, T& value) {
    ConfigNode nothing = ConfigNode::map();
    nothing.mark = mark;
    parse(nothing, ctx, value);
  }
  static ConfigNode print(const T& value) {
    Fields fields;
    describe(fields, const_cast<T&>(value));  // describe() takes what it may also parse into; printing only reads
    return print_fields(fields);
  }
  static std::string type() { return "map"; }
  static void explain(const std::string& key, HelpWriter& help, const T* value) {
    T copy = value ? *value : T{};
    Fields fields;
    describe(fields, copy);
    help.write(key, fields);
  }
};

// Types without keys of their own.
template <class T>
struct ScalarCodec {
  static void parse_absent(const ConfigMark&, ParseContext&, T&) {}
  static void explain(const std::string&, HelpWriter&, const T*) {}
};
template <>
struct Codec<bool> : ScalarCodec<bool> {
  static void parse(const ConfigNode& node, ParseContext& ctx, bool& value);
  static ConfigNode print(bool value);
  static std::string type() { return "true or false"; }
};
template <>
struct Codec<int64_t> : ScalarCodec<int64_t> {
  static void parse(const ConfigNode& node, ParseContext& ctx, int64_t& value);
  static ConfigNode print(int64_t value);
  static std::string type() { return "integer"; }
};
template <>
struct Codec<double> : ScalarCodec<double> {
  static void parse(const ConfigNode& node, ParseContext& ctx, double& value);
  static ConfigNode print(double value);
  static std::string type() { return "number"; }
};
template <>
struct Codec<std::string> : ScalarCodec<std::string> {
  static void parse(const ConfigNode& node, ParseContext& ctx, std::string& value);
  static ConfigNode print(const std::string& value);
  static std::string type() { return "text"; }
};
template <>
struct Codec<Path> : ScalarCodec<Path> {
  static void parse(const ConfigNode& node, ParseContext& ctx, Path& value);
  static void parse_absent(const ConfigMark&, ParseContext&,
                           Path& value);  // a default is relative to the working directory
  static ConfigNode print(const Path& value);
  static std::string type() { return "path"; }
};

template <class T>
struct Codec<std::optional<T>> {
  static void parse(const ConfigNode& node, ParseContext& ctx, std::optional<T>& value) {
    if (node.is_null()) return value.reset();
    if (!value) value.emplace();
    Codec<T>::parse(node, ctx, *value);
  }
  static void parse_absent(const ConfigMark& mark, ParseContext& ctx, std::optional<T>& value) {
    if (value) Codec<T>::parse_absent(mark, ctx, *value);
  }
  static ConfigNode print(const std::optional<T>& value) { return value ? Codec<T>::print(*value) : ConfigNode(); }
  static std::string type() { return Codec<T>::type() + " or null"; }
  static void explain(const std::string& key, HelpWriter& help, const std::optional<T>* value) {
    Codec<T>::explain(key, help, value && *value ? &**value : nullptr);
  }
};

template <class T>
struct Codec<std::vector<T>> {
  static void parse(const ConfigNode& node, ParseContext& ctx, std::vector<T>& value) {
    bool is_single = !node.is_list() && !node.is_null() && ctx.field() && ctx.field()->is_single_ok;
    if (!node.is_list() && !is_single) return ctx.fail_type(node, "a list");
    value.clear();
    auto parse_item = [&](const ConfigNode& item) {
      T parsed{};
      Codec<T>::parse(item, ctx, parsed);
      value.push_back(std::move(parsed));
    };
    if (is_single) return parse_item(node);
    for (size_t i = 0; i < node.items.size(); ++i) {
      ParseContext::Enter enter(ctx, std::to_string(i));
      parse_item(node.items[i]);
    }
  }
  static void parse_absent(const ConfigMark&, ParseContext&, std::vector<T>&) {}
  static ConfigNode print(const std::vector<T>& value) {
    ConfigNode node = ConfigNode::list();
    for (const T& item : value) node.items.push_back(Codec<T>::print(item));
    return node;
  }
  static std::string type() { return "list of " + Codec<T>::type(); }
  static void explain(const std::string& key, HelpWriter& help, const std::vector<T>*) {
    Codec<T>::explain(key + ".N", help, nullptr);
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static void parse(const ConfigNode& node, ParseContext& ctx, std::map<std::string, T>& value) {
    if (!node.is_map()) return ctx.fail_type(node, "a map");
    value.clear();
    for (const auto& entry : node.entries) {
      if (entry.value.is_null() && Codec<T>::type() == "map") continue;  // a struct, taken out of the file's base
      ParseContext::Enter enter(ctx, entry.key);
      Codec<T>::parse(entry.value, ctx, value[entry.key]);
    }
  }
  static void parse_absent(const ConfigMark&, ParseContext&, std::map<std::string, T>&) {}
  static ConfigNode print(const std::map<std::string, T>& value) {
    ConfigNode node = ConfigNode::map();
    for (const auto& [key, item] : value) node.add(key, Codec<T>::print(item));
    return node;
  }
  static std::string type() { return "map of " + Codec<T>::type(); }
  static void explain(const std::string& key, HelpWriter& help, const std::map<std::string, T>*) {
    Codec<T>::explain(key + ".NAME", help, nullptr);
  }
};

template <class T>
struct Codec<std::vector<std::pair<std::string, T>>> {
  using Map = std::vector<std::pair<std::string, T>>;  // in the order of the file
  static void parse(const ConfigNode& node, ParseContext& ctx, Map& value) {
    if (!node.is_map()) return ctx.fail_type(node, "a map");
    value.clear();
    for (const auto& entry : node.entries) {
      if (entry.value.is_null() && Codec<T>::type() == "map") continue;  // a struct, taken out of the file's base
      ParseContext::Enter enter(ctx, entry.key);
      Codec<T>::parse(entry.value, ctx, value.emplace_back(entry.key, T{}).second);
    }
  }
  static void parse_absent(const ConfigMark&, ParseContext&, Map&) {}
  static ConfigNode print(const Map& value) {
    ConfigNode node = ConfigNode::map();
    for (const auto& [key, item] : value) node.add(key, Codec<T>::print(item));
    return node;
  }
  static std::string type() { return "map of " + Codec<T>::type(); }
  static void explain(const std::string& key, HelpWriter& help, const Map*) {
    Codec<T>::explain(key + ".NAME", help, nullptr);
  }
};

template <class T>
Field& Fields::operator()(const std::string& name, T& value, const std::string& help) {
  Field& field = add(name, Codec<T>::type(), help);
  field.parse = [&value](const ConfigNode& node, ParseContext& ctx) { Codec<T>::parse(node, ctx, value); };
  field.parse_absent = [&value](const ConfigMark& mark, ParseContext& ctx) {
    Codec<T>::parse_absent(mark, ctx, value);
  };
  field.print = [&value] { return Codec<T>::print(value); };
  field.explain = [&value](const std::string& key, HelpWriter& writer) { Codec<T>::explain(key, writer, &value); };
  return field;
}

template <class E>
Field& Fields::choice(const std::string& name, E& value, std::vector<std::pair<std::string, E>> names,
                      const std::string& help) {
  std::vector<std::string> words;
  std::string type;
  for (const auto& entry : names) {
    words.push_back(entry.first);
    type += (type.empty() ? "" : " | ") + entry.first;
  }
  Field& field = add(name, type, help);
  field.parse = [&value, names, words](const ConfigNode& node, ParseContext& ctx) {
    int64_t index = parse_choice(node, ctx, words);
    if (index >= 0) value = names[static_cast<size_t>(index)].second;
  };
  field.print = [&value, names = std::move(names), name] {
    for (const auto& [word, meaning] : names) {
      if (meaning == value) return Codec<std::string>::print(word);
    }
    throw std::logic_error("the value of config field '" + name + "' is none of its choices");
  };
  return field;
}

}  // namespace usam
