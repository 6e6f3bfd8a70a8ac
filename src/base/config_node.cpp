#include "src/base/config_node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "src/base/text.h"

namespace usam {

std::string ConfigMark::text() const {
  if (!source) return "default";
  if (source->is_override) return fmt::format("override '{}'", source->name);
  return fmt::format("{}:{}:{}", source->name, line, column);
}

const ConfigNode::Entry* ConfigNode::find(const std::string& key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

ConfigNode::Entry* ConfigNode::find(const std::string& key) {
  return const_cast<Entry*>(static_cast<const ConfigNode*>(this)->find(key));
}

std::string ConfigNode::described() const {
  constexpr size_t kLongest = 60;
  std::string shown = text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
    case Kind::kScalar:
      break;
  }
  if (!tag.empty()) return fmt::format("!!{} '{}'", tag, shown);
  return fmt::format("{}'{}'", is_quoted ? "the text " : "", shown);
}

ConfigNode ConfigNode::scalar(std::string text, bool is_quoted) {
  ConfigNode node;
  node.kind = Kind::kScalar;
  node.text = std::move(text);
  node.is_quoted = is_quoted;
  return node;
}

ConfigNode ConfigNode::list() {
  ConfigNode node;
  node.kind = Kind::kList;
  return node;
}

ConfigNode ConfigNode::map() {
  ConfigNode node;
  node.kind = Kind::kMap;
  return node;
}

void ConfigNode::add(const std::string& key, ConfigNode value) {
  entries.push_back({key, {}, std::move(value)});
}

namespace {

using Problems = std::vector<std::pair<ConfigMark, std::string>>;

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
}

std::string child(const std::string& key, const std::string& name) {
  return key.empty() ? name : key + "." + name;
}

bool picks_other_type(const ConfigNode& base, const ConfigNode& over) {
  const auto* old_type = base.find("type");
  const auto* new_type = over.find("type");
  return old_type && new_type && old_type->value.text != new_type->value.text;
}

// `key.0.sub=` on a list.
ConfigNode merge_items(ConfigNode base, const ConfigNode& over, const std::string& key, Problems& problems) {
  for (const auto& entry : over.entries) {
    size_t index = is_number(entry.key) ? std::stoul(entry.key) : base.items.size();
    if (index >= base.items.size()) {
      size_t count = base.items.size();
      problems.emplace_back(entry.value.mark, fmt::format("'{}' is a list of {} item{}; there is no item '{}'", key,
                                                          count, count == 1 ? "" : "s", entry.key));
      continue;
    }
    base.items[index] = merge_nodes(std::move(base.items[index]), entry.value, child(key, entry.key), problems);
  }
  return base;
}

}  // namespace

ConfigNode merge_nodes(ConfigNode base, const ConfigNode& over, const std::string& key, Problems& problems) {
  if (over.is_step && base.is_list()) return merge_items(std::move(base), over, key, problems);
  if (!base.is_map() || !over.is_map() || picks_other_type(base, over)) return over;
  if (over.mark.source && !over.mark.source->is_override) base.mark = over.mark;
  for (const auto& entry : over.entries) {
    auto* old = base.find(entry.key);
    if (!old) {
      base.entries.push_back(entry);
      continue;
    }
    old->value = merge_nodes(std::move(old->value), entry.value, child(key, entry.key), problems);
    old->key_mark = entry.key_mark;
  }
  return base;
}

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (code < 0x20 || code == 0x7f) {
      out += fmt::format("\\x{:02x}", code);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Plain where no reader could take the text for anything else.
std::string text_as_yaml(const std::string& text) {
  static const std::string kFirst = "_/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                           kAll = kFirst + ".-0123456789";
  static const std::set<std::string> kWords = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  const bool is_plain = text.find_first_of(kFirst) == 0 && text.find_first_not_of(kAll) == std::string::npos &&
                        !kWords.contains(ascii_lower(text));
  return is_plain ? text : quoted(text);
}

bool is_flow_list(const ConfigNode& node) {
  for (const auto& item : node.items) {
    if (item.is_map() || item.is_list()) return false;
  }
  return true;
}

void write_block(const ConfigNode& node, size_t indent, bool is_first_indented, std::string& out);

// What follows `key:` or `-`; `out` ends right after the colon or dash.
void write_value(const ConfigNode& node, size_t indent, bool is_item, std::string& out) {
  if (node.is_map() && !node.entries.empty()) {
    out += is_item ? " " : "\n";
    return write_block(node, indent + 2, is_item, out);
  }
  if (node.is_list() && !is_flow_list(node)) {
    out += "\n";
    return write_block(node, indent + 2, false, out);
  }
  out += " " + to_flow_yaml(node) + "\n";
}

void write_block(const ConfigNode& node, size_t indent, bool is_first_indented, std::string& out) {
  auto pad = [&] {
    if (!is_first_indented) out += std::string(indent, ' ');
    is_first_indented = false;
  };
  for (const auto& entry : node.entries) {
    pad();
    out += text_as_yaml(entry.key) + ":";
    write_value(entry.value, indent, false, out);
  }
  for (const auto& item : node.items) {
    pad();
    out += "-";
    write_value(item, indent, true, out);
  }
}

}  // namespace

std::string to_flow_yaml(const ConfigNode& node) {
  if (node.is_null()) return "null";
  if (node.is_scalar()) return node.is_quoted ? text_as_yaml(node.text) : node.text;
  std::vector<std::string> parts;
  for (const auto& item : node.items) parts.push_back(to_flow_yaml(item));
  for (const auto& entry : node.entries) parts.push_back(text_as_yaml(entry.key) + ": " + to_flow_yaml(entry.value));
  std::string inside = fmt::format("{}", fmt::join(parts, ", "));
  return node.is_map() ? "{" + inside + "}" : "[" + inside + "]";
}

std::string to_yaml(const ConfigNode& node) {
  std::string out;
  if (node.is_map() && node.entries.empty()) return "{}\n";
  write_block(node, 0, false, out);
  return out;
}

}  // namespace usam
