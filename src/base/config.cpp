#include "src/base/config.h"

#include <fmt/format.h>

#include <set>

#include "src/base/error.h"
#include "src/base/text.h"

namespace usam {

Field& Field::at_least(double bound) {
  bounds.push_back([bound](double x) { return x >= bound ? "" : fmt::format("at least {}", bound); });
  return *this;
}
Field& Field::more_than(double bound) {
  bounds.push_back([bound](double x) { return x > bound ? "" : fmt::format("more than {}", bound); });
  return *this;
}
Field& Field::at_most(double bound) {
  bounds.push_back([bound](double x) { return x <= bound ? "" : fmt::format("at most {}", bound); });
  return *this;
}
Field& Field::less_than(double bound) {
  bounds.push_back([bound](double x) { return x < bound ? "" : fmt::format("less than {}", bound); });
  return *this;
}
Field& Field::check(std::function<std::string()> problem) {
  checks.push_back(std::move(problem));
  return *this;
}

namespace {

std::vector<std::string> names_of(const ConfigChoices& choices) {
  std::vector<std::string> names;
  for (const auto& entry : choices) names.push_back(entry.first);
  return names;
}

}  // namespace

Field& Fields::add(const std::string& name, const std::string& type, const std::string& help) {
  for (const auto& field : fields) {
    if (field.name == name) internal_error("config field '{}' is described twice", name);
  }
  Field& field = fields.emplace_back();
  field.name = name;
  field.type = type;
  field.help = help;
  return field;
}

Field& Fields::part(const std::string& name, Part& value, const ConfigChoices& choices, const std::string& help,
                    const std::string& fallback) {
  Field& field = add(name, "part of type " + join_words(names_of(choices), "or"), help);
  field.fallback = fallback;
  field.parse = [&value, choices, fallback](const ConfigNode& node, ParseContext& ctx) {
    parse_part(node, ctx, value, choices, fallback);
  };
  field.parse_absent = [&value, choices, fallback](const ConfigMark& mark, ParseContext& ctx) {
    if (fallback.empty() || !value.empty()) return;
    ConfigNode nothing = ConfigNode::map();
    nothing.mark = mark;
    parse_part(nothing, ctx, value, choices, fallback);
  };
  field.print = [&value] { return print_part(value); };
  field.explain = [choices](const std::string& key, HelpWriter& writer) { writer.write_choices(key, choices); };
  return field;
}

void Fields::inline_part(Part& value, const ConfigChoices& choices, const std::string& help,
                         const std::string& fallback) {
  if (inlined) internal_error("a config struct has two inline parts");
  inlined = InlinePart{&value, choices, help, fallback};
}

void Fields::rule(std::function<std::string()> problem) {
  rules.push_back(std::move(problem));
}

void Fields::from_scalar(const std::string& name) {
  scalar_field = name;
}

namespace {

std::string fallback_of(const Part& current, const std::string& fallback) {
  return fallback.empty() ? current.type : fallback;
}

// The type that a part's map picks, or "" with the problem noted.
std::string pick_type(const ConfigNode& node, ParseContext& ctx, const ConfigChoices& choices,
                      const std::string& fallback) {
  std::string known = choices.empty() ? "none is known" : "known: " + join_words(names_of(choices));
  const auto* entry = node.find("type");
  if (!entry) {
    if (fallback.empty()) ctx.fail(node.mark, fmt::format("'{}' needs a 'type' ({})", ctx.key(), known));
    return fallback;
  }
  const ConfigNode& type = entry->value;
  ParseContext::Enter enter(ctx, "type");
  if (!type.is_scalar()) {
    ctx.fail_type(type, "the name of a type", known);
    return "";
  }
  if (choices.contains(type.text)) return type.text;
  std::string near = nearest_name(type.text, names_of(choices));
  std::string hint = near.empty() ? "" : fmt::format("did you mean '{}'? ", near);
  ctx.fail(type.mark, fmt::format("'{}' is the unknown type '{}' ({}{})", ctx.key(), type.text, hint, known));
  return "";
}

// The struct that a part's keys are read into: the default's own where the type is the default's.
Part start_part(const std::string& type, const ConfigChoices& choices, const Part& current) {
  if (current.type == type && !current.empty()) return {type, current.config->clone()};
  auto choice = choices.find(type);
  if (choice == choices.end()) internal_error("the fallback type '{}' of a part is not registered", type);
  return {type, choice->second()};
}

// Bounds of a scalar, or of all scalars below a list or map.
void check_bounds(const ConfigNode& node, ParseContext& ctx, const Field& field) {
  ParseContext silent(true);
  double number = 0;
  int64_t integer = 0;
  if (node.is_scalar()) Codec<double>::parse(node, silent, number);
  if (node.is_scalar() && node.text.starts_with("0x")) {
    silent.problems().clear();
    Codec<int64_t>::parse(node, silent, integer);
    number = static_cast<double>(integer);
  }
  bool is_number = node.is_scalar() && !node.is_unresolved && silent.problems().empty();
  if (is_number) {
    for (const auto& bound : field.bounds) {
      std::string wanted = bound(number);
      if (!wanted.empty()) ctx.fail_type(node, wanted);
    }
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    ParseContext::Enter enter(ctx, std::to_string(i));
    check_bounds(node.items[i], ctx, field);
  }
  for (const auto& entry : node.entries) {
    ParseContext::Enter enter(ctx, entry.key);
    check_bounds(entry.value, ctx, field);
  }
}

void parse_field(const ConfigNode& node, ParseContext& ctx, const Field& field) {
  ParseContext::Enter enter(ctx, field.name, &field);
  size_t problems = ctx.problems().size();
  if (field.is_required && node.is_null()) return ctx.fail(node.mark, fmt::format("'{}' may not be null", ctx.key()));
  field.parse(node, ctx);
  if (ctx.problems().size() > problems) return;
  if (!field.bounds.empty()) check_bounds(node, ctx, field);
  if (ctx.problems().size() > problems || node.is_unresolved) return;
  for (const auto& check : field.checks) {
    std::string sentence = check();
    if (!sentence.empty()) ctx.fail(node.mark, sentence);
  }
}

void parse_missing(const ConfigMark& mark, ParseContext& ctx, const Field& field) {
  if (field.is_required) {
    return ctx.fail(mark, fmt::format("missing required key '{}' ({})", ctx.child_key(field.name), field.help));
  }
  if (!field.parse_absent) return;
  ParseContext::Enter enter(ctx, field.name, &field);
  field.parse_absent(mark, ctx);
}

void fail_unknown(const ConfigNode::Entry& entry, ParseContext& ctx, const std::vector<std::string>& names) {
  std::string near = nearest_name(entry.key, names);
  std::string hint = !near.empty()   ? fmt::format("did you mean '{}'?", near)
                     : names.empty() ? "no key is known here"
                                     : fmt::format("known: {}", join_words(names));
  ctx.fail(entry.key_mark, fmt::format("unknown key '{}'{} ({})", entry.key, ctx.in_key(), hint));
}

// Reads the map into fields that all stand in it: a struct's own and those of its inline part.
void parse_entries(const ConfigNode& node, ParseContext& ctx, const std::vector<const Field*>& fields,
                   const std::set<std::string>& skip, bool knows_all) {
  std::map<std::string, const Field*> by_name;
  std::vector<std::string> names;
  for (const Field* field : fields) {
    if (!by_name.emplace(field->name, field).second) {
      internal_error("config field '{}' is described by a struct and by its inline part", field->name);
    }
    names.push_back(field->name);
  }
  for (const auto& entry : node.entries) {
    auto field = by_name.find(entry.key);
    if (field != by_name.end()) {
      parse_field(entry.value, ctx, *field->second);
    } else if (!skip.contains(entry.key) && knows_all) {
      fail_unknown(entry, ctx, names);
    }
  }
  for (const Field* field : fields) {
    if (!node.find(field->name)) parse_missing(node.mark, ctx, *field);
  }
}

}  // namespace

void parse_fields(const ConfigNode& node, ParseContext& ctx, Fields& fields, const std::string& skip) {
  if (node.is_scalar() && !fields.scalar_field.empty()) {
    ConfigNode wrapped = ConfigNode::map();
    wrapped.mark = node.mark;
    wrapped.entries.push_back({fields.scalar_field, node.mark, node});
    return parse_fields(wrapped, ctx, fields, skip);
  }
  if (!node.is_map()) return ctx.fail_type(node, "a map");
  size_t problems = ctx.problems().size();
  std::vector<const Field*> all;
  for (const auto& field : fields.fields) all.push_back(&field);
  std::set<std::string> read = {skip};
  Fields part_fields;
  bool knows_all = true;
  if (fields.inlined) {
    read.insert("type");
    std::string type =
        pick_type(node, ctx, fields.inlined->choices, fallback_of(*fields.inlined->value, fields.inlined->fallback));
    knows_all = !type.empty();
    if (knows_all) {
      *fields.inlined->value = start_part(type, fields.inlined->choices, *fields.inlined->value);
      fields.inlined->value->config->describe_fields(part_fields);
      for (const auto& field : part_fields.fields) all.push_back(&field);
    }
  }
  parse_entries(node, ctx, all, read, knows_all);
  for (const auto* rules : {&fields.rules, &part_fields.rules}) {
    for (const auto& rule : *rules) {
      if (ctx.problems().size() > problems) return;  // a rule may not look at values that were not read
      std::string sentence = rule();
      if (!sentence.empty()) return ctx.fail(node.mark, sentence);
    }
  }
}

void parse_part(const ConfigNode& node, ParseContext& ctx, Part& value, const ConfigChoices& choices,
                const std::string& fallback) {
  if (node.is_null()) {
    value = Part{};
    return;
  }
  if (!node.is_map()) return ctx.fail_type(node, "a map with a 'type'");
  std::string type = pick_type(node, ctx, choices, fallback_of(value, fallback));
  if (type.empty()) return;
  Part part = start_part(type, choices, value);
  Fields fields;
  part.config->describe_fields(fields);
  parse_fields(node, ctx, fields, "type");
  value = part;
}

ConfigNode print_fields(Fields& fields) {
  ConfigNode node = ConfigNode::map();
  if (fields.inlined && !fields.inlined->value->empty()) node = print_part(*fields.inlined->value);
  for (const auto& field : fields.fields) {
    ConfigNode value = field.print();
    value.is_resumable = field.is_resumable;
    node.add(field.name, std::move(value));
  }
  return node;
}

ConfigNode print_part(const Part& value) {
  if (value.empty()) return {};
  ConfigNode node = ConfigNode::map();
  node.add("type", ConfigNode::scalar(value.type, true));
  Fields fields;
  value.config->describe_fields(fields);
  for (auto& entry : print_fields(fields).entries) node.entries.push_back(std::move(entry));
  return node;
}

}  // namespace usam
