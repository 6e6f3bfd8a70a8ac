#include "recipes/run.h"

#include <fmt/ranges.h>

#include <filesystem>

#include "data/loader.h"
#include "data/sources/open.h"
#include "recipes/bases.h"
#include "recipes/overlays.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "trainer/checkpoint.h"

namespace usam::recipes {
namespace {

// Hands a loader's micro-batches to the trainer.
class LoaderStream final : public BatchStream {
 public:
  LoaderStream(std::shared_ptr<const data::DataSet> data, data::Slice slice) : loader_(std::move(data), slice) {}
  std::optional<data::Batch> next() override { return loader_.next(); }
  std::vector<std::string> missing_after(std::chrono::milliseconds limit) override {
    return loader_.missing_after(limit);
  }

 private:
  data::Loader loader_;
};

std::vector<std::string> labels_of(const data::Source& source) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < source.size(); ++i) {
    for (auto& reference : source.row(i).references) labels.push_back(std::move(reference));
  }
  return labels;
}

std::vector<std::string> tags_of(const data::Source& source) {
  std::vector<std::string> tags;
  for (int64_t i = 0; i < source.size(); ++i) {
    for (auto& tag : source.row(i).tags) tags.push_back(std::move(tag));
  }
  return tags;
}

// What lets a batch decide what an encoder computes.
std::string encoding_problem(RunConfig& c) {
  const ConfigNode recipe = c.recipe.empty() ? ConfigNode() : print_part(c.recipe);
  const auto* cache = recipe.find("cache");
  const bool has_cache = cache && cache->value.is_map();
  const auto& augment = c.data.augment;
  if (has_cache && (augment.changes_wave() || augment.spec.is_on()))
    return "'recipe.cache' keeps what encoders make of a clip, but 'data.augment' changes clips anew in every epoch: "
           "use one of them";
  if (c.parallel.strategy != dist::Strategy::kFsdp) return "";
  if (has_cache || c.data.long_audio == data::LongAudio::kWindow)
    return fmt::format(
        "'{}' lets a micro-batch decide how often an encoder runs, but with 'parallel.strategy: fsdp' all ranks must "
        "run it together: choose ddp or zero1",
        has_cache ? "recipe.cache" : "data.long_audio: window");
  return "";
}

// Rows with a prompt of their own may be of any task, so this is no mistake for sure.
void warn_of_unknown_tasks(const RunConfig& config) {
  const auto known = recipe_registry().tasks(config.recipe);
  if (known.empty()) return;
  for (const auto& task : config.data.augment.named_tasks()) {
    if (!known.contains(task))
      log::warn("data.augment names the task '{}', which the recipe has no prompt for (it has: {})", task,
                fmt::join(known, ", "));
  }
}

std::vector<std::string> values_of(const std::vector<Path>& paths) {
  std::vector<std::string> all;
  for (const auto& path : paths) all.push_back(path.value);
  return all;
}

}  // namespace

void describe(Fields& f, RunFolderConfig& c) {
  f("dir", c.dir, "folder of the run: config, metrics, checkpoints").required().relative_to_cwd().resumable();
  f("prometheus", c.prometheus, "file for Prometheus' text collector that is rewritten at every log line")
      .relative_to_cwd()
      .resumable();
  f("samples", c.samples,
    "samples of data.valid whose sound, mask and answer TensorBoard shows at every evaluation; 0: none")
      .at_least(0)
      .at_most(100)
      .resumable();
}

void describe(Fields& f, ParallelConfig& c) {
  using dist::Strategy;
  f.choice("strategy", c.strategy, {{"ddp", Strategy::kDdp}, {"zero1", Strategy::kZero1}, {"fsdp", Strategy::kFsdp}},
           "ddp: every rank holds all; zero1: optimizer states are shared out; fsdp: weights and gradients too")
      .resumable();
  f("patience", c.patience, "seconds without a sign of life after which a rank counts as lost and the others end")
      .at_least(1)
      .at_most(86400)
      .resumable();
  f("timeout", c.timeout, "seconds that ranks wait for one that is alive but does not come, then all end")
      .at_least(1)
      .at_most(86400)
      .resumable();
}

