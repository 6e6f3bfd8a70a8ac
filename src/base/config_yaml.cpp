#include "src/base/config_yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "src/base/config_codec.h"
#include "src/base/config_reader.h"
#include "src/base/error.h"
#include "src/base/text.h"

namespace usam {
namespace {

// Behind what a map misses whose `type` an override changed.
std::string remedy(const ConfigProblem& problem) {
  if (!problem.mark.source || !problem.mark.source->is_override) return "";
  const auto& name = problem.mark.source->name;
  const std::string key = name.substr(0, name.find('='));
  if (!key.ends_with(".type") || problem.sentence.starts_with(fmt::format("'{}'", key))) return "";
  return " (another type replaces the whole map: give all of its keys)";
}

// In the order of the files, then of the overrides.
[[noreturn]] void throw_problems(std::vector<ConfigProblem> problems) {
  auto place = [](const ConfigProblem& p) {
    return std::make_tuple(p.mark.source ? p.mark.source->order : -1, p.mark.line, p.mark.column);
  };
  std::stable_sort(problems.begin(), problems.end(),
                   [&](const ConfigProblem& a, const ConfigProblem& b) { return place(a) < place(b); });
  std::string text;
  for (const auto& problem : problems) {
    if (!text.empty()) text += "\n";
    if (problem.mark.source) text += problem.mark.text() + ": ";
    text += problem.sentence + remedy(problem);
  }
  throw UserError(text);
}

bool is_leaf(const ConfigNode& node) {
  return !(node.is_map() && !node.entries.empty()) && !(node.is_list() && !node.items.empty());
}

// Whether help shows it whole as a default: a leaf, or a list of them. Of other lists and maps it has lines.
bool is_shown_whole(const ConfigNode& node) {
  return is_leaf(node) || (node.is_list() && std::ranges::all_of(node.items, is_leaf));
}

const ConfigNode* child_of(const ConfigNode* node, const std::string& name, size_t index) {
  if (!node) return nullptr;
  if (node->is_list()) return index < node->items.size() ? &node->items[index] : nullptr;
  const auto* entry = node->find(name);
  return entry ? &entry->value : nullptr;
}

class Comparison {
 public:
  std::vector<Difference> differences;

  void compare(const std::string& key, const ConfigNode* before, const ConfigNode* after, bool is_resumable) {
    is_resumable |= (before && before->is_resumable) || (after && after->is_resumable);
    bool is_same_kind = before && after && before->kind == after->kind;
    bool has_leaf = (before && is_leaf(*before)) || (after && is_leaf(*after));
    if (has_leaf || (before && after && !is_same_kind)) {
      std::string old_text = before ? to_flow_yaml(*before) : "(absent)";
      std::string new_text = after ? to_flow_yaml(*after) : "(absent)";
      if (old_text != new_text) differences.push_back({key, old_text, new_text, is_resumable});
      return;
    }
    const ConfigNode& one = before ? *before : *after;
    auto visit = [&](const std::string& name, size_t index) {
      compare(key.empty() ? name : key + "." + name, child_of(before, name, index), child_of(after, name, index),
              is_resumable);
    };
    if (one.is_list()) {
      size_t size = std::max(before ? before->items.size() : 0, after ? after->items.size() : 0);
      for (size_t i = 0; i < size; ++i) visit(std::to_string(i), i);
      return;
    }
    for (const auto& entry : one.entries) visit(entry.key, 0);
    if (!before || !after) return;
    for (const auto& entry : after->entries) {
      if (!before->find(entry.key)) visit(entry.key, 0);
    }
  }
};

ConfigNode printed(const HeldConfigRef& config) {
  Fields fields;
  config.describe_fields(fields);
  return print_fields(fields);
}

}  // namespace

void load_config(const std::string& file, const LoadOptions& options, HeldConfigRef config) {
  ParseContext ctx(options.offline);
  ConfigNode tree = read_config_tree(file, options.overrides, ctx);
  if (tree.is_map()) {
    Fields fields;
    config.describe_fields(fields);
    parse_fields(tree, ctx, fields);
  }
  if (!ctx.problems().empty()) throw_problems(ctx.problems());
}

std::string print_config(HeldConfigRef config) {
  return to_yaml(printed(config));
}

std::vector<Difference> compare_configs(HeldConfigRef before, HeldConfigRef after) {
  ConfigNode old_tree = printed(before);
  ConfigNode new_tree = printed(after);
  Comparison comparison;
  comparison.compare("", &old_tree, &new_tree, false);
  return comparison.differences;
}

void HelpWriter::write(const std::string& key, Fields& fields, const std::string& note) {
  auto below = [&](const std::string& name) { return key.empty() ? name : key + "." + name; };
  if (fields.inlined) {
    std::vector<std::string> types;
    for (const auto& entry : fields.inlined->choices) types.push_back(entry.first);
    std::string facts = join_words(types, "or") +
                        (fields.inlined->fallback.empty() ? ", required" : ", default " + fields.inlined->fallback);
    text += fmt::format("{} ({}{}): {}\n", below("type"), facts, note, fields.inlined->help);
    write_choices(key, fields.inlined->choices);
  }
  for (const auto& field : fields.fields) {
    ConfigNode value = field.print();
    std::string facts = field.type;
    if (field.is_required) {
      facts += ", required";
    } else if (!field.fallback.empty()) {
      facts += ", default " + field.fallback;
    } else if (is_shown_whole(value)) {
      facts += ", default " + to_flow_yaml(value);
    }
    if (field.is_resumable) facts += ", may change on resume";
    text += fmt::format("{} ({}{}): {}\n", below(field.name), facts, note, field.help);
    if (field.explain) field.explain(below(field.name), *this);
  }
}

void HelpWriter::write_choices(const std::string& key, const ConfigChoices& choices) {
  for (const auto& [type, make] : choices) {
    std::unique_ptr<AnyConfig> config = make();
    Fields fields;
    config->describe_fields(fields);
    text += fmt::format("{}.type: {}\n", key, type);
    write(key, fields, fmt::format("; type {}", type));
  }
}

std::string help_text(HeldConfigRef config) {
  Fields fields;
  config.describe_fields(fields);
  HelpWriter writer;
  writer.write("", fields);
  return writer.text;
}

}  // namespace usam
