#include "recipes/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "data/manifest.h"
#include "recipes/answers.h"
#include "recipes/estimate.h"
#include "recipes/parameters.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "trainer/memory.h"

namespace usam::recipes {
namespace {

// What is wrong with the recordings, each behind a line feed. UserError where training would end for it, as far as
// headers tell.
std::string audio_summary(const std::string& name, const data::DataSet& set, const data::DataConfig& config) {
  const auto found = data::check_audio(set.source());
  std::string text;
  for (const auto& problem : found.first) text += "\n  " + problem;
  if (const int64_t more = found.count - std::ssize(found.first); more > 0)
    text += fmt::format("\n  ... and {} more", more);
  if (found.unusable.empty()) return text;
  const auto plan = set.plan(0);
  int64_t lost = 0;
  for (int64_t m = 0; m < plan->size(); ++m)
    lost += std::ranges::count_if(plan->micro_batch(m), [&](const data::Visit& visit) {
      return std::ranges::binary_search(found.unusable, visit.row);
    });
  if (config.on_error == data::OnError::kFail && lost > 0)
    user_error(
        "{}: {} of an epoch's {} samples cannot be used, and `data.on_error: fail` ends a run at the first. Mend or "
        "remove them, or set data.on_error to skip:{}",
        name, lost, plan->visits(), text);
  if (!data::SkipList(config.max_skipped, nullptr).allows(lost, plan->visits()))
    user_error(
        "{}: {} of an epoch's {} samples cannot be used, more than data.max_skipped = {} allows. Mend or remove them, "
        "or raise data.max_skipped:{}",
        name, lost, plan->visits(), config.max_skipped, text);
  return text;
}

std::string data_summary(const std::string& name, const data::DataSet& set, const data::DataConfig& config) {
  const data::Source& source = set.source();
  double seconds = 0;
  std::map<std::string, int64_t> tasks;
  for (int64_t i = 0; i < source.size(); ++i) {
    seconds += source.seconds(i);
    ++tasks[source.row(i).task];
  }
  std::string text = fmt::format("{}: {} rows, {:.2f} h, {} micro-batches an epoch;", name, source.size(),
                                 seconds / 3600, set.plan(0)->size());
  for (const auto& [task, count] : tasks) text += fmt::format(" {} {}", task, count);
  return text + audio_summary(name, set, config) + "\n";
}

// What the recipe doubts of the training data, a line each.
std::string doubts_of(const data::DataSet& set, const Recipe& recipe) {
  const data::Source& source = set.source();
  std::vector<std::pair<double, int64_t>> clips;
  for (int64_t i = 0; i < source.size(); ++i) clips.emplace_back(set.seconds(i), i);
  if (clips.empty()) return "";
  const auto median = clips.begin() + std::ssize(clips) / 2;
  std::ranges::nth_element(clips, median);
  std::string text;
  for (const auto& doubt : recipe.doubts(set.recipe_plan().length(source.row(median->second), median->first)))
    text += "warning: " + doubt + "\n";
  return text;
}

// The first samples of training, as they come to the model.
std::string first_samples(const data::DataSet& set, const Recipe& recipe, const data::Batch& batch) {
  const auto* answers = dynamic_cast<const Answers*>(&recipe);
  const auto shown = answers ? answers->show(batch) : std::vector<ShownSample>();
  std::string text;
  for (int64_t b = 0; b < std::min<int64_t>(3, batch.size()); ++b) {
    const auto i = static_cast<size_t>(b);
    const auto row = set.source().row(batch.rows[i]);
    const double seconds = set.source().seconds(batch.rows[i]);
    const auto length = set.recipe_plan().length(row, set.seconds(batch.rows[i]));
    text += fmt::format("sample {}: {} {:.2f} s -> {} audio tokens, {} text tokens; label '{}'\n", row.key, row.task,
                        seconds, length.audio_tokens, length.text_tokens,
                        row.references.empty() ? "" : printable(row.references.front()));
    if (i >= shown.size()) continue;
    text += "  reads: " + printable(shown[i].text) + "\n  frames:";
    for (const auto& [name, steps] : shown[i].frames) text += fmt::format(" {} {}", name, steps);
    text += "\n";
  }
  return text;
}

bool is_overridden(const std::string& key, const std::vector<std::string>& overrides) {
  return std::any_of(overrides.begin(), overrides.end(), [&](const std::string& text) {
    const std::string name = text.substr(text.find_first_not_of('+'), text.find('=') - text.find_first_not_of('+'));
    return key == name || key.starts_with(name + ".") || name.starts_with(key + ".");
  });
}

// Where something lies is the caller's too: the weights there are checked by their hashes, the tokenizer is the
// checkpoint's own.
bool is_callers(const std::string& key) {
  if (key.ends_with(".path")) return true;
  static const std::vector<std::string> roots = {"data",     "evaluate",  "run",  "trainer",
                                                 "parallel", "init_from", "seed", "recipe.cache"};
  return std::any_of(roots.begin(), roots.end(),
                     [&](const auto& root) { return key == root || key.starts_with(root + "."); });
}

// Figures of one run are compared, so its normaliser holds for all of them, unless another is asked for by name.
void take_normalizer(eval::EvaluateConfig& config, const std::string& trained, const std::string& checkpoint) {
  const std::string asked = std::exchange(config.normalizer, trained);
  if (asked == trained) return;
  const std::string remedy = fmt::format("to score with {}, give the override evaluate.normalizer={}", asked, asked);
  const auto is_whisper = [](const auto& task) { return task.second.normalizer == "whisper_en"; };
  if (!config.spelling.empty() && trained != "whisper_en" && std::ranges::none_of(config.tasks, is_whisper))
    user_error(
        "`evaluate.spelling` serves the normalizer whisper_en, but texts are compared with the one of {}, {}; {}, or "
        "leave the spelling out.",
        checkpoint, trained, remedy);
  if (asked != eval::EvaluateConfig().normalizer)
    log::warn("The config's evaluate.normalizer, {}, is not used: texts are compared with the one of {}, {}; {}.",
              asked, checkpoint, trained, remedy);
}

}  // namespace

void require_training_data(const RunConfig& config) {
  if (config.data.train.empty())
    user_error("data.train names nothing to train on: name a manifest in the config, or give data.train=FILE.");
}

std::string validate(const RunConfig& config, const std::shared_ptr<dist::Communicator>& ranks) {
  require_training_data(config);
  const int64_t baseline = resident_memory().all;
  const auto train = open_data(config.data.train, config);
  const std::shared_ptr<Recipe> recipe = build_recipe(config, *train, ranks);
  const auto train_set = make_data_set(train, *recipe, config, true, nullptr);
  std::string text = data_summary("data.train", *train_set, config.data);
  std::shared_ptr<const data::DataSet> valid;
  for (const auto& [name, manifests] :
       {std::pair("data.valid", &config.data.valid), {"data.test", &config.data.test}}) {
    if (manifests->empty()) continue;
    const auto source = open_data(*manifests, config);
    const auto set = make_data_set(source, *recipe, config, false, nullptr);
    text += data_summary(name, *set, config.data);
    if (manifests == &config.data.valid) valid = set;
  }
  text += doubts_of(*train_set, *recipe) + parameter_table(*recipe);
  const Estimate estimate = try_steps(config, recipe, train_set, valid, ranks);
  return text + describe_memory(estimate, baseline) + describe_time(estimate, config) +
         first_samples(*train_set, *recipe, estimate.first);
}

RunConfig evaluation_config(const std::string& checkpoint, const RunConfig& asked,
                            const std::vector<std::string>& overrides) {
  RunConfig trained = checkpoint_config(checkpoint);
  RunConfig config = asked;
  std::string refused;
  for (const auto& difference : compare_configs(trained, config)) {
    if (is_callers(difference.key) || is_overridden(difference.key, overrides)) continue;
    refused +=
        fmt::format("\n  {}: {} in the checkpoint, {} asked for", difference.key, difference.before, difference.after);
  }
  if (!refused.empty()) {
    user_error(
        "{} was trained with another model than the config describes; give its own config, or name a key as an "
        "override to "
        "change it on purpose:{}",
        checkpoint, refused);
  }
  config.seed = trained.seed;
  config.init_from = trained.init_from;
  if (!is_overridden("evaluate.normalizer", overrides))
    take_normalizer(config.evaluate, trained.evaluate.normalizer, checkpoint);
  return config;
}

}  // namespace usam::recipes
