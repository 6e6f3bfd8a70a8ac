#include "recipes/evaluation.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "recipes/decoding.h"
#include "src/base/error.h"
#include "src/dist/gather.h"

namespace usam::recipes {
namespace {

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
