#include "trainer/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/hash.h"
#include "src/io/weights.h"

namespace usam {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr const char* kCheckpoint = "checkpoint";
constexpr const char* kExport = "export";

// What a folder of the kind must hold beside the manifest.
std::vector<std::string> files_of(const std::string& kind) {
  if (kind == kExport) return {"config.yaml", "model.safetensors"};
  return {"config.yaml", "model.safetensors", "optimizer.safetensors", "state.json"};
}

Json read_json(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) user_error("{} is missing.", path.string());
  try {
    return Json::parse(in);
  } catch (const Json::exception& e) {
    user_error("{} is not valid JSON: {}", path.string(), e.what());
  }
}

std::string shape_text(const torch::Tensor& tensor) {
  return fmt::format("{} ({})", std::string(c10::toString(tensor.scalar_type())), fmt::join(tensor.sizes(), ", "));
}

// Files below a folder, relative to it, in a fixed order.
std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder).string());
  std::sort(files.begin(), files.end());
  return files;
}

void write_manifest(const fs::path& folder, const char* kind) {
  Json files = Json::object();
  for (const std::string& name : files_below(folder)) {
    const std::string path = (folder / name).string();
    sync_file(path);
    files[name] = {{"bytes", fs::file_size(path)}, {"sha256", sha256_file(path)}};
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory()) sync_folder(entry.path().string());
  write_file_atomically((folder / "manifest.json").string(),
                        Json{{"format", kFormat}, {"kind", kind}, {"files", files}}.dump(2) + "\n");
}

// "" or what is wrong with one file that the manifest lists.
std::string file_problem(const fs::path& path, const std::string& name, const Json& listed) {
  if (!fs::is_regular_file(path)) return fmt::format("{} is missing", name);
  const auto bytes = static_cast<int64_t>(fs::file_size(path));
  const auto expected = listed.at("bytes").get<int64_t>();
  if (bytes != expected) return fmt::format("{} has {} bytes, the manifest says {}", name, bytes, expected);
  if (sha256_file(path.string()) != listed.at("sha256").get<std::string>())
    return fmt::format("{} has another SHA-256 than the manifest says", name);
  return "";
}

}  // namespace

Json to_json(const RunState& s) {
  Json json = {{"step", s.step},
               {"cursor", {{"epoch", s.cursor.epoch}, {"micro_batch", s.cursor.micro_batch}}},
               {"seeds", {{"run", s.seed}}},
               {"best", nullptr},
               {"global_micro_batches", s.global_micro_batches},
               {"bad_steps", s.bad_steps}};
  if (s.best) json["best"] = {{"metric", s.best->metric}, {"value", s.best->value}, {"step", s.best->step}};
  return json;
}

RunState read_run_state(const std::string& checkpoint) {
  const fs::path path = fs::path(checkpoint) / "state.json";
  const Json json = read_json(path);
  try {
    RunState s;
    s.step = json.at("step");
    s.cursor = {json.at("cursor").at("epoch"), json.at("cursor").at("micro_batch")};
    s.seed = json.at("seeds").at("run");
    s.global_micro_batches = json.at("global_micro_batches");
    s.bad_steps = json.at("bad_steps");
    if (const Json& best = json.at("best"); !best.is_null())
      s.best = Best{best.at("metric"), best.at("value"), best.at("step")};
    return s;
  } catch (const Json::exception& e) {
    user_error("{} is not the state of a run: {}", path.string(), e.what());
  }
}

std::string write_checkpoint(const std::string& run, const CheckpointParts& parts) {
  const fs::path target = fs::path(run) / fmt::format("checkpoint-{}", parts.state.step);
  const fs::path aside = fs::path(run) / fmt::format(".checkpoint-{}.partial", parts.state.step);
  fs::remove_all(aside);
  fs::create_directories(aside);
  write_file_atomically((aside / "config.yaml").string(), parts.config_yaml);
  io::write_safetensors((aside / "model.safetensors").string(), parts.model);
  io::write_safetensors((aside / "optimizer.safetensors").string(), parts.optimizer);
  write_file_atomically((aside / "state.json").string(), to_json(parts.state).dump(2) + "\n");
  if (parts.save_assets) parts.save_assets(aside.string());
  write_manifest(aside, kCheckpoint);
  if (fs::exists(target)) {
    if (checkpoint_problems(target.string()).empty())
      user_error("{} exists already and is not overwritten. Use another run.dir.", target.string());
    fs::remove_all(target);
  }
  rename_synced(aside.string(), target.string());
  return target.string();
}

