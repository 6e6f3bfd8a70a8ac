#include "trainer/saver.h"

#include <chrono>
#include <filesystem>
#include <functional>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/dist/gather.h"
#include "src/tensor/host_copy.h"

namespace usam {
namespace {

namespace fs = std::filesystem;

// What a stage tells when it is over: {..., "problem"}. Texts of the system may hold bytes that are not UTF-8.
std::string report(const std::function<Json()>& work) {
  Json told = Json::object();
  try {
    told = work();
  } catch (const std::exception& e) {
    told["problem"] = e.what();
  } catch (...) {
    told["problem"] = "an exception of an unknown type";
  }
  return to_line(told);
}

std::string without_end(std::string sentence) {
  while (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

// What surrounds a checkpoint that is there already: a failure is told and costs nothing more.
void warn_of_failure(Json& warnings, const char* what, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& e) {
    warnings.push_back(fmt::format("{}: {}.", what, without_end(e.what())));
  }
}

Json commit(const std::string& run, const RunState& state, const Keep& keep, const Json& files) {
  Json told = {{"path", commit_checkpoint(run, state.step, files)}, {"warnings", Json::array()}};
  Json& warnings = told["warnings"];
  warn_of_failure(warnings, "The link 'last' could not be moved", [&] { link_checkpoint(run, "last", state.step); });
  if (state.best)
    warn_of_failure(warnings, "The link 'best' could not be moved",
                    [&] { link_checkpoint(run, "best", state.best->step); });
  warn_of_failure(warnings, "Old checkpoints could not be removed", [&] { prune_checkpoints(run, keep, state.step); });
  return told;
}

}  // namespace

Saver::Saver(std::string run, Keep keep, bool in_background, std::shared_ptr<dist::Communicator> ranks)
    : run_(std::move(run)), keep_(keep), in_background_(in_background), ranks_(std::move(ranks)) {}

Saver::~Saver() {
  if (!task_.valid()) return;
  const Json told = Json::parse(task_.get());
  if (stage_ != Stage::kWriting || !is_first() || is_shared_ || told.contains("problem")) return;
  const Json ended = Json::parse(report([&] { return commit(run_, state_, keep_, told["files"]); }));
  if (ended.contains("path")) log::info("Saved {}.", ended["path"].get<std::string>());
}

void Saver::start(CheckpointParts parts, const std::string& problem) {
  if (stage_ != Stage::kIdle) internal_error("a checkpoint is begun while another one is written");
  stage_ = Stage::kWriting;
  state_ = parts.state;
  is_shared_ = parts.is_shared;
  const bool writes = is_first() || parts.is_shared;
  if (!problem.empty()) {
    task_ = std::async(std::launch::async, [problem] { return report([&] { return Json{{"problem", problem}}; }); });
  } else if (writes) {
    if (!is_first()) parts.model.clear();
    if (in_background_)
      for (TensorPiece& piece : parts.optimizer) piece.values = host_copy(piece.values);
    auto work = [run = run_, parts = std::move(parts), rank = ranks_->rank(), world = ranks_->world()] {
      return Json{{"files", write_share(run, parts, rank, world)}};
    };
    task_ = std::async(std::launch::async, [work = std::move(work)] { return report(work); });
  }
}

bool Saver::is_busy() const {
  return task_.valid() && task_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

std::optional<EndedSave> Saver::advance() {
  if (stage_ == Stage::kIdle) return std::nullopt;
  const std::string mine = task_.valid() ? task_.get() : "{}";
  const std::vector<std::string> reports = dist::gather_texts(mine, *ranks_);
  return stage_ == Stage::kWriting ? begin_commit(reports) : end_commit(reports[0]);
}

std::optional<EndedSave> Saver::begin_commit(const std::vector<std::string>& reports) {
  std::vector<std::string> problems;
  Json files = Json::object();
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    const Json told = Json::parse(reports[rank]);
    if (told.contains("problem"))
      problems.push_back((reports.size() > 1 ? fmt::format("rank {}: ", rank) : "") +
                         without_end(told["problem"].get<std::string>()));
    if (told.contains("files")) files.update(told["files"]);
  }
  if (!problems.empty()) return failed(join_words(problems, "and"));
  stage_ = Stage::kCommitting;
  if (is_first())
    task_ = std::async(std::launch::async, [run = run_, state = state_, keep = keep_, files = std::move(files)] {
      return report([&] { return commit(run, state, keep, files); });
    });
  return std::nullopt;
}

EndedSave Saver::end_commit(const std::string& report) {
  const Json told = Json::parse(report);
  if (told.contains("problem")) return failed(without_end(told["problem"].get<std::string>()));
  stage_ = Stage::kIdle;
  return {state_.step, state_.best, told["path"], "", told["warnings"]};
}

// Ends the write in flight without a checkpoint. The first rank looks which one stays, and tells all.
EndedSave Saver::failed(const std::string& reason) {
  stage_ = Stage::kIdle;
  std::string sentence;
  if (is_first()) {
    std::error_code ignored;
    fs::remove_all(partial_checkpoint(run_, state_.step), ignored);
    std::string stays = "There is no earlier one";
    for (const FoundCheckpoint& found : list_checkpoints(run_))
      if (found.step < state_.step && looks_whole(found.path)) stays = found.path + " stays the newest one";
    sentence = fmt::format("Checkpoint {} could not be written: {}. {}", state_.step, reason, stays);
  }
  return {state_.step, state_.best, "", dist::gather_texts(sentence, *ranks_)[0], {}};
}

std::optional<EndedSave> Saver::wait() {
  // No operation of the ranks lasts as long as a write: theirs have a time limit.
  constexpr auto kTurn = std::chrono::seconds(1);
  while (stage_ != Stage::kIdle) {
    if (task_.valid()) task_.wait_for(kTurn);
    torch::Tensor busy = torch::tensor(is_busy() ? 1 : 0);
    ranks_->all_reduce(busy);
    if (busy.item<int64_t>() > 0) continue;
    if (auto ended = advance()) return ended;
  }
  return std::nullopt;
}

}  // namespace usam
