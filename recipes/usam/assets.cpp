#include "recipes/usam/assets.h"

#include <filesystem>
#include <functional>
#include <map>
#include <string_view>

#include "recipes/overlays.h"
#include "src/base/log.h"
#include "src/io/peft.h"
#include "src/io/weights.h"
#include "src/models/generation_config.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWeight = ".weight";

// The folder that a part's weights come from; "" where they are random.
std::string weights_folder(const Part& part) {
  const ConfigNode printed = print_part(part);
  const auto* path = printed.find("path");
  return path && path->value.is_scalar() ? path->value.text : "";
}

}  // namespace

Base describe_base(const std::string& name, const Part& part, uint64_t seed) {
  const std::string folder = weights_folder(part);
  if (folder.empty()) return {.part = name, .path = "", .files = {}, .seed = seed};
  return hashed_base(name, folder, io::WeightFiles(folder).files());
}

std::vector<int64_t> end_ids(const Part& llm, int64_t end) {
  std::vector<int64_t> ids = {end};
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

namespace {

// The path of a layer in the model's Hugging Face class; "" where it is no layer there.
using LayerName = std::function<std::string(const std::string& path)>;

// The low-rank factors among `values` that are of the part `prefix` ("llm.").
void write_adapter(const io::NamedTensors& values, const std::string& prefix, const nn::LoraConfig& lora,
                   io::PeftAdapter adapter, const LayerName& layer_name, const std::string& folder) {
  for (const auto& [path, tensor] : values) {
    const std::string layer = path.starts_with(prefix) ? io::peft_module_of(path.substr(prefix.size())) : "";
    if (layer.empty()) continue;
    const std::string name = layer_name(layer);
    if (name.empty()) {
      log::info("{} has no {}: the adapter's layers are parts of others in the Hugging Face class", folder, layer);
      return;
    }
    adapter.tensors.emplace_back(name + path.substr(prefix.size() + layer.size()), tensor);
  }
  adapter.rank = lora.rank;
  adapter.alpha = lora.alpha;
  adapter.dropout = lora.dropout;
  io::write_peft_adapter(folder, adapter);
}

// Layers are named as in the encoder's folder, which may hold more around the encoder ("model.encoder.").
LayerName names_in_folder(const AudioEncoder& encoder, const std::string& folder) {
  if (folder.empty()) return [](const std::string& path) { return path; };
  std::map<std::string, std::string> names;
  for (const auto& tensor : io::WeightFiles(folder).names()) {
    const std::string path = encoder.path_of(tensor);
    if (path.ends_with(kWeight) && tensor.ends_with(kWeight))
      names[path.substr(0, path.size() - kWeight.size())] = tensor.substr(0, tensor.size() - kWeight.size());
  }
  return [names](const std::string& path) {
    const auto found = names.find(path);
    return found == names.end() ? "" : found->second;
  };
}

}  // namespace

void save_adapter(const LlmSlot& slot, const io::NamedTensors& values, const std::string& folder) {
  if (slot.train != Train::kLora) return;
  io::PeftAdapter adapter;
  adapter.base_model = weights_folder(slot.part);
  adapter.targets = slot.lora.targets;
  const LayerName same = [](const std::string& path) { return path; };
  write_adapter(values, "llm.", slot.lora, adapter, same, folder + "/adapter");
}

void save_adapter(const EncoderSlot& slot, const std::string& name, const AudioEncoder& encoder,
                  const io::NamedTensors& values, const std::string& folder) {
  if (slot.train != Train::kLora) return;
  io::PeftAdapter adapter;
  adapter.base_model = weights_folder(slot.part);
  adapter.task = "";
  const LayerName layer_name = names_in_folder(encoder, adapter.base_model);
  // Whole paths: a decoder's layers beside the encoder may end alike.
  for (const auto& item : encoder.named_modules("", false)) {
    const auto* linear = item.value()->as<nn::Linear>();
    if (linear && linear->update()) adapter.targets.push_back(layer_name(item.key()));
  }
  write_adapter(values, "encoders." + name + ".", slot.lora, adapter, layer_name, folder + "/adapter/" + name);
}

Bases describe_bases(const UsamConfig& config, const RecipeInit& init) {
  Bases bases;
  for (const auto& [name, slot] : config.encoders)
    bases.models.push_back(describe_base("encoders." + name, slot.part, init.seed));
  bases.models.push_back(describe_base("llm", config.llm.part, init.seed));
  for (const auto& path : init.overlays) bases.overlays.push_back(hashed_base("", path, overlay_files(path)));
  return bases;
}

}  // namespace usam::recipes
