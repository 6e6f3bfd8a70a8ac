#include "trainer/checkpoint.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <ostream>

#include "recipes/bases.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/io/safetensors.h"
#include "tools/inspect/commands.h"
#include "trainer/run_folder.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

// The sentence of the UserError that `read` throws, added to the problems.
template <class Read>
void collect(std::vector<std::string>& problems, Read read) {
  try {
    read();
  } catch (const UserError& e) {
    problems.push_back(e.what());
  }
}

std::string state_text(const RunState& state) {
  std::string text = fmt::format("step {}, epoch {}, micro-batch {}, seed {}", state.step, state.cursor.epoch,
                                 state.cursor.micro_batch, state.seed);
  if (state.best)
    text += fmt::format("; best {} {:.6g} at step {}", state.best->metric, state.best->value, state.best->step);
  return text;
}

// "41.0 M values in 120 tensors (bridge 12.0 M, llm 29.0 M)": by the first part of the names.
std::string tensors_text(const std::vector<std::pair<std::string, int64_t>>& tensors) {
  std::map<std::string, int64_t> parts;
  int64_t values = 0;
  for (const auto& [name, count] : tensors) {
    parts[name.substr(0, name.find('.'))] += count;
    values += count;
  }
  std::string text =
      fmt::format("{} values in {} tensor{}", human_count(values), tensors.size(), tensors.size() == 1 ? "" : "s");
  std::vector<std::string> counted;
  for (const auto& [part, count] : parts) counted.push_back(part + " " + human_count(count));
  return counted.empty() ? text : text + " (" + join_words(counted, "and") + ")";
}

std::string model_text(const std::string& checkpoint) {
  const io::SafetensorsFile file((fs::path(checkpoint) / "model.safetensors").string());
  std::vector<std::pair<std::string, int64_t>> tensors;
  for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name).numel());
  return tensors_text(tensors);
}

// The optimizer's state, perhaps in files of several ranks. What is missing of a tensor is a problem.
std::string optimizer_text(const std::string& checkpoint, size_t files, std::vector<std::string>& problems) {
  std::vector<std::pair<std::string, int64_t>> tensors;
  for (const auto& stored : stored_tensors(checkpoint)) {
    tensors.emplace_back(stored.name, stored.values);
    if (!stored.problem.empty()) problems.push_back(fmt::format("optimizer: {}: {}", stored.name, stored.problem));
  }
  return tensors_text(tensors) + (files == 1 ? "" : fmt::format(", shared by {} ranks", files));
}

// What the values of a checkpoint stand on, a line each.
std::vector<std::string> base_lines(const std::string& checkpoint) {
  std::vector<std::string> lines;
  const auto bases = recipes::read_bases(checkpoint);
  for (const auto& base : bases.models)
    lines.push_back(base.part + " from " +
                    (base.path.empty() ? fmt::format("random values, seed {}", base.seed) : base.path));
  for (const auto& overlay : bases.overlays) lines.push_back("laid over it: " + overlay.path);
  return lines;
}

void describe_checkpoint(const std::string& path, std::ostream& out) {
  auto problems = checkpoint_problems(path);
  std::string text = path + "\n";
  const auto has = [&](const char* name) { return fs::is_regular_file(fs::path(path) / name); };
  if (has("state.json")) collect(problems, [&] { text += "  state: " + state_text(read_run_state(path)) + "\n"; });
  if (has("model.safetensors")) collect(problems, [&] { text += "  model: " + model_text(path) + "\n"; });
  collect(problems, [&] {
    const size_t files = optimizer_files(path).size();
    if (files > 0) text += "  optimizer: " + optimizer_text(path, files, problems) + "\n";
  });
  collect(problems, [&] {
    for (const auto& line : base_lines(path)) text += "  base: " + line + "\n";
  });
  if (has("base.json")) collect(problems, [&] { recipes::check_bases(path); });
  out << text << fmt::format("  problems: {}\n", problems.empty() ? "none" : std::to_string(problems.size()));
  for (const auto& problem : problems) out << "    " << problem << "\n";
}

void describe_run(const std::string& run, const std::vector<FoundCheckpoint>& checkpoints, std::ostream& out) {
  out << run << ": " << checkpoints.size() << (checkpoints.size() == 1 ? " checkpoint\n" : " checkpoints\n");
  for (const char* name : {"last", "best"}) {
    const fs::path link = fs::path(run) / name;
    if (!fs::is_symlink(link)) continue;
    out << fmt::format("{} is {}{}\n", name, fs::read_symlink(link).string(),
                       fs::exists(link) ? "" : ", which is not there");
  }
  for (const auto& entry : fs::directory_iterator(run))
    if (const auto name = entry.path().filename().string(); is_partial_checkpoint(name))
      out << name << " is being written, or was when the run ended; the run removes it when it goes on\n";
  for (const auto& checkpoint : checkpoints) describe_checkpoint(checkpoint.path, out);
}

}  // namespace

int checkpoint(const std::string& path, std::ostream& out) {
  if (!fs::is_directory(path)) user_error("{}: there is no such folder.", path);
  const auto checkpoints = list_checkpoints(path);
  const bool is_checkpoint = fs::exists(fs::path(path) / "manifest.json") ||
                             fs::exists(fs::path(path) / "state.json") ||
                             fs::exists(fs::path(path) / "model.safetensors");
  if (!checkpoints.empty()) {
    describe_run(path, checkpoints, out);
  } else if (is_checkpoint) {
    describe_checkpoint(path, out);
  } else {
    user_error("{} is neither a checkpoint nor the folder of a run with checkpoints.", path);
  }
  return 0;
}

}  // namespace usam::inspect
