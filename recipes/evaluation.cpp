#include "recipes/evaluation.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "data/loader.h"
#include "src/base/error.h"
#include "src/base/log.h"

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

}  // namespace

AnsweredSet answer(Recipe& recipe, const std::vector<data::ManifestConfig>& manifests, const RunConfig& config,
                   bool explains, std::shared_ptr<data::SkipList> skips) {
  auto* answers = dynamic_cast<Answers*>(&recipe);
  if (!answers) user_error("The recipe '{}' gives no text, so it cannot be evaluated by decoding.", config.recipe.type);
  const auto source = open_data(manifests, config);
  const auto names = set_names(manifests);
  const auto candidates = tag_candidates(*source, config.evaluate);
  const auto data_set = make_data_set(source, recipe, decoding_config(config), false, std::move(skips));
  data::Loader loader(data_set, {});
  const auto device = recipe.module().parameters().front().device();
  AnsweredSet out;
  while (auto loaded = loader.next()) {
    if (loaded->size() == 0) continue;
    const auto batch = loaded->to(device);
    const auto texts = answers->generate(batch, config.evaluate.max_new_tokens);
    std::vector<data::Row> rows;
    for (int64_t index : batch.rows) rows.push_back(source->row(index));
    const bool has_tags = std::any_of(rows.begin(), rows.end(), [](const auto& row) { return !row.tags.empty(); });
    const auto scores = has_tags ? answers->score(batch, candidates) : std::vector<std::vector<double>>{};
    const auto explained = explains ? answers->explain(batch) : std::vector<Json>{};
    for (size_t i = 0; i < rows.size(); ++i) {
      eval::Hypothesis hypothesis;
      hypothesis.key = rows[i].key;
      hypothesis.task = rows[i].task;
      hypothesis.source = names.at(static_cast<size_t>(rows[i].source));
      hypothesis.references = rows[i].references;
      hypothesis.answer = texts[i];
      hypothesis.tags = rows[i].tags;
      if (!rows[i].tags.empty()) {
        for (size_t c = 0; c < candidates.size(); ++c) hypothesis.scores[candidates[c]] = scores[i][c];
      }
      if (explains) {
        out.explained.push_back(explained[i]);
        out.explained.back().update(
            {{"key", rows[i].key}, {"audio", rows[i].audio}, {"task", rows[i].task}, {"hyp", texts[i]}});
        if (!rows[i].references.empty()) out.explained.back()["ref"] = rows[i].references.front();
      }
      out.hypotheses.push_back(std::move(hypothesis));
    }
    if (out.hypotheses.size() % 256 < static_cast<size_t>(batch.size())) {
      log::info("{} of {} samples decoded", out.hypotheses.size(), source->size());
    }
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
