#include "tools/inspect/report/record.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/machine.h"
#include "trainer/run_folder.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

constexpr double kAlive = 60;  // seconds; the file of a rank is rewritten every five

void require_run(const std::string& path) {
  if (!fs::is_directory(path)) user_error("{}: there is no such folder.", path);
  const fs::path folder = path;
  if (fs::exists(folder / "metrics.jsonl")) return;
  if (fs::exists(folder / "model.safetensors"))
    user_error("{} is a checkpoint: give the folder of its run, which holds it.", path);
  user_error("{} is not the folder of a run: it holds no metrics.jsonl.{}", path,
             fs::exists(folder / "config.yaml") ? " A run that has begun to train has one." : "");
}

// What `read` cannot read becomes a note.
template <class Read>
void note_problem(RunRecord& record, Read read) {
  try {
    read();
  } catch (const UserError& e) {
    record.notes.emplace_back(e.what());
  }
}

void read_config(RunRecord& record) {
  const std::string path = record.path + "/config.yaml";
  if (!fs::exists(path)) user_error("{} is missing.", path);
  record.config = read_file(path);
  record.keys = read_keys(record.config, path);
}

void read_starts(RunRecord& record) {
  const std::string path = record.path + "/starts.jsonl";
  std::ifstream stream(path, std::ios::binary);
  int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    const std::string place = fmt::format("{}:{}", path, ++number);
    note_problem(record, [&] {
      const Json start = parse_json(line, place);
      if (!start.is_object()) user_error("{}: the line does not tell of a start.", place);
      record.starts.push_back(start);
    });
  }
}

// Seconds since 1970 of "2026-02-03T04:05:06Z".
std::optional<double> seconds_of(const std::string& utc) {
  std::tm parts{};
  if (!strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts)) return std::nullopt;
  return static_cast<double>(timegm(&parts));
}

// A process of this machine can be looked for; one of another counts as alive for a while.
bool is_alive(const Json& rank) {
  const Json time = rank.value("time", Json()), host = rank.value("host", Json()), pid = rank.value("pid", Json());
  const auto written = time.is_string() ? seconds_of(time.get<std::string>()) : std::nullopt;
  if (!written || static_cast<double>(std::time(nullptr)) - *written > kAlive) return false;
  return !pid.is_number_integer() || host != host_name() || fs::exists("/proc/" + pid.dump());
}

void read_rank(RunRecord& record) {
  const std::string path = record.path + "/ranks/rank-0.json";
  if (!fs::exists(path)) return;
  const Json rank = parse_json(read_file(path), path);
  if (rank.is_object() && is_alive(rank)) record.alive = rank;
}

// The newest checkpoint whose state can be read; none of a run that has not saved yet.
void read_state(RunRecord& record) {
  const auto checkpoints = list_checkpoints(record.path);
  if (!checkpoints.empty()) record.state = read_run_state(checkpoints.back().path);
}

void read_evaluations(RunRecord& record) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(record.path))
    if (entry.is_directory() && !entry.is_symlink() && fs::exists(entry.path() / "metrics.json"))
      folders.push_back(entry.path());
  std::ranges::sort(folders);
  for (const auto& folder : folders)
    note_problem(record, [&] {
      const std::string path = (folder / "metrics.json").string();
      Json metrics = parse_json(read_file(path), path);
      const bool is_ours = metrics.is_object() && metrics.contains("tasks") && metrics["tasks"].is_object();
      if (!is_ours) user_error("{}: the file is not one that usam-eval writes.", path);
      record.evaluations.push_back(
          {folder.filename().string(), std::move(metrics), fs::exists(folder / "report.html")});
    });
}

}  // namespace

std::optional<int64_t> whole_number(const std::string& text) {
  const bool is_one = !text.empty() && text.size() < 18 && text.find_first_not_of("0123456789") == std::string::npos;
  return is_one ? std::optional<int64_t>(std::stoll(text)) : std::nullopt;
}

std::string RunRecord::told(const std::string& what) const {
  if (starts.empty()) return "";
  const Json value = starts.back().value(what, Json());
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

int64_t RunRecord::last_step() const {
  return std::max(metrics.last_step, state ? state->step : 0);
}

int64_t RunRecord::total_steps() const {
  std::string steps = told("of");
  if (steps.empty()) steps = value_of(keys, "trainer.max_steps");
  return whole_number(steps).value_or(0);
}

std::string RunRecord::standing() const {
  const int64_t step = last_step(), total = total_steps();
  if (total > 0 && step >= total) return fmt::format("finished after {} steps", step);
  const std::string where = total > 0 ? fmt::format("step {} of {}", step, total) : fmt::format("step {}", step);
  if (!alive) return "stopped at " + where;
  const Json phase = alive->value("phase", Json());
  return "under way at " + where + (phase.is_string() ? ", " + phase.get<std::string>() : "");
}

double RunRecord::seconds() const {
  double all = 0;
  for (const Stretch& stretch : pictures.stretches) all += std::max(0.0, stretch.end - stretch.begin);
  return all;
}

std::optional<Point> RunRecord::last(const std::string& figure) const {
  const Points* points = metrics.evaluations.find(figure);
  return points ? std::optional(points->back()) : std::nullopt;
}

std::optional<Point> RunRecord::at_best(const std::string& figure) const {
  const Points* points = metrics.evaluations.find(figure);
  if (!points || !state || !state->best) return std::nullopt;
  const auto found = std::ranges::find(*points, static_cast<double>(state->best->step), &Point::step);
  return found == points->end() ? std::nullopt : std::optional(*found);
}

RunRecord read_run(const std::string& path) {
  require_run(path);
  RunRecord record;
  record.path = path;
  record.name = fs::absolute(path).lexically_normal().filename().string();
  if (record.name.empty()) record.name = fs::absolute(path).lexically_normal().parent_path().filename().string();
  record.metrics = read_metrics((fs::path(path) / "metrics.jsonl").string());
  record.notes = record.metrics.notes;
  note_problem(record, [&] { read_config(record); });
  read_starts(record);
  note_problem(record, [&] { read_rank(record); });
  note_problem(record, [&] { read_state(record); });
  note_problem(record, [&] { record.pictures = read_pictures(path); });
  record.notes.insert(record.notes.end(), record.pictures.notes.begin(), record.pictures.notes.end());
  read_evaluations(record);
  return record;
}

}  // namespace usam::inspect
