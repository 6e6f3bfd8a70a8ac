#pragma once
// Answers of a recipe over test sets: what usam-eval writes and what training may watch.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recipes/answers.h"
#include "recipes/journal.h"
#include "recipes/run.h"
#include "src/base/json.h"
#include "src/dist/communicator.h"
#include "src/eval/hypotheses.h"

namespace usam::recipes {

struct AnsweredSet {
  bool is_cut = false;                       // AnswerOptions::stops was true on a rank: there are no hypotheses
  std::vector<eval::Hypothesis> hypotheses;  // in the order of the rows
  std::vector<Json> explained;               // one a hypothesis, where asked for: Answers::explain with key and audio
};

struct AnswerOptions {
  bool explains = false;
  std::shared_ptr<data::SkipList> skips;  // hears of each sample that is left out; null: data.max_skipped alone counts
  // Who shares the rows. Each rank decodes its part and gets the whole set, the same as one rank alone.
  std::shared_ptr<dist::Communicator> ranks = dist::single_rank();
  std::function<bool()> stops;       // asked before each decoding step: true where this rank gives up; may be empty
  std::shared_ptr<Journal> journal;  // holds answers that are not asked for again, and keeps the new ones; may be null
};

// Decodes every row of the manifests and scores the tags of rows that have them: candidates are those of
// evaluate.tags, else the union over the rows. Samples that cannot be read are handled as data.on_error says; their
// share is that of all ranks, and too many of them end every rank with the same UserError.
AnsweredSet answer(Recipe& recipe, const std::vector<data::ManifestConfig>& manifests, const RunConfig& config,
                   const AnswerOptions& options = {});

// The config that rows are read for decoding with: in the order of the manifest, evaluate.batch_rows at a time, and
// each once, so that nothing is kept for a next epoch.
RunConfig decoding_config(const RunConfig& config);

// What test sets are called: the manifests' file names, behind as many of their folders as tell them apart.
std::vector<std::string> set_names(const std::vector<data::ManifestConfig>& manifests);

// What the answers of an evaluation follow from (JournalConfig::origin): the checkpoint, what the config says of
// recipe, data and decoding, the test sets (a large one's files by size, time and samples), the program.
Json answers_origin(const std::string& checkpoint, RunConfig config, bool explains);

// The metrics of a set as "task/metric" (NaN: not defined for it), for the trainer to compare checkpoints by, and
// "tasks/error": the mean over the tasks of 1 - mAP, WER or CER (1 at most), 1 - BLEU or 1 - accuracy, the first of
// these that a task has.
std::map<std::string, double> figures(const Json& report);

}  // namespace usam::recipes
