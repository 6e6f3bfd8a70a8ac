#include "trainer/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/io/weights.h"

namespace usam {
namespace {

namespace fs = std::filesystem;

}  // namespace

Json to_json(const RunState& s) {
  Json json = {
      {"step", s.step},
      {"cursor", {{"epoch", s.cursor.epoch}, {"micro_batch", s.cursor.micro_batch}, {"phase", s.cursor.phase}}},
      {"seeds", {{"run", s.seed}}},
      {"best", nullptr},
      {"owes_evaluation", s.owes_evaluation},
      {"global_micro_batches", s.global_micro_batches},
      {"bad_steps", s.bad_steps},
      {"skipped", s.skipped},
      {"seen", s.seen}};
  if (s.best) json["best"] = {{"metric", s.best->metric}, {"value", s.best->value}, {"step", s.best->step}};
  return json;
}

RunState read_run_state(const std::string& checkpoint) {
  const fs::path path = fs::path(checkpoint) / "state.json";
  const Json json = read_json(path.string());
  try {
    RunState s;
    s.step = json.at("step");
    const Json& cursor = json.at("cursor");
    s.cursor = {cursor.at("epoch"), cursor.at("micro_batch"), cursor.value("phase", int64_t{0})};
    s.seed = json.at("seeds").at("run");
    s.global_micro_batches = json.at("global_micro_batches");
    s.bad_steps = json.at("bad_steps");
    s.skipped = json.value("skipped", int64_t{0});  // as all that have a default: not in older checkpoints
    s.seen = json.value("seen", s.seen);
    s.owes_evaluation = json.value("owes_evaluation", false);
    if (const Json& best = json.at("best"); !best.is_null())
      s.best = Best{best.at("metric"), best.at("value"), best.at("step")};
    return s;
  } catch (const Json::exception& e) {
    user_error("{} is not the state of a run: {}", path.string(), e.what());
  }
}

std::string partial_checkpoint(const std::string& run, int64_t step) {
  return (fs::path(run) / fmt::format(".checkpoint-{}.partial", step)).string();
}

Json write_share(const std::string& run, const CheckpointParts& parts, int64_t rank, int64_t world) {
  const std::string folder = partial_checkpoint(run, parts.state.step);
  const std::string optimizer = optimizer_file(rank, parts.is_shared ? world : 1);
  fs::create_directories(folder);
  if (rank == 0) {
    write_file_atomically(folder + "/config.yaml", parts.config_yaml);
    io::write_safetensors(folder + "/model.safetensors", parts.model);
    write_file_atomically(folder + "/state.json", to_lines(to_json(parts.state)));
    if (parts.save_assets) parts.save_assets(folder, parts.model);
  }
  // The other ranks' files stand, or are just being made, in the same folder.
  std::vector<std::string> mine = rank == 0 ? files_below(folder) : std::vector<std::string>{};
  std::erase_if(mine, [](const std::string& name) { return name.starts_with("optimizer"); });
  if (rank == 0 || parts.is_shared) {
    write_pieces(folder + "/" + optimizer, parts.optimizer);
    mine.push_back(optimizer);
  }
  return describe_files(folder, mine);
}

std::string commit_checkpoint(const std::string& run, int64_t step, const Json& files) {
  const fs::path target = fs::path(run) / fmt::format("checkpoint-{}", step);
  const fs::path aside = partial_checkpoint(run, step);
  const fs::path replaced = fs::path(run) / fmt::format(".checkpoint-{}.replaced.partial", step);
  fs::remove_all(replaced);
  write_manifest(aside.string(), FolderKind::kCheckpoint, files);
  if (fs::exists(target)) {
    if (checkpoint_problems(target.string()).empty() && !read_run_state(target.string()).owes_evaluation)
      user_error("{} exists already and is not overwritten. Use another run.dir.", target.string());
    fs::rename(target, replaced);
  }
  try {
    rename_synced(aside.string(), target.string());
  } catch (const UserError&) {
    std::error_code ignored;
    if (!fs::exists(aside, ignored)) fs::rename(target, aside, ignored);  // renamed, but perhaps not for good
    if (fs::exists(replaced, ignored)) fs::rename(replaced, target, ignored);
    throw;
  }
  fs::remove_all(replaced);
  return target.string();
}

void write_export(const std::string& folder, const ExportParts& parts) {
  const fs::path target = fs::absolute(folder).lexically_normal();
  const fs::path aside = target.string() + ".partial";
  fs::remove_all(aside);
  fs::create_directories(aside);
  write_file_atomically((aside / "config.yaml").string(), parts.config_yaml);
  io::write_safetensors((aside / "model.safetensors").string(), parts.model);
  if (parts.save_assets) parts.save_assets(aside.string(), parts.model);
  write_manifest(aside.string(), FolderKind::kExport, describe_files(aside.string(), files_below(aside.string())));
  rename_synced(aside.string(), target.string());
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
      problems.push_back(fmt::format("{}: expected {}, got {}", name,
                                     kind_text(target.scalar_type(), target.sizes().vec()),
                                     kind_text(stored.scalar_type(), stored.sizes().vec())));
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
