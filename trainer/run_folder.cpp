#include "trainer/run_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "trainer/checkpoint.h"

namespace usam {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-";

// The step in "checkpoint-<step>", or nothing.
std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc() || stop != end || step < 0) return std::nullopt;
  return step;
}

// Renames before it removes, so that a crash in between leaves no torn checkpoint.
void remove_checkpoint(const FoundCheckpoint& found) {
  const fs::path path = found.path;
  const fs::path aside = path.parent_path() / ("." + path.filename().string() + ".partial");
  fs::remove_all(aside);
  fs::rename(path, aside);
  fs::remove_all(aside);
}

// Whether a checkpoint was the best of its run when it was made.
bool was_best(const FoundCheckpoint& found) {
  try {
    const RunState state = read_run_state(found.path);
    return state.best && state.best->step == found.step;
  } catch (const UserError&) {
    return false;
  }
}

// Those in whose place a crash left none.
std::vector<FoundCheckpoint> replaced_checkpoints(const std::string& run) {
  constexpr std::string_view kSuffix = ".replaced.partial";
  std::vector<FoundCheckpoint> found;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(run, absent)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') || !name.ends_with(kSuffix)) continue;
    const auto step = step_of(name.substr(1, name.size() - 1 - kSuffix.size()));
    if (step && !fs::exists(fmt::format("{}/{}{}", run, kPrefix, *step))) found.push_back({*step, entry.path()});
  }
  return found;
}

std::string choose_path(const std::string& run, const std::string& path) {
  std::error_code failed;
  const fs::path real = fs::canonical(path, failed);
  if (failed) user_error("--resume {}: there is no such checkpoint.", path);
  fs::path checkpoint = real;
  if (!step_of(real.filename().string()) && !list_checkpoints(real.string()).empty()) {
    const auto newest = newest_whole_checkpoint(real.string());
    if (!newest) user_error("--resume {}: none of its checkpoints is whole.", path);
    checkpoint = newest->path;
  } else {
    require_whole_checkpoint(real.string());
  }
  const int64_t step = read_run_state(checkpoint.string()).step;
  const std::vector<FoundCheckpoint> held = list_checkpoints(run);
  if (!held.empty() && held.back().step > step)
    user_error("--resume {}: {} holds checkpoints up to step {}, later than step {}. Use another run.dir.", path, run,
               held.back().step, step);
  return checkpoint.string();
}

}  // namespace

void restore_replaced_checkpoints(const std::string& run) {
  for (const auto& [step, path] : replaced_checkpoints(run))
    fs::rename(path, fmt::format("{}/{}{}", run, kPrefix, step));
}

bool is_partial_checkpoint(const std::string& name) {
  return name.starts_with(".checkpoint-") && name.ends_with(".partial");
}

std::vector<FoundCheckpoint> list_checkpoints(const std::string& run) {
  std::vector<FoundCheckpoint> found;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(run, absent)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory() && !entry.is_symlink()) found.push_back({*step, entry.path().string()});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return found;
}

std::optional<FoundCheckpoint> newest_whole_checkpoint(const std::string& run) {
  std::vector<FoundCheckpoint> found = list_checkpoints(run);
  std::ranges::copy(replaced_checkpoints(run), std::back_inserter(found));
  std::ranges::sort(found, {}, &FoundCheckpoint::step);
  for (; !found.empty(); found.pop_back()) {
    const std::vector<std::string> problems = checkpoint_problems(found.back().path);
    if (problems.empty()) return found.back();
    log::warn("{} is skipped, it is not whole: {}.", found.back().path, fmt::join(problems, "; "));
  }
  return std::nullopt;
}

std::string choose_resume(const std::string& run, const std::string& mode) {
  if (mode == "none") {
    const std::vector<FoundCheckpoint> held = list_checkpoints(run);
    if (!held.empty())
      user_error(
          "{} holds checkpoints up to step {}, and --resume none would overwrite them. Use --resume auto to continue, "
          "or "
          "another run.dir.",
          run, held.back().step);
    return "";
  }
  if (mode != "auto") return choose_path(run, mode);
  const auto newest = newest_whole_checkpoint(run);
  return newest ? newest->path : "";
}

void check_config_differences(const std::string& checkpoint, const std::vector<Difference>& differences) {
  std::vector<std::string> refused;
  for (const Difference& d : differences) {
    const std::string text = fmt::format("{}: {} -> {}", d.key, d.before, d.after);
    if (d.resumable) log::info("Resumed with a changed {}", text);
    if (!d.resumable) refused.push_back(text);
  }
  if (!refused.empty())
    user_error(
        "{} was made with another config. These keys may not change when a run is resumed:\n  {}\nUndo the changes, or "
        "start a new run.dir (init_from takes over the weights).",
        checkpoint, fmt::join(refused, "\n  "));
}

void link_checkpoint(const std::string& run, const std::string& name, int64_t step) {
  const fs::path aside = fs::path(run) / ("." + name + ".partial");
  fs::remove(aside);
  fs::create_directory_symlink(fmt::format("{}{}", kPrefix, step), aside);
  fs::rename(aside, fs::path(run) / name);
  sync_folder(run);
}

void prune_checkpoints(const std::string& run, const Keep& keep, int64_t step) {
  if (keep.last == 0 || !looks_whole(fmt::format("{}/{}{}", run, kPrefix, step))) return;
  int64_t last = 0, best = 0;
  std::vector<FoundCheckpoint> found = list_checkpoints(run);
  for (; !found.empty(); found.pop_back()) {
    const FoundCheckpoint& newest = found.back();
    const bool is_whole = looks_whole(newest.path);
    if (is_whole && newest.step > step) continue;
    const bool is_last = is_whole && last++ < keep.last;
    const bool is_best = is_whole && was_best(newest) && best++ < keep.best;
    if (!is_last && !is_best) remove_checkpoint(newest);
  }
}

}  // namespace usam
