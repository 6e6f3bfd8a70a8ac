#pragma once
// Writes checkpoints while training goes on. A write has two stages, both on a thread of each rank: every rank writes
// its files into the partial folder; when all have, the first rank makes it a checkpoint. Ranks learn of each other's
// progress on the main thread alone, at the edges of steps.
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/dist/communicator.h"
#include "trainer/checkpoint.h"
#include "trainer/run_folder.h"

namespace usam {

// How a write ended, the same on every rank.
struct EndedSave {
  int64_t step = 0;
  std::optional<Best> best;  // of its state
  std::string path;          // of the checkpoint; "" when it could not be written
  std::string problem;  // then: a sentence without its end that says why, and which checkpoint stays the newest one
  std::vector<std::string> warnings;  // on the first rank: what went wrong once the checkpoint was there
};

class Saver {
 public:
  // `in_background`: a write keeps a copy of the optimizer's values in host memory, so that they may change meanwhile.
  // Without it the caller waits before it changes them.
  Saver(std::string run, Keep keep, bool in_background, std::shared_ptr<dist::Communicator> ranks);
  // Waits for this rank's thread. What was not ended, as a rank is lost or gives up, becomes a checkpoint where the
  // first rank alone wrote it, and stays a partial folder otherwise.
  ~Saver();

  // Begins to write a checkpoint; none may be in flight. `parts.model` holds copies already. `problem`: what already
  // speaks against it, told as if this rank's write had failed; "" for nothing. Every rank calls it.
  void start(CheckpointParts parts, const std::string& problem = "");
  // Whether this rank's thread is still at work.
  bool is_busy() const;
  // Takes a write in flight to its next stage. Every rank calls it when none is busy.
  std::optional<EndedSave> advance();
  // Waits for the write in flight, if there is one. Every rank calls it.
  std::optional<EndedSave> wait();

 private:
  enum class Stage { kIdle, kWriting, kCommitting };
  std::optional<EndedSave> begin_commit(const std::vector<std::string>& reports);
  EndedSave end_commit(const std::string& report);
  EndedSave failed(const std::string& reason);
  bool is_first() const { return ranks_->rank() == 0; }

  std::string run_;
  Keep keep_;
  bool in_background_;
  std::shared_ptr<dist::Communicator> ranks_;
  Stage stage_ = Stage::kIdle;
  RunState state_;                 // of the write in flight
  bool is_shared_ = false;         // it is written by all ranks
  std::future<std::string> task_;  // its stage on this rank; gives a report as JSON and does not throw
};

}  // namespace usam
