#include "src/io/peft.h"

#include <cmath>
#include <filesystem>
#include <regex>
#include <set>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/io/weights.h"

namespace usam::io {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kModel = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kLoraA = ".lora_A.weight", kLoraB = ".lora_B.weight";

// peft's rule: a pattern is a regular expression that must match the path to its end, after a dot or the beginning.
template <class Value>
Value patterned(const std::map<std::string, Value>& patterns, const std::string& path, Value fallback) {
  for (const auto& [pattern, value] : patterns)
    if (std::regex_match(path, std::regex("(.*\\.)?(" + pattern + ")"))) return value;
  return fallback;
}

// The module path of a LoRA tensor's name, "" for another tensor.
std::string module_of(std::string_view name) {
  for (std::string_view end : {kLoraA, kLoraB})
    if (name.ends_with(end)) return std::string(name.substr(0, name.size() - end.size()));
  return "";
}

std::vector<std::string> rank_problems(const PeftAdapter& adapter) {
  std::set<std::string> a_of, b_of;
  std::vector<std::string> problems;
  for (const auto& [name, tensor] : adapter.tensors) {
    const std::string module = module_of(name);
    if (module.empty()) continue;
    const bool is_a = name.ends_with(kLoraA);
    (is_a ? a_of : b_of).insert(module);
    const int64_t rank = patterned(adapter.rank_pattern, module, adapter.rank);
    if (tensor.dim() != 2 || tensor.size(is_a ? 0 : 1) != rank)
      problems.push_back(fmt::format("tensor '{}' is not of rank {}", name, rank));
  }
  for (const auto& module : a_of)
    if (!b_of.count(module)) problems.push_back(fmt::format("'{}' has lora_A but no lora_B", module));
  for (const auto& module : b_of)
    if (!a_of.count(module)) problems.push_back(fmt::format("'{}' has lora_B but no lora_A", module));
  return problems;
}

Json config_of(const PeftAdapter& adapter) {
  Json config = {{"alpha_pattern", adapter.alpha_pattern},
                 {"auto_mapping", nullptr},
                 {"base_model_name_or_path", adapter.base_model},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"inference_mode", true},
                 {"init_lora_weights", true},
                 {"lora_alpha", adapter.alpha},
                 {"lora_dropout", adapter.dropout},
                 {"modules_to_save", nullptr},
                 {"peft_type", "LORA"},
                 {"r", adapter.rank},
                 {"rank_pattern", adapter.rank_pattern},
                 {"target_modules", adapter.targets},
                 {"task_type", "CAUSAL_LM"},
                 {"use_dora", false},
                 {"use_rslora", adapter.rank_stabilized}};
  // Empty maps would be written as null.
  for (const char* key : {"alpha_pattern", "rank_pattern"})
    if (config[key].empty()) config[key] = Json::object();
  if (!adapter.modules_to_save.empty()) config["modules_to_save"] = adapter.modules_to_save;
  if (adapter.targets_is_regex) config["target_modules"] = adapter.targets.at(0);
  // peft's own type for alpha is a whole number; it reads others too.
  if (adapter.alpha == std::floor(adapter.alpha)) config["lora_alpha"] = static_cast<int64_t>(adapter.alpha);
  return config;
}

bool is_off(const Json& value) {
  return value.is_null() || value == false || value == "none" ||
         ((value.is_object() || value.is_array() || value.is_string()) && value.empty());
}

// Keys that change nothing about a trained adapter that is only read, whatever they hold.
bool is_harmless(const std::string& key) {
  static const std::set<std::string> keys = {
      "auto_mapping",      "revision",     "inference_mode",      "exclude_modules",
      "layers_pattern",    "peft_version", "layers_to_transform", "megatron_core",
      "qalora_group_size", "task_type",    "runtime_config",      "ensure_weight_tying",
      "eva_config",
  };
  return keys.count(key) > 0;
}

class ConfigReader {
 public:
  ConfigReader(const std::string& path, const Json& config) : path_(path), config_(config) {
    if (!config.is_object()) user_error("{}: the file holds no JSON object", path);
  }

  PeftAdapter read() {
    PeftAdapter adapter;
    for (const auto& [key, value] : config_.items()) {
      try {
        if (!take(adapter, key, value) && !is_harmless(key) && !is_off(value))
          problems_.push_back(fmt::format("{} = {} is not supported", key, value.dump()));
      } catch (const Json::exception&) {
        problems_.push_back(fmt::format("{} = {} is of the wrong type", key, value.dump()));
      }
    }
    for (const char* key : {"peft_type", "r", "lora_alpha"})
      if (!config_.contains(key)) problems_.push_back(fmt::format("{} is missing", key));
    check_patterns(adapter.rank_pattern);
    check_patterns(adapter.alpha_pattern);
    if (adapter.rank < 1) problems_.push_back(fmt::format("r = {} is not positive", adapter.rank));
    report();
    return adapter;
  }

