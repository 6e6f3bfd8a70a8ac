#include "recipes/usam/assets.h"

#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/hash.h"
#include "src/io/peft.h"
#include "src/io/weights.h"
#include "src/models/generation_config.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;

// The folder that a part's weights come from; "" where they are random.
std::string weights_folder(const Part& part) {
  const ConfigNode printed = print_part(part);
  const auto* path = printed.find("path");
  return path && path->value.is_scalar() ? path->value.text : "";
}

Json hashes(const std::vector<std::string>& files) {
  Json all = Json::object();
  for (const auto& file : files) all[file] = sha256_file(file);
  return all;
}

Json describe_base(const std::string& name, const Part& part, uint64_t seed) {
  const std::string folder = weights_folder(part);
  if (folder.empty()) return {{"part", name}, {"source", "random"}, {"seed", seed}};
  return {{"part", name}, {"source", "folder"}, {"path", folder}, {"files", hashes(io::WeightFiles(folder).files())}};
}

}  // namespace

std::vector<int64_t> end_ids(const Part& llm, const Tokenizer& tokenizer) {
  std::vector<int64_t> ids = {tokenizer.eos()};
  const std::string folder = weights_folder(llm);
  if (!folder.empty()) {
    for (int64_t id : eos_ids(folder)) {
      if (id != ids.front()) ids.push_back(id);
    }
  }
  return ids;
}

void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder) {
  fs::create_directories(folder + "/tokenizer");
  tokenizer.save(folder + "/tokenizer");
}

void save_adapter(const LlmSlot& slot, const LanguageModel& llm, const std::string& folder) {
  if (slot.train != Train::kLora) return;
  io::PeftAdapter adapter;
  for (const auto& parameter : llm.named_parameters()) {
    if (parameter.key().find(".lora_") == std::string::npos) continue;
    adapter.tensors.emplace_back(parameter.key(), parameter.value());
  }
  adapter.base_model = weights_folder(slot.part);
  adapter.rank = slot.lora.rank;
  adapter.alpha = slot.lora.alpha;
  adapter.dropout = slot.lora.dropout;
  adapter.targets = slot.lora.targets;
  io::write_peft_adapter(folder + "/adapter", adapter);
}

Json describe_bases(const UsamConfig& config, const RecipeInit& init) {
  Json bases = Json::array();
  for (const auto& [name, slot] : config.encoders) {
    if (slot.train != Train::kFull) bases.push_back(describe_base("encoders." + name, slot.part, init.seed));
  }
  if (config.llm.train != Train::kFull) bases.push_back(describe_base("llm", config.llm.part, init.seed));
  Json overlays = Json::array();
  for (const auto& path : init.overlays) {
    const std::string file = fs::is_directory(path) ? path + "/model.safetensors" : path;
    overlays.push_back({{"source", "checkpoint"}, {"path", path}, {"files", hashes({file})}});
  }
  return {{"bases", bases}, {"overlays", overlays}};
}

void check_bases(const std::string& folder) {
  const Json all = io::read_folder_json(folder, "base.json");
  std::string problems;
  for (const char* kind : {"bases", "overlays"}) {
    for (const auto& base : all.at(kind)) {
      if (!base.contains("files")) continue;
      for (const auto& [file, hash] : base.at("files").items()) {
        if (!fs::exists(file)) {
          problems += fmt::format("\n  {} is not there any more", file);
        } else if (sha256_file(file) != hash.get<std::string>()) {
          problems += fmt::format("\n  {} has changed since", file);
        }
      }
    }
  }
  if (!problems.empty()) user_error("{} was trained on weights that it does not hold:{}", folder, problems);
}

}  // namespace usam::recipes
