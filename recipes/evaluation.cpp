#include "recipes/evaluation.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "data/loader.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/dist/gather.h"

namespace usam::recipes {
namespace {

std::vector<std::string> tag_candidates(const data::Source& source, const eval::EvaluateConfig& config) {
  if (!config.tags.empty()) return eval::read_tags(config.tags.value);
  std::set<std::string> all;
  for (int64_t i = 0; i < source.size(); ++i) {
    for (const auto& tag : source.row(i).tags) all.insert(tag);
  }
  return {all.begin(), all.end()};
}

// Rows are decoded in the order of the manifest, so many at a time, and each once: nothing is kept for a next epoch.
RunConfig decoding_config(const RunConfig& config) {
  RunConfig decoding = config;
  decoding.data.batch = {.seconds = std::nullopt, .rows = config.evaluate.batch_rows};
  decoding.data.cache_memory = 0;
  return decoding;
}

std::vector<std::string> set_names(const std::vector<data::ManifestConfig>& manifests) {
  std::vector<std::string> names;
  for (const auto& manifest : manifests) names.push_back(std::filesystem::path(manifest.path.value).filename());
  return names;
}

// From 0 to 1, by a task's own metric; none where it has no number.
std::optional<double> error_share(const Json& metrics) {
  auto number = [&](const char* name) -> std::optional<double> {
    const auto found = metrics.find(name);
    return found != metrics.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
  };
  if (const auto rate = number("wer")) return std::min(*rate, 1.0);
  for (const char* name : {"map", "accuracy", "bleu"}) {
    if (const auto share = number(name)) return 1 - *share;
  }
  return std::nullopt;
}

// What was answered to one row.
struct Answer {
  int64_t row = 0;
  std::string text;
  std::vector<double> scores;  // one a candidate, of rows with tags
  Json explained;              // where asked for
};

// A sample that could not be used, of the set's micro-batch number `micro_batch`.
struct Missed {
  int64_t micro_batch = 0;
  data::Skipped sample;
};

// A rank's share of the rows.
struct Share {
  std::vector<Answer> answers;
  std::vector<Missed> missed;
};

Json to_json(const Share& share) {
  Json answers = Json::array(), missed = Json::array();
  for (const auto& a : share.answers) answers.push_back({a.row, a.text, a.scores, a.explained});
  for (const auto& [micro_batch, s] : share.missed) missed.push_back({micro_batch, s.key, s.file, s.reason});
  return {{"answers", answers}, {"missed", missed}};
}

void append(Share& all, const Json& share) {
  for (const auto& a : share.at("answers")) all.answers.push_back({a[0], a[1], a[2], a[3]});
  for (const auto& m : share.at("missed")) all.missed.push_back({m[0], {m[1], m[2], m[3]}});
}

// Without those that are too long.
int64_t rows_of(const data::DataSet& data) {
  return std::ssize(data.plan(0)->visits);
}

// Decodes one rank's share of a data set.
class Decoder {
 public:
  Decoder(Recipe& recipe, const RunConfig& config, std::vector<std::string> candidates, bool explains)
      : recipe_(recipe), config_(config), candidates_(std::move(candidates)), explains_(explains) {
    answers_ = dynamic_cast<Answers*>(&recipe);
    if (!answers_)
      user_error("The recipe '{}' gives no text, so it cannot be evaluated by decoding.", config.recipe.type);
  }

  // Ends early where this rank's skipped samples alone are more than allowed.
  Share decode(const std::shared_ptr<const data::DataSet>& data, const data::SkipList& skips,
               dist::Communicator& ranks) {
    data::Loader loader(data, {{}, ranks.rank(), ranks.world()});
    const int64_t rows = rows_of(*data);
    Share share;
    while (const auto batch = next(loader, ranks.post())) {
      for (const auto& skipped : batch->skipped) share.missed.push_back({batch->cursor.micro_batch, skipped});
      if (!skips.allows(std::ssize(share.missed), rows)) break;
      if (batch->size() == 0) continue;
      add(share, *batch, data->source());
      const int64_t done = std::ssize(share.answers);
      if (done % 256 < batch->size())
        log::info("{} of {} samples decoded", std::min(done * ranks.world(), rows), rows);  // the others' are guessed
    }
    return share;
  }

 private:
  // The next batch; whoever watches this rank reads which samples it waits for or decodes.
  static std::optional<data::Batch> next(data::Loader& loader, dist::Post& post) {
    const int64_t step = post.view().activity.step;  // training may be under way
    for (std::vector<std::string> missing; !(missing = loader.missing_after(std::chrono::seconds(1))).empty();)
      post.at({step, "data to decode", missing, 1});
    auto batch = loader.next();
    if (batch) post.at({step, "decoding", batch->keys, 1});
    return batch;
  }