void describe(Fields& f, RunConfig& c) {
  f("seed", c.seed, "what every random choice is drawn from").at_least(0);
  f("run", c.run, "where the run is kept").required();
  f("data", c.data, "what is trained and evaluated on").required();
  f.part("recipe", c.recipe, recipe_registry().choices(), "the model and its loss");
  f("init_from", c.init_from, "checkpoints, safetensors files or peft folders laid over the initial values, in order")
      .or_single()
      .must_exist();
  f("trainer", c.trainer, "the loop");
  f("parallel", c.parallel, "several processes");
  f("evaluate", c.evaluate, "decoding and scoring");
  f.rule([&c] { return encoding_problem(c); });
  f.rule([&c]() -> std::string {
    if (!c.evaluate.window || c.evaluate.window->seconds <= c.data.max_seconds) return "";
    return fmt::format("`evaluate.window.seconds` is {}, but clips above `data.max_seconds`, {}, are cut: lower it.",
                       c.evaluate.window->seconds, c.data.max_seconds);
  });
}

std::shared_ptr<Recipe> build_recipe(const RunConfig& config, const data::Source& train,
                                     std::shared_ptr<dist::Communicator> ranks, const std::string& resumed) {
  RecipeInit init;
  init.seed = static_cast<uint64_t>(config.seed);
  init.overlays = values_of(config.init_from);
  init.labels = [&train] { return labels_of(train); };
  init.tags = [&train] { return tags_of(train); };
  init.ranks = std::move(ranks);
  // A run that goes on from a checkpoint speaks with its tokenizer, unless the config names one, and keeps its classes.
  for (const auto& path : init.overlays) {
    for (const char* asset : {"/tokenizer", "/labels.json"}) {
      if (std::filesystem::exists(path + asset)) init.assets = path;
    }
  }
  if (!resumed.empty() && std::filesystem::exists(resumed + "/tokenizer")) init.assets = resumed;
  auto recipe = recipe_registry().build(config.recipe, init);
  for (const auto& path : init.overlays) lay_over(*recipe, path);
  return recipe;
}

RunConfig checkpoint_config(const std::string& checkpoint, const std::vector<std::string>& overrides) {
  RunConfig config;
  if (!std::filesystem::exists(checkpoint + "/config.yaml")) {
    user_error("{} is no checkpoint: it holds no config.yaml. Give a folder like RUN/best or RUN/checkpoint-1000.",
               checkpoint);
  }
  load_config(checkpoint + "/config.yaml", {overrides, /*offline=*/true}, config);
  return config;
}

std::shared_ptr<Recipe> open_checkpoint(const std::string& checkpoint, const RunConfig& config) {
  require_whole_checkpoint(checkpoint);
  check_bases(checkpoint, print_part(config.recipe));  // before a wrong model's weights are read
  RecipeInit init;
  init.seed = static_cast<uint64_t>(config.seed);
  init.assets = checkpoint;
  init.overlays = values_of(config.init_from);
  auto recipe = recipe_registry().build(config.recipe, init);
  for (const auto& path : init.overlays) lay_over(*recipe, path);
  lay_over(*recipe, checkpoint);
  recipe->train(false);
  return recipe;
}

std::shared_ptr<const data::Source> open_data(const std::vector<data::ManifestConfig>& manifests,
                                              const RunConfig& config) {
  return data::open_manifests(manifests, {recipe_registry().tasks(config.recipe), config.data.index_dir.value});
}

Batches make_batches(std::shared_ptr<const data::DataSet> data, const dist::Communicator& ranks) {
  Batches batches;
  batches.micro_batches = [data](const data::Cursor& at) { return data->plan(at.epoch, at.phase)->size(); };
  batches.open = [data, rank = ranks.rank(), world = ranks.world()](data::Cursor cursor) {
    return std::make_unique<LoaderStream>(data, data::Slice{cursor, rank, world});
  };
  batches.check_skipped = [data](const data::Cursor& at, int64_t skipped, const data::Skipped& last) {
    data->skips().check(skipped, data->plan(at.epoch, at.phase)->visits(), last);
  };
  batches.worst = [data](const data::Cursor& at) {
    std::vector<data::Batch> worst;
    for (const int64_t index : data->plan(at.epoch, at.phase)->worst()) {
      data::Loader loader(data, {{at.epoch, index, at.phase}});
      if (auto batch = loader.next()) worst.push_back(std::move(*batch));
    }
    return worst;
  };
  batches.phase_ends = data::phase_ends(data->config().curriculum);
  return batches;
}

std::shared_ptr<const data::DataSet> make_data_set(std::shared_ptr<const data::Source> source, const Recipe& recipe,
                                                   const RunConfig& config, bool is_training,
                                                   std::shared_ptr<data::SkipList> skips) {
  const data::Use use{static_cast<uint64_t>(config.seed), is_training};
  if (is_training) warn_of_unknown_tasks(config);
  return std::make_shared<data::DataSet>(std::move(source), recipe.data_plan(), config.data, use, std::move(skips));
}

}  // namespace usam::recipes
