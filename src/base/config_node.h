#pragma once
// The tree between YAML text and config structs. Unlike YAML::Node every value knows which file or override wrote it.
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace usam {

// A file or an override that values come from.
struct ConfigSource {
  std::string name;    // the file's path as given, or the override's text
  std::string folder;  // relative paths in it resolve against this one
  int order = 0;       // of messages: the file, its base, then the overrides
  bool is_override = false;
};

// Where a value was written.
struct ConfigMark {
  std::shared_ptr<const ConfigSource> source;  // null for a value that was never written (a default)
  int line = 0;                                // from 1
  int column = 0;

  std::string text() const;  // `file:line:column`, or `override 'key=value'`
};

struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  std::string text;            // of a scalar
  std::string tag;             // explicit core tag without its `!!`: str, int, float, bool; else empty
  bool is_quoted = false;      // "5" rather than 5
  bool is_unresolved = false;  // names an environment variable that is not set (offline only)
  bool is_step = false;        // a map made of an override's dotted key: its keys may index a list
  bool is_resumable = false;   // printed nodes: the field may differ on resume
  ConfigMark mark;
  std::vector<ConfigNode> items;
  std::vector<Entry> entries;

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // The entry of a map under `key`, or null.
  const Entry* find(const std::string& key) const;
  Entry* find(const std::string& key);
  // What it is, for "got ...": null, a list, a map, 'text', the text 'text'.
  std::string described() const;

  static ConfigNode scalar(std::string text, bool is_quoted);
  static ConfigNode list();
  static ConfigNode map();
  void add(const std::string& key, ConfigNode value);
};

struct ConfigNode::Entry {
  std::string key;
  ConfigMark key_mark;
  ConfigNode value;
};

// `over` laid on `base`: maps merge key by key, everything else is replaced. A map whose `type` differs from the base's
// replaces it. An override's `key.0=` laid on a list replaces that item; an item that is not there goes to `problems`.
ConfigNode merge_nodes(ConfigNode base, const ConfigNode& over, const std::string& key,
                       std::vector<std::pair<ConfigMark, std::string>>& problems);

// Block YAML that both yaml-cpp and PyYAML read back to the same values.
std::string to_yaml(const ConfigNode& node);
// The same on one line: `{path: a.jsonl, weight: 1.0}`.
std::string to_flow_yaml(const ConfigNode& node);

}  // namespace usam
