#include "tools/inspect/report/config_keys.h"

#include <algorithm>
#include <memory>

#include "recipes/run.h"
#include "src/base/config_reader.h"
#include "src/base/error.h"

namespace usam::inspect {
namespace {

void add_keys(const std::string& key, const ConfigNode& node, FlatConfig& keys) {
  const auto below = [&](const std::string& name) { return key.empty() ? name : key + "." + name; };
  const auto is_map = [](const ConfigNode& item) { return item.is_map(); };
  if (node.is_map() && !node.entries.empty()) {
    for (const auto& entry : node.entries) add_keys(below(entry.key), entry.value, keys);
  } else if (node.is_list() && std::ranges::any_of(node.items, is_map)) {
    for (size_t i = 0; i < node.items.size(); ++i) add_keys(below(std::to_string(i)), node.items[i], keys);
  } else {
    keys.emplace_back(key, to_flow_yaml(node));
  }
}

// A part that is absent is no other than one that is empty.
bool is_nothing(const std::string& yaml) {
  return yaml == "null" || yaml == "{}" || yaml == "[]";
}

}  // namespace

FlatConfig read_keys(const std::string& yaml, const std::string& path) {
  auto source = std::make_shared<ConfigSource>();
  source->name = path;
  ParseContext context(/*is_offline=*/true);
  const ConfigNode tree = read_yaml(yaml, source, context);
  if (!tree.is_map()) user_error("{}: the config must be a map, got {}.", path, tree.described());
  FlatConfig keys;
  add_keys("", tree, keys);
  return keys;
}

std::string value_of(const FlatConfig& keys, const std::string& key) {
  const auto found = std::ranges::find(keys, key, [](const auto& pair) { return pair.first; });
  return found == keys.end() ? "" : found->second;
}

std::vector<Difference> changed_from_defaults(const std::string& file) {
  recipes::RunConfig config, defaults;
  load_config(file, {{}, /*offline=*/true}, config);
  if (!config.recipe.empty())
    defaults.recipe = {config.recipe.type, recipes::recipe_registry().choices().at(config.recipe.type)()};
  auto changed = compare_configs(defaults, config);
  std::erase_if(changed, [](const Difference& d) { return d.before == "(absent)" && is_nothing(d.after); });
  return changed;
}

}  // namespace usam::inspect
