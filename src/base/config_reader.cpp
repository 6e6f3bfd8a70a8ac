#include "src/base/config_reader.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <sstream>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/text.h"

namespace usam {
namespace {

constexpr size_t kMaxNodes = 100000;  // aliases of aliases can make a short file endless
constexpr size_t kMaxDepth = 100;

size_t count_nodes(const ConfigNode& node) {
  size_t count = 1;
  for (const auto& item : node.items) count += count_nodes(item);
  for (const auto& entry : node.entries) count += count_nodes(entry.value);
  return count;
}

// Builds the tree from the parser's events; yaml-cpp's own nodes hide tags of merges, duplicate keys and cycles.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const ConfigSource> source, ParseContext& ctx) : source_(std::move(source)), ctx_(ctx) {}
  ConfigNode root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    ConfigNode node;
    node.mark = mark_of(mark);
    finish(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    ConfigNode node = ConfigNode::scalar(text, tag == "!");
    node.mark = mark_of(mark);
    node.tag = core_tag(tag, node.mark, {"str", "int", "float", "bool", "null"});
    if (node.tag == "null") {
      node = ConfigNode();
      node.mark = mark_of(mark);
    }
    finish(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto named = anchors_.find(anchor);
    if (named == anchors_.end()) fail_now(mark, "an alias may not stand inside what it refers to");
    nodes_ += count_nodes(named->second);
    if (nodes_ > kMaxNodes) fail_now(mark, fmt::format("aliases make more than {} values", kMaxNodes));
    finish(named->second, 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    core_tag(tag, mark_of(mark), {"seq"});
    open(ConfigNode::list(), mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    core_tag(tag, mark_of(mark), {"map"});
    open(ConfigNode::map(), mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    apply_merges(stack_.back());
    close();
  }

 private:
  struct Level {
    ConfigNode node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool is_merge = false;  // the key is a plain `<<`
    std::string key;
    ConfigMark key_mark;
    std::vector<ConfigNode> merges;
  };

  ConfigMark mark_of(const YAML::Mark& mark) const { return {source_, mark.line + 1, mark.column + 1}; }

  [[noreturn]] void fail_now(const YAML::Mark& mark, const std::string& sentence) {
    throw UnreadableYaml(mark_of(mark), sentence);
  }

  std::string core_tag(const std::string& tag, const ConfigMark& mark, const std::vector<std::string>& allowed) {
    if (tag.empty() || tag == "?" || tag == "!") return "";
    const std::string kCore = "tag:yaml.org,2002:";
    std::string name = tag.starts_with(kCore) ? tag.substr(kCore.size()) : "";
    for (const auto& known : allowed) {
      if (name == known) return name;
    }
    std::vector<std::string> shown;
    for (const auto& known : allowed) shown.push_back("!!" + known);
    ctx_.fail(mark, fmt::format("the tag '{}' is not supported here (known: {})", name.empty() ? tag : "!!" + name,
                                join_words(shown)));
    return "";
  }

  void open(ConfigNode node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (stack_.size() >= kMaxDepth) fail_now(mark, fmt::format("values are nested deeper than {} levels", kMaxDepth));
    node.mark = mark_of(mark);
    Level level;
    level.node = std::move(node);
    level.anchor = anchor;
    stack_.push_back(std::move(level));
  }

  void close() {
    Level level = std::move(stack_.back());
    stack_.pop_back();
    finish(std::move(level.node), level.anchor);
  }

  void finish(ConfigNode node, YAML::anchor_t anchor) {
    if (++nodes_ > kMaxNodes)
      throw UnreadableYaml(node.mark, fmt::format("the text holds more than {} values", kMaxNodes));
    if (anchor) anchors_[anchor] = node;
    if (stack_.empty()) {
      root = std::move(node);
      return;
    }
    Level& top = stack_.back();
    if (top.node.is_list()) {
      top.node.items.push_back(std::move(node));
    } else if (!top.has_key) {
      take_key(top, node);
    } else {
      take_value(top, std::move(node));
    }
  }

  void take_key(Level& top, const ConfigNode& node) {
    if (!node.is_scalar()) ctx_.fail(node.mark, fmt::format("a key must be a text, got {}", node.described()));
    top.has_key = true;
    top.is_merge = node.text == "<<" && !node.is_quoted;
    top.key = node.text;
    top.key_mark = node.mark;
  }

  void take_value(Level& top, ConfigNode node) {
    top.has_key = false;
    // yaml-cpp takes what follows for the place of a value that is left out.
    if (node.is_null() && (node.mark.line != top.key_mark.line || node.mark.column < top.key_mark.column)) {
      node.mark = top.key_mark;
    }
    if (top.is_merge) {
      top.merges.push_back(std::move(node));
    } else if (const auto* first = top.node.find(top.key)) {
      ctx_.fail(top.key_mark, fmt::format("the key '{}' is written twice in one map, first in line {}", top.key,
                                          first->key_mark.line));
    } else {
      top.node.entries.push_back({top.key, top.key_mark, std::move(node)});
    }
  }

  // Keys written in the map itself win over merged ones, earlier merged maps over later ones.
  void apply_merges(Level& level) {
    std::vector<const ConfigNode*> maps;
    for (const auto& merge : level.merges) {
      if (merge.is_list()) {
        for (const auto& item : merge.items) maps.push_back(&item);
      } else {
        maps.push_back(&merge);
      }
    }
    for (const ConfigNode* map : maps) {
      if (!map->is_map()) {
        ctx_.fail(map->mark, fmt::format("'<<' merges maps, got {}", map->described()));
        continue;
      }
      for (const auto& entry : map->entries) {
        if (!level.node.find(entry.key)) level.node.entries.push_back(entry);
      }
    }
  }

  std::shared_ptr<const ConfigSource> source_;
  ParseContext& ctx_;
  std::vector<Level> stack_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  size_t nodes_ = 0;
};

}  // namespace

ConfigNode read_yaml(const std::string& text, std::shared_ptr<const ConfigSource> source, ParseContext& ctx) {
  std::istringstream stream(text);
  TreeBuilder builder(source, ctx);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) builder.root.mark = {source, 1, 1};
    TreeBuilder second(source, ctx);
    if (parser.HandleNextDocument(second)) {
      throw UnreadableYaml(second.root.mark, source->is_override ? "this is not valid YAML: more follows the value"
                                                                 : "a config is one YAML document, not several");
    }
  } catch (const YAML::Exception& e) {
    ConfigMark mark{source, e.mark.line + 1, e.mark.column + 1};
    throw UnreadableYaml(mark, "this is not valid YAML: " + e.msg);
  }
  return builder.root;
}

namespace {

bool is_variable_name(const std::string& name) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_part = [&](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
  };
  return !name.empty() && !is_digit(name[0]) && std::all_of(name.begin(), name.end(), is_part);
}

// `${env:NAME}` in scalars becomes the variable's value; keys are left alone.
void expand_environment(ConfigNode& node, ParseContext& ctx) {
  for (auto& item : node.items) expand_environment(item, ctx);
  for (auto& entry : node.entries) expand_environment(entry.value, ctx);
  const std::string kOpen = "${env:";
  if (!node.is_scalar() || node.text.find(kOpen) == std::string::npos) return;
  std::string expanded;
  size_t at = 0;
  for (size_t open = node.text.find(kOpen); open != std::string::npos; open = node.text.find(kOpen, at)) {
    size_t close = node.text.find('}', open);
    size_t begin = open + kOpen.size();
    std::string name = close == std::string::npos ? "" : node.text.substr(begin, close - begin);
    if (!is_variable_name(name)) {
      return ctx.fail(node.mark,
                      fmt::format("'{}' holds '${{env:' that is not followed by a name and '}}'", node.text));
    }
    expanded += node.text.substr(at, open - at);
    const char* value = std::getenv(name.c_str());
    std::string text = value ? value : "";
    if (text.find(kOpen) != std::string::npos) {
      return ctx.fail(node.mark, fmt::format("the environment variable {} itself holds '${{env:'", name));
    }
    if (!value && !ctx.is_offline()) {
      return ctx.fail(node.mark,
                      fmt::format("the environment variable {} is not set, which '{}' needs", name, node.text));
    }
    if (!value) {
      node.is_unresolved = true;
      text = node.text.substr(open, close + 1 - open);
    }
    expanded += text;
    at = close + 1;
  }
  node.text = expanded + node.text.substr(at);
  node.is_quoted = false;  // inside { } the dollar form must be quoted, also for numbers
}

std::string read_text(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) user_error("The config file '{}' does not exist.", file);
  return read_file(file);
}

ConfigNode read_file_tree(const std::string& file, int order, ParseContext& ctx) {
  auto source = std::make_shared<ConfigSource>();
  source->name = file;
  source->folder = std::filesystem::absolute(file).parent_path().string();
  source->order = order;
  ConfigNode tree = read_yaml(read_text(file), source, ctx);
  if (!tree.is_null()) return tree;
  ConfigNode empty = ConfigNode::map();
  empty.mark = tree.mark;
  return empty;
}

// Takes the key `base` out of a file's tree; true when it was there.
bool take_base(ConfigNode& tree, ConfigNode& base) {
  for (auto entry = tree.entries.begin(); entry != tree.entries.end(); ++entry) {
    if (entry->key != "base") continue;
    base = entry->value;
    tree.entries.erase(entry);
    return true;
  }
  return false;
}

ConfigNode lay_on_base(ConfigNode tree, ParseContext& ctx) {
  ConfigNode base;
  if (!take_base(tree, base)) return tree;
  expand_environment(base, ctx);
  if (base.is_unresolved) return tree;
  if (!base.is_scalar() || base.text.empty()) {
    ctx.fail(base.mark, fmt::format("'base' must be the path of a config file, got {}", base.described()));
    return tree;
  }
  namespace fs = std::filesystem;
  fs::path written = base.text;
  const ConfigSource& source = *base.mark.source;
  std::error_code error;
  if (!fs::is_regular_file(fs::path(source.folder) / written, error)) {
    ctx.fail(base.mark, fmt::format("the base file '{}' does not exist",
                                    (fs::path(source.folder) / written).lexically_normal().string()));
    return tree;
  }
  fs::path shown = written.is_absolute() ? written : fs::path(source.name).parent_path() / written;
  ConfigNode below = read_file_tree(shown.lexically_normal().string(), 1, ctx);
  ConfigNode second;
  if (take_base(below, second)) {
    ctx.fail(second.mark,
             fmt::format("a base file may not have a 'base' of its own; '{}' names this one", source.name));
  }
  std::vector<std::pair<ConfigMark, std::string>> problems;
  if (!below.is_map()) {
    ctx.fail(below.mark, fmt::format("the config must be a map, got {}", below.described()));
    return tree;
  }
  return merge_nodes(std::move(below), tree, "", problems);
}

// `key.sub=value` as a tree of its own: {key: {sub: value}}.
ConfigNode read_override(const std::string& text, int order, ParseContext& ctx) {
  auto source = std::make_shared<ConfigSource>();
  source->name = text;
  source->folder = std::filesystem::current_path().string();
  source->order = order;
  source->is_override = true;
  ConfigMark mark{source, 0, 0};
  ConfigNode tree = ConfigNode::map();
  tree.mark = mark;
  tree.is_step = true;
  size_t equals = text.find('=');
  std::string key = trimmed(text.substr(0, equals));
  for (int plus = 0; plus < 2 && key.starts_with("+"); ++plus) key.erase(0, 1);
  std::vector<std::string> steps = split(key, '.');
  bool has_empty_step = std::find(steps.begin(), steps.end(), "") != steps.end();
  if (equals == std::string::npos || has_empty_step) {
    ctx.fail(mark, "an override is written as key.sub=value");
    return tree;
  }
  if (steps[0] == "base") {
    ctx.fail(mark, "'base' can only be written in the config file");
    return tree;
  }
  std::string written = trimmed(text.substr(equals + 1));
  bool is_yaml = written.empty() || std::string("[{'\"!").find(written[0]) != std::string::npos || written == "null" ||
                 written == "~" || written == "Null" || written == "NULL";
  ConfigNode value = is_yaml ? read_yaml(written, source, ctx) : ConfigNode::scalar(written, false);
  value.mark = mark;
  ConfigNode* at = &tree;
  for (size_t i = 0; i < steps.size(); ++i) {
    ConfigNode step = ConfigNode::map();
    step.mark = mark;
    step.is_step = true;
    at->entries.push_back({steps[i], mark, i + 1 == steps.size() ? std::move(value) : std::move(step)});
    at = &at->entries.back().value;
  }
  return tree;
}

}  // namespace

ConfigNode read_config_tree(const std::string& file, const std::vector<std::string>& overrides, ParseContext& ctx) {
  ConfigNode tree = read_file_tree(file, 0, ctx);
  if (!tree.is_map()) {
    ctx.fail(tree.mark, fmt::format("the config must be a map, got {}", tree.described()));
    return tree;
  }
  tree = lay_on_base(std::move(tree), ctx);
  std::vector<std::pair<ConfigMark, std::string>> problems;
  // The overrides are laid on each other first: `part.size=4 part.type=big` and the other order mean the same.
  ConfigNode all = ConfigNode::map();
  all.is_step = true;
  int order = 2;
  for (const auto& text : overrides) {
    try {
      all = merge_nodes(std::move(all), read_override(text, order++, ctx), "", problems);
    } catch (const UnreadableYaml& e) {
      ctx.fail(e.mark, e.sentence + " (quote a text that starts like this)");
    }
  }
  tree = merge_nodes(std::move(tree), all, "", problems);
  for (const auto& [mark, sentence] : problems) ctx.fail(mark, sentence);
  expand_environment(tree, ctx);
  return tree;
}

}  // namespace usam
