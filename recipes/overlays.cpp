#include "recipes/overlays.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <map>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/io/peft.h"
#include "src/io/weights.h"
#include "src/nn/lora.h"
#include "src/tensor/coded.h"
#include "trainer/checkpoint.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLanguageModel = "llm.";
constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "llm.lm_head.weight";

std::string file_of(const std::string& path, const char* name) {
  return (fs::path(path) / name).string();
}

// Lays an adapter of peft over the updates that the recipe has made for itself.
class AdapterOverlay {
 public:
  AdapterOverlay(torch::nn::Module& module, const io::PeftAdapter& adapter)
      : adapter_(adapter), parameters_(module.named_parameters()), coded_(coded_parameters(module)) {
    for (const auto& item : module.named_modules("", false)) {
      auto linear = std::dynamic_pointer_cast<nn::LinearImpl>(item.value());
      auto update = linear ? std::dynamic_pointer_cast<nn::LoraUpdate>(linear->update()) : nullptr;
      if (update && item.key().starts_with(kLanguageModel)) updates_[item.key()] = update;
    }
  }

  void run(const std::string& folder) {
    if (adapter_.residual != io::PeftResidual::kNone)
      problem("init_lora_weights", "the adapter began with a part of the base's weights");
    std::map<std::string, bool> alike;
    for (const auto& [name, tensor] : adapter_.tensors) {
      const std::string module = io::peft_module_of(name);
      if (!module.empty() && !alike.count(module)) alike[module] = is_like_ours(module);
      if (module.empty() || alike[module]) check_shape(name, tensor);
    }
    for (const auto& [path, update] : updates_)
      if (!alike.count(path.substr(std::string_view(kLanguageModel).size())))
        problem(leaf_of(path), "updated by recipe.llm.lora, not by the adapter");
    report(folder);
    const torch::NoGradGuard no_grad;
    for (const auto& [name, tensor] : adapter_.tensors) {
      const auto coded = coded_.modules.find(kLanguageModel + name);
      if (coded != coded_.modules.end())
        coded->second->take_values(tensor);
      else
        parameters_[kLanguageModel + name].copy_(tensor);
    }
  }

 private:
  static std::string leaf_of(const std::string& path) { return path.substr(path.rfind('.') + 1); }

  bool is_like_ours(const std::string& module) {
    const auto found = updates_.find(kLanguageModel + module);
    const std::string leaf = leaf_of(module);
    if (found == updates_.end()) return problem(leaf, "updated by the adapter, not by recipe.llm.lora");
    const auto& ours = *found->second;
    const auto rank = adapter_.rank_at(module);
    if (rank != ours.rank()) return problem(leaf, fmt::format("rank {} in the adapter, {} here", rank, ours.rank()));
    const double scale = adapter_.scale(module);
    if (std::abs(scale / ours.scale() - 1) < 1e-6) return true;  // rslora's has a root, which an alpha rounds
    return problem(
        leaf, fmt::format("scaled by {:.6g} in the adapter, by {:.6g} here; an alpha of {:.9g} does the same", scale,
                          ours.scale(), scale * static_cast<double>(rank)));
  }

  void check_shape(const std::string& name, const torch::Tensor& tensor) {
    const auto* ours = parameters_.find(kLanguageModel + name);
    if (!ours) {
      problem(name, "not a parameter of the recipe's language model");
    } else if (name == kEmbedding && !adapter_.keeps_tying && !parameters_.contains(kHead)) {
      problem(name, "here the output projection too, in the adapter not");
    } else if (const auto sizes = sizes_of(*ours, kLanguageModel + name); tensor.sizes() != sizes) {
      problem(name,
              fmt::format("({}) in the adapter, ({}) here", fmt::join(tensor.sizes(), ", "), fmt::join(sizes, ", ")));
    }
  }

  // Of the parameter's values, whatever it holds.
  std::vector<int64_t> sizes_of(const torch::Tensor& parameter, const std::string& path) const {
    const auto coded = coded_.modules.find(path);
    return coded == coded_.modules.end() ? parameter.sizes().vec() : coded->second->value_sizes();
  }

  // Layers of one name differ alike, as a rule: they are counted. False, for the caller to return.
  bool problem(const std::string& name, const std::string& what) {
    ++problems_[name + ": " + what];
    return false;
  }

  void report(const std::string& folder) const {
    if (problems_.empty()) return;
    std::string text;
    for (const auto& [what, count] : problems_)
      text += "\n  " + what + (count > 1 ? fmt::format(" ({} layers)", count) : "");
    user_error(
        "The adapter {} is not of the kind that recipe.llm.lora makes:{}\nMake recipe.llm.lora like the adapter, or "
        "merge "
        "it into its base model (usam-inspect merge) and begin with that folder.",
        folder, text);
  }

  const io::PeftAdapter& adapter_;
  torch::OrderedDict<std::string, torch::Tensor> parameters_;
  CodedParameters coded_;
  std::map<std::string, std::shared_ptr<nn::LoraUpdate>> updates_;
  std::map<std::string, int64_t> problems_;
};

}  // namespace

std::vector<std::string> overlay_files(const std::string& path) {
  if (io::is_peft_folder(path))
    return {file_of(path, "adapter_config.json"), file_of(path, "adapter_model.safetensors")};
  return {fs::is_directory(path) ? file_of(path, "model.safetensors") : path};
}

io::NamedTensors overlay_tensors(const std::string& path) {
  io::NamedTensors tensors;
  if (io::is_peft_folder(path)) {
    for (const auto& [name, tensor] : io::read_peft_adapter(path).tensors)
      tensors.emplace_back(kLanguageModel + name, tensor);
  } else {
    const io::SafetensorsFile file(overlay_files(path).front());
    for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name));
  }
  return tensors;
}

void lay_over(Recipe& recipe, const std::string& path) {
  if (io::is_peft_folder(path)) {
    const auto adapter = io::read_peft_adapter(path);
    AdapterOverlay(recipe.module(), adapter).run(path);
    log::info("{}: an adapter of {} tensors taken over", path, adapter.tensors.size());
    return;
  }
  const auto report = overlay(recipe.module(), path);
  log::info("{}: {} tensors, {} values taken over", report.file, report.tensors, report.values);
}

}  // namespace usam::recipes
