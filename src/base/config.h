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
//
// Short forms. `data.train: a.jsonl` for `data.train: [{path: a.jsonl, weight: 1}]` takes two marks:
//
//     void describe(Fields& f, TrainFile& c) {
//       f("path", c.path, "manifest").required().must_exist();
//       f("weight", c.weight, "how often its rows are drawn").more_than(0);
//       f.from_scalar("path");                                     // a.jsonl      -> {path: a.jsonl}
//     }
//     f("train", c.train, "manifests to train on").or_single();    // {path: ...}  -> [{path: ...}]
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "src/base/config_node.h"

namespace usam {

// A path as written by the user; once parsed it is absolute (a file's paths resolve against that file's folder, an
// override's against the working directory). `must_exist` fields are checked unless the check is offline.
struct Path {
  std::string value;
  bool empty() const { return value.empty(); }
  bool operator==(const Path&) const = default;
};

class Fields;
class ParseContext;  // where errors go: config_codec.h
class HelpWriter;    // config_codec.h

// What a field can do with YAML. Built by Fields, used by the parser and the printer; users only call its modifiers.
struct Field {
  std::string name;
  std::string type;  // for people: "integer", "list of path"
  std::string help;
  std::string fallback;  // the type of a part that names none
  std::function<void(const ConfigNode&, ParseContext&)> parse;
  std::function<void(const ConfigMark&, ParseContext&)>
      parse_absent;  // the key is not written; its parts may be required
  std::function<ConfigNode()> print;
  std::function<void(const std::string& key, HelpWriter&)> explain;  // the keys below this one
  bool is_required = false;
  bool is_resumable = false;  // may differ between a run and its resumption
  bool is_single_ok = false;
  bool is_relative_to_cwd = false;
  bool is_must_exist = false;
  std::vector<std::function<std::string(double)>> bounds;
  std::vector<std::function<std::string()>> checks;

  Field& required() { return is_required = true, *this; }
  Field& resumable() { return is_resumable = true, *this; }
  // Lists: a value that is not a list counts as a list of one.
  Field& or_single() { return is_single_ok = true, *this; }
  // Path fields: relative to the working directory wherever written (outputs such as run.dir).
  Field& relative_to_cwd() { return is_relative_to_cwd = true, *this; }
  // Path fields: reported as missing unless the check is offline.
  Field& must_exist() { return is_must_exist = true, *this; }
  // Bounds of a number, or of every number in a list or map. Defaults are not checked.
  Field& at_least(double bound);   // the value itself may be the bound
  Field& more_than(double bound);  // the value may not be the bound
  Field& at_most(double bound);
  Field& less_than(double bound);
  // Runs when the key was written and parsed; reads the config struct by capture. Returns "" or the sentence to report.
  Field& check(std::function<std::string()> problem);
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

// A part picked by `type:`; the rest of its map is parsed into the struct registered under that name. Copies share it.
struct Part {
  std::string type;  // "" where the part is null or absent
  std::shared_ptr<AnyConfig> config;
  bool empty() const { return !config; }
  // The struct behind the part; throws std::logic_error when it is of another type.
  template <class C>
  const C& as() const {
    return held<C>().value;
  }
  template <class C>
  C& as() {
    return held<C>().value;
  }

 private:
  template <class C>
  HeldConfig<C>& held() const {
    auto* held = dynamic_cast<HeldConfig<C>*>(config.get());
    if (!held) throw std::logic_error("the config of part '" + type + "' is asked for as another type");
    return *held;
  }
};

// Collects the fields of one struct. Supported types: bool, int64_t, double, std::string, Path, structs with
// describe(), and std::optional (null), std::vector, std::map<std::string, ...>, or vectors of (name, value) pairs:
// ordered maps, of these. A list or map that is written replaces the default as a whole; a struct's keys replace its
// defaults one by one.
class Fields {
 public:
  template <class T>
  Field& operator()(const std::string& name, T& value, const std::string& help);
  template <class E>
  Field& choice(const std::string& name, E& value, std::vector<std::pair<std::string, E>> names,
                const std::string& help);
  // A part picked by `type:`; `fallback` is the type of a map that has no `type:` key. With "" it is the type of the
  // struct's default, and where that is empty the key is required. An absent part stays as the struct has it, or
  // becomes the fallback with its defaults; `null` is an empty part.
  Field& part(const std::string& name, Part& value, const ConfigChoices& choices, const std::string& help,
              const std::string& fallback = "");
  // A part whose keys stand in the same map as this struct's own fields: `{type: whisper, path: ..., train: frozen}`.
  // One per struct.
  void inline_part(Part& value, const ConfigChoices& choices, const std::string& help,
                   const std::string& fallback = "");
  // A check over the whole struct, run when all its fields parsed; returns "" or the sentence to report at the struct.
  void rule(std::function<std::string()> problem);
  // A scalar written in place of this struct's map is the value of this field.
  void from_scalar(const std::string& name);

  struct InlinePart {
    Part* value = nullptr;
    ConfigChoices choices;
    std::string help, fallback;
  };
  std::deque<Field> fields;  // a deque, so that a Field& outlives the next call
  std::vector<std::function<std::string()>> rules;
  std::optional<InlinePart> inlined;
  std::string scalar_field;

 private:
  Field& add(const std::string& name, const std::string& type, const std::string& help);
};

}  // namespace usam

#include "src/base/config_codec.h"
