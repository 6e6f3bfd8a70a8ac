#include "recipes/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "data/manifest.h"
#include "src/base/error.h"

namespace usam::recipes {
namespace {

std::string millions(int64_t count) {
  return fmt::format("{:.2f} M", static_cast<double>(count) / 1e6);
}

// "encoders.ced" of "encoders.ced.blocks.0....": the part that a parameter belongs to.
std::string part_of(const std::string& path) {
  const auto first = path.find('.');
  const std::string head = path.substr(0, first);
  if (head != "encoders" && head != "mixes") return head;
  return path.substr(0, path.find('.', first + 1));
}

std::string data_summary(const std::string& name, const data::Source& source, const data::DataSet& set) {
  double seconds = 0;
  std::map<std::string, int64_t> tasks;
  for (int64_t i = 0; i < source.size(); ++i) {
    seconds += source.seconds(i);
    ++tasks[source.row(i).task];
  }
  std::string text = fmt::format("{}: {} rows, {:.2f} h, {} micro-batches an epoch;", name, source.size(),
                                 seconds / 3600, set.plan(0)->size());
  for (const auto& [task, count] : tasks) text += fmt::format(" {} {}", task, count);
  text += "\n";
  for (const auto& problem : data::check_audio(source)) text += "  " + problem + "\n";
  return text;
}

std::string first_samples(const data::Source& source, const Recipe& recipe) {
  const auto plan = recipe.data_plan();
  std::string text;
  for (int64_t i = 0; i < std::min<int64_t>(3, source.size()); ++i) {
    const auto row = source.row(i);
    const auto length = plan.length(row, row.seconds);
    text += fmt::format("sample {}: {} {:.2f} s -> {} audio tokens, {} text tokens; label '{}'\n", row.key, row.task,
                        row.seconds, length.audio_tokens, length.text_tokens,
                        row.references.empty() ? "" : row.references.front());
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

}  // namespace

std::string parameter_summary(Recipe& recipe) {
  std::map<std::string, int64_t> trained;
  int64_t total = 0, all_trained = 0;
  for (const auto& parameter : recipe.module().named_parameters()) {
    total += parameter.value().numel();
    if (!parameter.value().requires_grad()) continue;
    trained[part_of(parameter.key())] += parameter.value().numel();
    all_trained += parameter.value().numel();
  }
  std::string parts;
  for (const auto& [part, count] : trained)
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", part, millions(count));
  return fmt::format("parameters: {}, of which {} are trained ({})", millions(total), millions(all_trained), parts);
}

std::string validate(const RunConfig& config) {
  const auto train = open_data(config.data.train, config);
  const auto recipe = build_recipe(config, *train);
  std::string text = data_summary("data.train", *train, *make_data_set(train, *recipe, config, true, nullptr));
  for (const auto& [name, manifests] :
       {std::pair("data.valid", &config.data.valid), {"data.test", &config.data.test}}) {
    if (manifests->empty()) continue;
    const auto source = open_data(*manifests, config);
    text += data_summary(name, *source, *make_data_set(source, *recipe, config, false, nullptr));
  }
  return text + parameter_summary(*recipe) + "\n" + first_samples(*train, *recipe);
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
  if (!is_overridden("evaluate.normalizer", overrides)) config.evaluate.normalizer = trained.evaluate.normalizer;
  return config;
}

}  // namespace usam::recipes