  void report() const {
    if (problems_.empty()) return;
    std::string text;
    for (const auto& problem : problems_) text += "\n  " + problem;
    user_error("{}: usam cannot use this adapter:{}", path_, text);
  }

  void add(std::vector<std::string> problems) { problems_.insert(problems_.end(), problems.begin(), problems.end()); }

 private:
  // Takes a key that usam knows; false for another.
  bool take(PeftAdapter& adapter, const std::string& key, const Json& value) {
    if (key == "peft_type") {
      if (value != "LORA") problems_.push_back(fmt::format("peft_type is {} instead of \"LORA\"", value.dump()));
    } else if (key == "r") {
      adapter.rank = value.get<int64_t>();
    } else if (key == "lora_alpha") {
      adapter.alpha = value.get<double>();
    } else if (key == "lora_dropout") {
      adapter.dropout = value.get<double>();
    } else if (key == "use_rslora") {
      adapter.rank_stabilized = value.get<bool>();
    } else if (key == "target_modules") {
      adapter.targets_is_regex = value.is_string();
      if (value.is_string()) adapter.targets = {value.get<std::string>()};
      if (value.is_array()) adapter.targets = value.get<std::vector<std::string>>();
    } else if (key == "base_model_name_or_path") {
      if (value.is_string()) adapter.base_model = value.get<std::string>();
    } else if (key == "rank_pattern") {
      if (!value.is_null()) adapter.rank_pattern = value.get<std::map<std::string, int64_t>>();
    } else if (key == "alpha_pattern") {
      if (!value.is_null()) adapter.alpha_pattern = value.get<std::map<std::string, double>>();
    } else if (key == "modules_to_save") {
      if (!value.is_null()) adapter.modules_to_save = value.get<std::vector<std::string>>();
    } else if (key == "init_lora_weights") {
      return changes_no_base(value);
    } else {
      return false;
    }
    return true;
  }

  template <class Value>
  void check_patterns(const std::map<std::string, Value>& patterns) {
    for (const auto& [pattern, value] : patterns) {
      try {
        std::regex compiled(pattern);
      } catch (const std::regex_error&) {
        problems_.push_back(fmt::format("the pattern '{}' is not a regular expression", pattern));
      }
    }
  }

  // pissa, olora, corda and loftq subtract from the base weights at the start: such an adapter fits no plain base
  // model.
  static bool changes_no_base(const Json& value) {
    return value.is_boolean() || value == "gaussian" || value == "eva" || value == "orthogonal";
  }

  std::string path_;
  const Json& config_;
  std::vector<std::string> problems_;
};

}  // namespace

double PeftAdapter::scale(const std::string& module_path) const {
  const auto r = static_cast<double>(patterned(rank_pattern, module_path, rank));
  return patterned(alpha_pattern, module_path, alpha) / (rank_stabilized ? std::sqrt(r) : r);
}

void write_peft_adapter(const std::string& folder, const PeftAdapter& adapter) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : adapter.tensors) {
    const std::string module = module_of(name);
    if (module.find("lora") != module.npos || module.find("weight") != module.npos)
      internal_error("module path '{}' holds 'lora' or 'weight', which peft rewrites", module);
    tensors.emplace_back(std::string(kPrefix) + name, tensor);
  }
  for (const auto& problem : rank_problems(adapter)) internal_error("{}: {}", folder, problem);
  std::error_code failed;
  fs::create_directories(folder, failed);
  write_safetensors((fs::path(folder) / kModel).string(), tensors, {{"format", "pt"}});
  write_file_atomically((fs::path(folder) / kConfig).string(), config_of(adapter).dump(2) + "\n");
}

PeftAdapter read_peft_adapter(const std::string& folder) {
  const Json json = read_folder_json(folder, kConfig);
  ConfigReader config((fs::path(folder) / kConfig).string(), json);
  PeftAdapter adapter = config.read();
  const SafetensorsFile file((fs::path(folder) / kModel).string());
  for (const auto& name : file.names()) {
    if (!name.starts_with(kPrefix))
      user_error("{}: the name of tensor '{}' does not begin with {}", file.path(), name, kPrefix);
    adapter.tensors.emplace_back(name.substr(kPrefix.size()), file.get(name));
  }
  config.add(rank_problems(adapter));
  config.report();
  return adapter;
}

}  // namespace usam::io
