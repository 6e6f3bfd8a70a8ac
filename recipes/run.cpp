#include "recipes/run.h"

#include <filesystem>

#include "data/loader.h"
#include "data/sources/weighted.h"
#include "recipes/bases.h"
#include "recipes/overlays.h"
#include "src/base/error.h"
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

std::vector<std::string> values_of(const std::vector<Path>& paths) {
  std::vector<std::string> all;
  for (const auto& path : paths) all.push_back(path.value);
  return all;
}

}  // namespace

void describe(Fields& f, RunFolderConfig& c) {
  f("dir", c.dir, "folder of the run: config, metrics, checkpoints").required().relative_to_cwd().resumable();
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
  f.rule([&c]() -> std::string {
    if (!c.evaluate.window || c.evaluate.window->seconds <= c.data.max_seconds) return "";
    return fmt::format("`evaluate.window.seconds` is {}, but clips above `data.max_seconds`, {}, are cut: lower it.",
                       c.evaluate.window->seconds, c.data.max_seconds);
  });
}

std::shared_ptr<Recipe> build_recipe(const RunConfig& config, const data::Source& train,
                                     std::shared_ptr<dist::Communicator> ranks) {
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
  return data::open_manifests(manifests, recipe_registry().tasks(config.recipe));
}

Batches make_batches(std::shared_ptr<const data::DataSet> data, const dist::Communicator& ranks) {
  Batches batches;
  batches.micro_batches = [data](int64_t epoch) { return data->micro_batches(epoch); };
  batches.open = [data, rank = ranks.rank(), world = ranks.world()](data::Cursor cursor) {
    return std::make_unique<LoaderStream>(data, data::Slice{cursor, rank, world});
  };
  batches.check_skipped = [data](int64_t epoch, int64_t skipped, const data::Skipped& last) {
    data->skips().check(skipped, std::ssize(data->plan(epoch)->visits), last);
  };
  return batches;
}

std::shared_ptr<const data::DataSet> make_data_set(std::shared_ptr<const data::Source> source, const Recipe& recipe,
                                                   const RunConfig& config, bool is_training,
                                                   std::shared_ptr<data::SkipList> skips) {
  const data::Use use{static_cast<uint64_t>(config.seed), is_training};
  return std::make_shared<data::DataSet>(std::move(source), recipe.data_plan(), config.data, use, std::move(skips));
}

}  // namespace usam::recipes