  void add(Share& share, const data::Batch& loaded, const data::Source& source) {
    const auto batch = loaded.to(recipe_.module().parameters().front().device());
    const auto has_tags = [&](int64_t row) { return !source.row(row).tags.empty(); };
    const auto hypotheses = answers_->generate(batch, decoding_options(config_.evaluate));
    const auto scores = std::ranges::any_of(batch.rows, has_tags) ? answers_->score(batch, candidates_)
                                                                  : std::vector<std::vector<double>>{};
    const auto explained = explains_ ? answers_->explain(batch) : std::vector<Json>(hypotheses.size());
    for (size_t i = 0; i < hypotheses.size(); ++i) {
      const auto row = batch.rows[i];
      share.answers.push_back(
          {row, hypotheses[i].front().text, has_tags(row) ? scores[i] : std::vector<double>{}, explained[i]});
    }
  }

  Recipe& recipe_;
  const RunConfig& config_;
  std::vector<std::string> candidates_;
  bool explains_;
  Answers* answers_;
};

// All ranks' shares, in the order of the rows. Numbers and bytes travel as they are (CBOR).
Share merge(const Share& mine, const data::Source& source, dist::Communicator& ranks) {
  if (ranks.world() == 1) return mine;
  Json told = to_json(mine);
  told["rows"] = source.size();
  const auto bytes = Json::to_cbor(told);
  Share all;
  int64_t rank = 0;
  for (const auto& text : dist::gather_texts({bytes.begin(), bytes.end()}, ranks)) {
    const Json theirs = Json::from_cbor(text);
    const auto rows = theirs.at("rows").get<int64_t>();
    if (rows != source.size())
      user_error("Rank {} has {} rows to answer, rank {} has {}: all ranks need the same manifests.", rank, rows,
                 ranks.rank(), source.size());
    append(all, theirs);
    ++rank;
  }
  std::ranges::stable_sort(all.answers, {}, &Answer::row);
  std::ranges::stable_sort(all.missed, {}, &Missed::micro_batch);
  return all;
}

eval::Hypothesis hypothesis_of(const Answer& answer, const data::Row& row, const std::string& set,
                               const std::vector<std::string>& candidates) {
  eval::Hypothesis hypothesis;
  hypothesis.key = row.key;
  hypothesis.task = row.task;
  hypothesis.source = set;
  hypothesis.references = row.references;
  hypothesis.answer = answer.text;
  hypothesis.tags = row.tags;
  for (size_t c = 0; c < answer.scores.size(); ++c) hypothesis.scores[candidates[c]] = answer.scores[c];
  return hypothesis;
}

Json explained_of(const Answer& answer, const data::Row& row) {
  Json explained = answer.explained;
  explained.update({{"key", row.key}, {"audio", row.audio}, {"task", row.task}, {"hyp", answer.text}});
  if (!row.references.empty()) explained["ref"] = row.references.front();
  return explained;
}

}  // namespace

AnsweredSet answer(Recipe& recipe, const std::vector<data::ManifestConfig>& manifests, const RunConfig& config,
                   const AnswerOptions& options) {
  const auto source = open_data(manifests, config);
  const auto names = set_names(manifests);
  const auto candidates = tag_candidates(*source, config.evaluate);
  const auto data_set = make_data_set(source, recipe, decoding_config(config), false, nullptr);
  const auto skips = options.skips ? options.skips : std::make_shared<data::SkipList>(config.data.max_skipped, nullptr);
  auto& ranks = *options.ranks;
  Decoder decoder(recipe, config, candidates, options.explains);
  const Share all = merge(decoder.decode(data_set, *skips, ranks), *source, ranks);
  int64_t count = 0;
  for (const auto& [micro_batch, sample] : all.missed) {
    skips->add(sample);
    skips->check(++count, rows_of(*data_set), sample);
  }
  AnsweredSet out;
  for (const auto& one : all.answers) {
    const auto row = source->row(one.row);
    out.hypotheses.push_back(hypothesis_of(one, row, names.at(static_cast<size_t>(row.source)), candidates));
    if (options.explains) out.explained.push_back(explained_of(one, row));
  }
  return out;
}

std::map<std::string, double> figures(const Json& report) {
  std::map<std::string, double> all;
  double errors = 0;
  int64_t tasks = 0;
  for (const auto& [task, metrics] : report.at("tasks").items()) {
    for (const auto& [name, value] : metrics.items()) {
      if (value.is_number()) all[task + "/" + name] = value.get<double>();
    }
    if (const auto error = error_share(metrics)) {
      errors += *error;
      ++tasks;
    }
  }
  if (tasks > 0) all["tasks/error"] = errors / static_cast<double>(tasks);
  return all;
}

}  // namespace usam::recipes
