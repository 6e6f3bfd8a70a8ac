// A checkpoint as one folder for other machines.
#include <filesystem>
#include <map>
#include <ostream>

#include "recipes/bases.h"
#include "recipes/overlays.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "tools/inspect/commands.h"
#include "trainer/checkpoint.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

// The trained values, over those that `init_from` laid under them.
io::NamedTensors values_of(const std::string& checkpoint, const recipes::RunConfig& config) {
  std::map<std::string, torch::Tensor> values;
  for (const auto& path : config.init_from)
    for (const auto& [name, tensor] : recipes::overlay_tensors(path.value)) values[name] = tensor;
  for (const auto& [name, tensor] : recipes::overlay_tensors(checkpoint)) values[name] = tensor;
  return {values.begin(), values.end()};
}

// Of a checkpoint's files those that its recipe added: tokenizer, adapter, labels. The rest is written anew, or only
// training reads it.
std::vector<std::string> assets_of(const std::string& checkpoint) {
  std::vector<std::string> assets = manifest_files(checkpoint);
  std::erase_if(assets, [](const std::string& name) {
    return name == "config.yaml" || name == "model.safetensors" || name == "state.json" || name == "base.json" ||
           name == "manifest.json" || name.starts_with("optimizer");
  });
  return assets;
}

}  // namespace

int export_checkpoint(const std::string& path, const std::string& output, std::ostream& out) {
  if (fs::exists(output)) user_error("{} exists already and is not overwritten; give another --output.", output);
  auto config = recipes::checkpoint_config(path);
  require_whole_checkpoint(path);
  auto bases = recipes::read_bases(path);
  recipes::check_bases(path);
  ExportParts parts;
  parts.model = values_of(path, config);
  config.init_from.clear();
  bases.overlays.clear();
  parts.config_yaml = print_config(config);
  parts.save_assets = [&](const std::string& folder, const io::NamedTensors&) {
    for (const auto& name : assets_of(path)) {
      const fs::path copy = fs::path(folder) / name;
      fs::create_directories(copy.parent_path());
      fs::copy_file(fs::path(path) / name, copy);
    }
    recipes::write_bases(folder, bases);
  };
  write_export(output, parts);
  Json report = {{"output", output}, {"tensors", parts.model.size()}, {"bases", Json::array()}};
  for (const auto& base : bases.models)
    if (!base.path.empty()) report["bases"].push_back({{"part", base.part}, {"path", base.path}});
  out << to_line(report) << "\n";
  return 0;
}

}  // namespace usam::inspect
