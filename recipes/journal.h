#pragma once
// OUTPUT/partial: the answers of an evaluation that is under way, so that one that was broken off goes on.
#include <fstream>
#include <string>
#include <vector>

#include "recipes/decoding.h"
#include "src/base/json.h"
#include "src/dist/communicator.h"

namespace usam::recipes {

// An answer as JSON and back; numbers keep their bits.
Json to_json(const Answer& answer);
Answer answer_from(const Json& json);

struct JournalConfig {
  std::string folder;
  // What the answers follow from, by name ("checkpoint", "config", ...): those of other things are thrown away.
  Json origin;
  bool is_fresh = false;  // throw away whatever there is
};

// A file for each rank: its origin, then a line for each answer as soon as it is there. A rank reads the files of its
// place modulo the number of ranks, so that another number of them goes on with the same answers.
class Journal {
 public:
  // Every rank makes one at the same time. Says what it found, and of files that it throws away, why. UserError: the
  // folder cannot be written to.
  Journal(JournalConfig config, dist::Communicator& ranks);

  // The answers of earlier runs by all ranks, in the order of the rows, one a row; the same on every rank.
  const std::vector<Answer>& answers() const { return answers_; }
  // Keeps an answer of this rank.
  void add(const Answer& answer);
  // Removes the folder, when the evaluation's files are written. Every rank does.
  void remove();

 private:
  // What a rank finds: {"answers": [...], "others": [names of what another evaluation differs in]}.
  Json read_share() const;
  void open_own();
  std::string own_file() const;

  JournalConfig config_;
  dist::Communicator& ranks_;
  std::vector<Answer> answers_;
  std::ofstream own_;
};

}  // namespace usam::recipes
