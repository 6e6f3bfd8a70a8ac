#pragma once
// Typed configs. A config is a plain struct with defaults and one function
//
//     void describe(Fields& f, WhisperConfig& c) {
//       f("layers", c.layers, "number of transformer blocks").at_least(1);
//       f.choice("pad", c.pad, {{"clip", Pad::kClip}, {"30s", Pad::kThirtySeconds}}, "what a clip is padded to");
//     }
//
// that lists each field once. The same list serves parsing, `key.sub=value` overrides, --print-config, the help and the
// difference shown on resume. Errors are collected, all at once, each as `file:line:column: sentence`.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace YAML {
class Node;
}

namespace usam {

// A path as written by the user; once parsed it is absolute (a file's paths resolve against that file's folder, an
// override's against the working directory). `must_exist` fields are checked unless the check is offline.
struct Path {
  std::string value;
  bool empty() const { return value.empty(); }
  bool operator==(const Path&) const = default;
};

class Fields;
class ParseContext;  // where errors go, which folder paths resolve against: config_yaml.h

// What a field can do with YAML. Built by Fields, used by the parser and the printer; users never touch it.
struct Field {
  std::string name;
  std::string help;
  std::function<void(const YAML::Node&, ParseContext&)> parse;
  std::function<YAML::Node()> print;
  bool is_required = false;
  bool is_resumable = false;  // may differ between a run and its resumption

  Field& required() { return is_required = true, *this; }
  Field& resumable() { return is_resumable = true, *this; }
  Field& at_least(double bound);              // the value itself may be the bound
  Field& more_than(double bound);             // the value may not be the bound
  Field& at_most(double bound);
  Field& must_exist();                        // Path fields: reported as missing unless --validate=offline
  Field& check(std::function<std::string(const YAML::Node&)> problem);  // empty string: fine; else the sentence to report
};

// An entry of a registry, as the config layer sees it: a config struct behind a type name.
struct AnyConfig {
  virtual ~AnyConfig() = default;
  virtual void describe_fields(Fields& f) = 0;
  virtual std::unique_ptr<AnyConfig> clone() const = 0;
};

template <class C>
struct HeldConfig final : AnyConfig {
  C value;
  HeldConfig() = default;
  explicit HeldConfig(C c) : value(std::move(c)) {}
  void describe_fields(Fields& f) override { describe(f, value); }  // found by argument-dependent look-up
  std::unique_ptr<AnyConfig> clone() const override { return std::make_unique<HeldConfig>(value); }
};

// Which `type:` names a slot accepts and the struct that each brings. Filled by a kind's register.cpp.
using ConfigChoices = std::map<std::string, std::function<std::unique_ptr<AnyConfig>()>>;

// A part picked by `type:`; the rest of its map is parsed into the struct registered under that name.
struct Part {
  std::string type;
  std::shared_ptr<AnyConfig> config;
  // The struct behind the part; throws std::logic_error when it is of another type.
  template <class C>
  const C& as() const {
    return dynamic_cast<const HeldConfig<C>&>(*config).value;
  }
  template <class C>
  C& as() {
    return dynamic_cast<HeldConfig<C>&>(*config).value;
  }
};

// Collects the fields of one struct. Supported types: bool, int64_t, double, std::string, Path, structs with describe(),
// and std::optional (null), std::vector, std::map<std::string, ...> of these.
class Fields {
 public:
  template <class T>
  Field& operator()(const std::string& name, T& value, const std::string& help);
  template <class E>
  Field& choice(const std::string& name, E& value, std::vector<std::pair<std::string, E>> names, const std::string& help);
  // A part picked by `type:`; `fallback` is the type of a map that has no `type:` key ("" makes the key required).
  Field& part(const std::string& name, Part& value, const ConfigChoices& choices, const std::string& help,
              const std::string& fallback = "");
  Field& parts(const std::string& name, std::map<std::string, Part>& value, const ConfigChoices& choices, const std::string& help);
  // A part whose keys stand in the same map as this struct's own fields: `{type: whisper, path: ..., train: frozen}`.
  Field& inline_part(Part& value, const ConfigChoices& choices, const std::string& help, const std::string& fallback = "");
  // A check over the whole struct, run after its fields parsed; returns "" or the sentence to report at the struct's mark.
  void rule(std::function<std::string()> problem);

  std::vector<Field> fields;
  std::vector<std::function<std::string()>> rules;
};

}  // namespace usam
