#include "src/text/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/text/json_node.h"

namespace usam::text {
namespace {

namespace fs = std::filesystem;

constexpr std::array kSideFiles = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                   "generation_config.json", "config.json"};
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr std::array kRoles = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};

nlohmann::json parsed(const TokenizerFiles& files, const std::string& name, const std::string& origin) {
  const auto file = files.find(name);
  if (file == files.end()) return nlohmann::json::object();
  const int max_depth = 64;
  try {
    auto json = nlohmann::json::parse(file->second, [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      if (depth > max_depth) user_error("{}: the file is nested more than {} levels deep.", origin, max_depth);
      return true;
    });
    JsonNode(json, "", origin).expect_object();
    return json;
  } catch (const nlohmann::json::exception& e) {
    user_error("{}: the file is not valid JSON: {}", origin, shown(e.what()));
  }
}

// A token is written as its text or as an object that holds it.
std::string token_text(const JsonNode& node) {
  return node.has("content") ? node.text("content") : node.as_text();
}

void read_added(const JsonNode& root, std::vector<AddedToken>& added) {
  const JsonNode tokens = root.child("added_tokens_decoder");
  if (tokens.is_null()) return;
  tokens.expect_object();
  std::map<int64_t, AddedToken> by_id;  // their order is that of the ids
  for (const std::string& name : tokens.keys()) {
    const JsonNode node = tokens.child(name.c_str());
    int64_t id = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (error != std::errc() || end != name.data() + name.size() || id < 0 || id > INT32_MAX)
      tokens.mistake("an object from ids to tokens");
    by_id[id] = {node.text("content"),          id,
                 node.flag("special", false),   node.flag("single_word", false),
                 node.flag("lstrip", false),    node.flag("rstrip", false),
                 node.flag("normalized", false)};
  }
  for (auto& entry : by_id) added.push_back(std::move(entry.second));
}

// {text: id} of a folder that says no more of its tokens.
void read_added_ids(const JsonNode& root, TokenizerSettings& settings) {
  std::map<int64_t, AddedToken> by_id;
  for (const std::string& text : root.keys()) {
    const int64_t id = root.count(text.c_str());
    const bool is_special = std::ranges::find(settings.special, text) != settings.special.end();
    by_id[id] = {text, id, is_special, false, false, false, !is_special};
  }
  for (auto& entry : by_id) settings.added.push_back(std::move(entry.second));
}

void read_roles(const JsonNode& root, TokenizerSettings& settings) {
  settings.names_bos = settings.names_bos || root.holds("bos_token");
  for (const char* role : kRoles) {
    if (!root.has(role)) continue;
    const std::string content = token_text(root.child(role));
    settings.special.push_back(content);
    if (std::string_view(role) == "bos_token" && !settings.bos) settings.bos = content;
    if (std::string_view(role) == "eos_token" && !settings.eos) settings.eos = content;
  }
  for (const char* list : {"additional_special_tokens", "extra_special_tokens"}) {
    const JsonNode tokens = root.child(list);
    if (tokens.is_null()) continue;
    if (tokens.is_object()) {
      for (const std::string& name : tokens.keys()) settings.special.push_back(token_text(tokens.child(name.c_str())));
    } else {
      for (const JsonNode& token : root.list(list)) settings.special.push_back(token_text(token));
    }
  }
}

std::optional<int64_t> eos_id(const JsonNode& root) {
  if (!root.has("eos_token_id")) return std::nullopt;
  const JsonNode eos = root.child("eos_token_id");
  if (!eos.is_array()) return root.count("eos_token_id");
  const auto ids = root.list("eos_token_id");
  if (ids.empty()) return std::nullopt;
  return ids.front().as_count();
}

// The rules of the LlamaTokenizer of transformers 5, which builds its own pipeline whatever tokenizer.json says.
// Mistral folders name that class too but are opened by what the file says.
std::optional<LlamaRules> llama_rules(const JsonNode& config, const JsonNode& model) {
  if (!config.has("tokenizer_class")) return std::nullopt;
  const std::string name = config.text("tokenizer_class");
  if (name != "LlamaTokenizer" && name != "LlamaTokenizerFast") return std::nullopt;
  const std::string family = model.has("model_type") ? model.text("model_type") : "llama";
  if (family != "llama") return std::nullopt;
  return LlamaRules{config.flag("legacy", false), config.flag("add_prefix_space", true)};
}

}  // namespace

TokenizerFiles read_side_files(const std::string& folder) {
  TokenizerFiles files;
  for (const char* name : kSideFiles) {
    const fs::path path = fs::path(folder) / name;
    if (!fs::is_regular_file(path)) continue;
    if (fs::file_size(path) > kMaxBytes)
      user_error("{}: the file has {} bytes; it must have at most {}.", path.string(), fs::file_size(path), kMaxBytes);
    files[name] = read_file(path.string());
  }
  return files;
}

void write_files(const TokenizerFiles& files, const std::string& folder) {
  for (const auto& [name, content] : files) write_file_atomically((fs::path(folder) / name).string(), content);
}

TokenizerSettings read_settings(const TokenizerFiles& files, const std::string& folder) {
  std::map<std::string, std::string> origins;
  std::map<std::string, nlohmann::json> values;
  for (const char* name : kSideFiles) {
    origins[name] = (fs::path(folder) / name).string();
    values[name] = parsed(files, name, origins[name]);
  }
  const auto root = [&](const char* name) { return JsonNode(values.at(name), "", origins.at(name)); };
  TokenizerSettings settings;
  const JsonNode config = root("tokenizer_config.json");
  // As transformers has it: folders of its releases before 4.34 keep in files of their own what newer ones keep here,
  // and what those files say comes first.
  const bool is_new = config.has("added_tokens_decoder");
  if (!is_new) read_roles(root("special_tokens_map.json"), settings);
  read_roles(config, settings);
  is_new ? read_added(config, settings.added) : read_added_ids(root("added_tokens.json"), settings);
  settings.adds_bos = config.flag("add_bos_token", true);
  settings.eos_id = eos_id(root("generation_config.json"));
  if (!settings.eos_id) settings.eos_id = eos_id(root("config.json"));
  settings.llama = llama_rules(config, root("config.json"));
  return settings;
}

}  // namespace usam::text
