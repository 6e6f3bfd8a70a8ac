#include "src/io/peft.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <set>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/tensor/finite.h"

namespace usam::io {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kModel = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kLoraA = ".lora_A.weight", kLoraB = ".lora_B.weight";

// The path in the base model of a tensor of an adapter: peft wraps the layers that it changes into others, whose
// `base_layer` they become.
std::string base_path(std::string name) {
  constexpr std::string_view wrapped = ".base_layer.";
  name.erase(0, kPrefix.size());
  const size_t at = name.find(wrapped);
  if (at != name.npos) name.erase(at, wrapped.size() - 1);
  return name;
}

std::string tensor_problem(const PeftAdapter& adapter, const std::string& name, const torch::Tensor& tensor) {
  const std::string module = peft_module_of(name);
  if (module.empty() && name.find("lora_") != name.npos)
    return fmt::format("tensor '{}' is of a kind that usam has not", name);
  if (!torch::isFloatingType(tensor.scalar_type()))
    return fmt::format("tensor '{}' holds {}, not real numbers", name, c10::toString(tensor.scalar_type()));
  const int64_t rank = adapter.rank_at(module);
  if (!module.empty() && (tensor.dim() != 2 || tensor.size(name.ends_with(kLoraA) ? 0 : 1) != rank))
    return fmt::format("tensor '{}' is not of rank {}", name, rank);
  return "";
}

std::vector<std::string> tensor_problems(const PeftAdapter& adapter) {
  std::set<std::string> a_of, b_of, seen;
  std::vector<std::string> problems;
  for (const auto& [name, tensor] : adapter.tensors) {
    if (!seen.insert(name).second) problems.push_back(fmt::format("tensor '{}' stands twice", name));
    if (auto problem = tensor_problem(adapter, name, tensor); !problem.empty()) problems.push_back(problem);
    const std::string module = peft_module_of(name);
    if (!module.empty()) (name.ends_with(kLoraA) ? a_of : b_of).insert(module);
  }
  for (const auto& module : a_of)
    if (!b_of.count(module)) problems.push_back(fmt::format("'{}' has lora_A but no lora_B", module));
  for (const auto& module : b_of)
    if (!a_of.count(module)) problems.push_back(fmt::format("'{}' has lora_B but no lora_A", module));
  return problems;
}

std::string config_path(const std::string& folder) {
  return (fs::path(folder) / kConfig).string();
}

// The path of the tensors' file.
std::string model_path(const std::string& folder) {
  const fs::path path = fs::path(folder) / kModel;
  if (fs::exists(path)) return path.string();
  if (fs::exists(fs::path(folder) / "adapter_model.bin"))
    user_error(
        "{}: the adapter is there only as adapter_model.bin, which usam does not read; open it with peft and save it "
        "again, which writes {}",
        folder, kModel);
  user_error("{}: there is no {} in the folder", folder, kModel);
}

}  // namespace

std::string peft_module_of(const std::string& tensor) {
  for (std::string_view end : {kLoraA, kLoraB})
    if (tensor.ends_with(end)) return tensor.substr(0, tensor.size() - end.size());
  return "";
}

bool is_peft_folder(const std::string& folder) {
  return fs::is_regular_file(config_path(folder));
}

void write_peft_adapter(const std::string& folder, const PeftAdapter& adapter) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : adapter.tensors) {
    const std::string module = peft_module_of(name);
    if (module.find("lora") != module.npos || module.find("weight") != module.npos)
      internal_error("module path '{}' holds 'lora' or 'weight', which peft rewrites", module);
    tensors.emplace_back(std::string(kPrefix) + name, tensor);
  }
  for (const auto& problem : tensor_problems(adapter)) internal_error("{}: {}", folder, problem);
  std::error_code failed;
  fs::create_directories(folder, failed);
  write_safetensors((fs::path(folder) / kModel).string(), tensors, {{"format", "pt"}});
  write_file_atomically(config_path(folder), print_peft_config(adapter));
}

PeftAdapter read_peft_adapter(const std::string& folder) {
  if (!is_peft_folder(folder)) user_error("{}: there is no {} in the folder", folder, kConfig);
  PeftAdapter adapter{parse_peft_config(read_file(config_path(folder)), config_path(folder)), {}};
  const SafetensorsFile file(model_path(folder));
  for (const auto& name : file.names()) {
    if (!name.starts_with(kPrefix))
      user_error("{}: the name of tensor '{}' does not begin with {}", file.path(), name, kPrefix);
    adapter.tensors.emplace_back(base_path(name), file.get(name));
  }
  auto problems = tensor_problems(adapter);
  for (const auto& [name, tensor] : adapter.tensors)
    if (!all_finite(tensor)) problems.push_back(fmt::format("tensor '{}' holds NaN or infinity", name));
  if (!problems.empty())
    user_error("{}: usam cannot use this adapter:\n  {}", config_path(folder), fmt::join(problems, "\n  "));
  return adapter;
}

}  // namespace usam::io