void write_export(const std::string& folder, const ExportParts& parts) {
  const fs::path target = fs::absolute(folder).lexically_normal();
  const fs::path aside = target.string() + ".partial";
  fs::remove_all(aside);
  fs::create_directories(aside);
  write_file_atomically((aside / "config.yaml").string(), parts.config_yaml);
  io::write_safetensors((aside / "model.safetensors").string(), parts.model);
  if (parts.save_assets) parts.save_assets(aside.string());
  write_manifest(aside, kExport);
  rename_synced(aside.string(), target.string());
}

std::vector<std::string> checkpoint_problems(const std::string& checkpoint) {
  const fs::path folder = checkpoint;
  if (!fs::is_directory(folder)) return {"it is not a folder"};
  if (!fs::exists(folder / "manifest.json")) return {"manifest.json is missing: it was not written to its end"};
  std::vector<std::string> problems;
  try {
    const Json manifest = read_json(folder / "manifest.json");
    if (const int format = manifest.at("format"); format != kFormat)
      return {fmt::format("its format is {}, this program reads {}", format, kFormat)};
    for (const auto& [name, listed] : manifest.at("files").items())
      if (std::string problem = file_problem(folder / name, name, listed); !problem.empty())
        problems.push_back(problem);
    for (const auto& name : files_of(manifest.value("kind", kCheckpoint)))
      if (!manifest.at("files").contains(name)) problems.push_back(fmt::format("manifest.json does not list {}", name));
  } catch (const Json::exception& e) {
    problems.push_back(fmt::format("manifest.json is not a manifest: {}", e.what()));
  } catch (const UserError& e) {
    problems.push_back(e.what());
  }
  return problems;
}

void require_whole_checkpoint(const std::string& checkpoint) {
  const std::vector<std::string> problems = checkpoint_problems(checkpoint);
  if (!problems.empty()) user_error("{} is not a whole checkpoint: {}.", checkpoint, fmt::join(problems, "; "));
}

void restore_tensors(const io::NamedTensors& targets, const std::string& path) {
  const io::SafetensorsFile file(path);
  std::map<std::string, torch::Tensor> wanted(targets.begin(), targets.end());
  std::vector<std::string> problems;
  for (const auto& [name, target] : wanted) {
    if (!file.contains(name)) {
      problems.push_back(fmt::format("{}: missing in the file", name));
      continue;
    }
    const torch::Tensor stored = file.get(name);
    if (stored.sizes() != target.sizes() || stored.scalar_type() != target.scalar_type())
      problems.push_back(fmt::format("{}: expected {}, got {}", name, shape_text(target), shape_text(stored)));
  }
  for (const std::string& name : file.names())
    if (!wanted.contains(name)) problems.push_back(fmt::format("{}: in the file, but not in this run", name));
  if (!problems.empty()) user_error("{} does not fit this run:\n  {}", path, fmt::join(problems, "\n  "));
  torch::NoGradGuard no_grad;
  for (auto& [name, target] : wanted) target.copy_(file.get(name));
}

OverlayReport overlay(torch::nn::Module& module, const std::string& path) {
  OverlayReport report;
  report.file = path;
  if (fs::is_directory(path)) {
    require_whole_checkpoint(path);
    report.file = (fs::path(path) / "model.safetensors").string();
  }
  const io::WeightFiles files(report.file);
  io::LoadOptions options;
  options.optional = [](const std::string&) { return true; };
  io::load_weights(module, files, options);
  for (const std::string& name : files.names()) {
    ++report.tensors;
    report.values += files.get(name).numel();
  }
  return report;
}

}  // namespace usam
