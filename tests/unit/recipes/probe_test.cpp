// A linear probe: what it computes, what it trains, what it refuses. B samples, D width.
#include "recipes/probe/recipe.h"

#include <fstream>

#include "data/loader.h"
#include "recipes/evaluation.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "tests/meta_device.h"
#include "tests/train/corpus.h"
#include "tests/train/tiny_run.h"
#include "trainer/checkpoint.h"

namespace usam::recipes {
namespace {

class ProbeTest : public testing::Test {
 protected:
  RunConfig config(const std::vector<std::string>& overrides = {}) const {
    RunConfig config;
    std::vector<std::string> all = {"run.dir=" + (folder_.path() / "run").string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    load_config("configs/tests/probe.yaml", {all, false}, config);
    return config;
  }
  std::shared_ptr<ProbeRecipe> build(const RunConfig& config) const {
    return std::dynamic_pointer_cast<ProbeRecipe>(build_recipe(config, *open_data(config.data.train, config)));
  }
  std::string refusal(const std::vector<std::string>& overrides) const {
    return test::message_of([&] { build(config(overrides)); });
  }
  // The first micro-batch of the training set.
  data::Batch batch(const RunConfig& config, const Recipe& recipe) const {
    data::Loader loader(make_data_set(open_data(config.data.train, config), recipe, config, true, nullptr), {});
    return *loader.next();
  }
  // Trains as usam-train does, and answers the test set.
  std::vector<eval::Hypothesis> learned(const RunConfig& with) const {
    auto config = with;
    const auto recipe = build(config);
    recipe->train(true);
    TrainerParts parts;
    parts.recipe = recipe;
    const auto ranks = dist::single_rank();
    const auto batches = [&](const std::vector<data::ManifestConfig>& manifests, bool trains) {
      return make_batches(make_data_set(open_data(manifests, config), *recipe, config, trains, nullptr), *ranks);
    };
    parts.train = batches(config.data.train, true);
    parts.valid = batches(config.data.valid, false);
    parts.ranks = ranks;
    parts.run = config.run.dir.value;
    parts.config_yaml = print_config(config);
    EXPECT_EQ(Trainer(config.trainer, std::move(parts)).run(), Outcome::kFinished);
    const auto saved = config.run.dir.value + "/last";
    return answer(*open_checkpoint(saved, checkpoint_config(saved)), config.data.test, config).hypotheses;
  }
  // A manifest of clips of tones and of noise, loud and quiet.
  std::string sounds(const std::string& name, int count) const {
    std::ofstream manifest(folder_.path() / (name + ".jsonl"));
    for (int i = 0; i < count; ++i) {
      const bool is_tone = i % 2 == 0, is_low = i % 4 < 2;
      auto samples = test::sound(is_tone ? (is_low ? 250 : 2500) + 13 * i : 0, 0.4 + 0.02 * i);
      const std::string wav = name + std::to_string(i) + ".wav";
      test::write_wav(folder_.path() / wav, samples);
      Json row = {{"key", name + std::to_string(i)}, {"wav", wav}, {"task", "SEC"}};
      row["label"] = is_tone ? is_low ? "low" : "high" : "noise";
      row["tags"] = is_tone ? Json{"tone", is_low ? "dark" : "bright"} : Json{"noisy"};
      manifest << row.dump() << "\n";
    }
    return (folder_.path() / (name + ".jsonl")).string();
  }
  std::vector<std::string> separable(const std::string& target) const {
    return {"data.train=" + sounds("train", 32),
            "data.valid=" + sounds("valid", 8),
            "data.test=" + sounds("test", 16),
            "recipe.target=" + target,
            "trainer.max_steps=60",
            "trainer.save_every=60",
            "trainer.eval_every=60",
            "data.batch.rows=16",
            "recipe.pooling=mean_std",
            "recipe.dropout=0"};
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(ProbeTest, TellsSoundsApart) {
  for (const auto& hypothesis : learned(config(separable("label"))))
    EXPECT_EQ(*hypothesis.answer, hypothesis.references.front()) << hypothesis.key;
  // A data set's own evaluate.tasks, written for language models, is no obstacle.
  auto likelihood = separable("label");
  likelihood.push_back("run.dir=" + (folder_.path() / "likelihood").string());
  likelihood.emplace_back("evaluate.tasks={SEC: {answer: likelihood}}");
  EXPECT_EQ(learned(config(likelihood)).size(), 16U);
}

TEST_F(ProbeTest, ScoresThatAreNoNumbersAreRefused) {
  const auto with = config();
  const auto recipe = build(with);
  {
    const torch::NoGradGuard no_grad;
    recipe->module().parameters().back().fill_(NAN);
  }
  EXPECT_EQ(test::message_of([&] { answer(*recipe, with.data.test, with); }),
            "The classifier's scores are no finite numbers: training of these values has diverged.");
}

TEST_F(ProbeTest, GivesEachTagAProbability) {
  for (const auto& hypothesis : learned(config(separable("tags")))) {
    ASSERT_EQ(hypothesis.scores.size(), 4U);
    for (const auto& [tag, score] : hypothesis.scores) {
      const bool is_true = std::ranges::count(hypothesis.tags, tag) > 0;
      EXPECT_EQ(score > 0.5, is_true) << hypothesis.key << " " << tag << " " << score;
    }
  }
}

TEST_F(ProbeTest, AStepNeverWaitsForTheDevice) {
  const test::MetaDevice device;
  for (const std::string target : {"label", "tags"}) {
    const auto with = config({"recipe.target=" + target, "recipe.layer=all"});
    const auto recipe = build(with);
    test::pass_without_values(*recipe, batch(with, *recipe));
    const auto groups = recipe->groups();
    for (const auto& [name, parameter] : groups.at(0).parameters) EXPECT_TRUE(parameter.grad().defined()) << name;
  }
}

// Mean, deviation, learned sum and head against the same numbers computed frame by frame.
TEST_F(ProbeTest, IsALinearLayerOnPooledStates) {
  const auto with = config({"recipe.pooling=mean_std", "recipe.dropout=0"});
  const auto recipe = build(with);
  recipe->train(false);
  const torch::NoGradGuard no_grad;
  auto& model = recipe->model();
  auto parameters = model.named_parameters();
  parameters["shares"].copy_(torch::tensor({0.5, -1.0, 2.0}));
  const auto loaded = batch(with, *recipe);
  const auto out =
      model.encoder->forward(loaded.field("audio").data, loaded.field("steps").data.squeeze(1), /*all_states=*/true);
  ASSERT_EQ(out.states_BTD.size(), 3U);
  const double shares[] = {std::exp(0.5), std::exp(-1.0), std::exp(2.0)};
  const double all = shares[0] + shares[1] + shares[2];
  const auto scores_BC = recipe->scores(loaded);
  for (int64_t b = 0; b < loaded.size(); ++b) {
    const auto frames = out.lengths_B[b].item<int64_t>();
    EXPECT_GT(frames, 0);
    torch::Tensor sum_TD = torch::zeros({frames, model.encoder->width()}, torch::kDouble);
    for (size_t i = 0; i < 3; ++i)
      sum_TD += shares[i] / all * out.states_BTD[i][b].slice(0, 0, frames).to(torch::kDouble);
    const auto pooled_D = torch::cat({sum_TD.mean(0), sum_TD.std(0, /*unbiased=*/false)});
    const auto logits_C = parameters["head.weight"].to(torch::kDouble).mv(pooled_D) + parameters["head.bias"];
    EXPECT_TRUE(torch::allclose(scores_BC[b].to(torch::kDouble), logits_C.softmax(0), 1e-4, 1e-6));
  }
}

// A clip is pooled over its own frames, whatever is padded beside it.
TEST_F(ProbeTest, DoesNotDependOnItsNeighbours) {
  const auto scores = [&](int64_t rows) {
    const auto with = config({"evaluate.batch_rows=" + std::to_string(rows), "data.train=" + sounds("train", 12),
                              "data.test=" + sounds("test", 7), "recipe.target=tags"});
    const auto recipe = build(with);
    recipe->train(false);
    return answer(*recipe, with.data.test, with).hypotheses;
  };
  const auto alone = scores(1), together = scores(5);
  ASSERT_EQ(alone.size(), 7U);
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(alone[i].answer, together[i].answer);
    for (const auto& [tag, score] : alone[i].scores) EXPECT_NEAR(together[i].scores.at(tag), score, 1e-5);
  }
}

TEST_F(ProbeTest, GradientsReachOnlyWhatIsTrained) {
  const auto trained = [&](const std::vector<std::string>& overrides) {
    const auto with = config(overrides);
    const auto recipe = build(with);
    recipe->train(true);
    const auto loaded = batch(with, *recipe);
    const auto out = recipe->forward(loaded);
    (out.terms.at(0).sum / recipe->count(loaded).at("samples")).backward();
    std::set<std::string> names;
    for (const auto& parameter : recipe->module().named_parameters()) {
      if (parameter.value().grad().defined()) names.insert(parameter.key());
    }
    std::set<std::string> declared;
    for (const auto& group : recipe->groups())
      for (const auto& entry : group.parameters) declared.insert(entry.first);
    EXPECT_EQ(names, declared);
    return names;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(trained({}), (Names{"head.bias", "head.weight", "shares"}));
  EXPECT_EQ(trained({"recipe.layer=last"}), (Names{"head.bias", "head.weight"}));
  EXPECT_EQ(trained({"recipe.layer=1", "recipe.hidden=8"}),
            (Names{"head.bias", "head.weight", "hidden.bias", "hidden.weight"}));
  auto updates = trained({"recipe.encoder.train=lora", "recipe.encoder.lora={rank: 2}", "recipe.layer=last"});
  EXPECT_EQ(updates.erase("head.bias") + updates.erase("head.weight"), 2U);
  EXPECT_FALSE(updates.empty());
  for (const auto& name : updates) EXPECT_NE(name.find("lora_"), std::string::npos) << name;
  EXPECT_GT(trained({"recipe.encoder.train=full", "recipe.layer=last"}).size(), 20U);
}

// The sum over known labels of -log p, counted by them; a label that is not known takes no part in evaluation.
TEST_F(ProbeTest, UnknownLabelsAreRefusedInTrainingAndWrongInEvaluation) {
  const std::string labels = folder_.write("labels.txt", "tone\nnoise\n");
  const std::vector<std::string> overrides = {"recipe.labels=" + labels, "data.on_error=fail", "recipe.dropout=0"};
  const auto with = config(overrides);
  const auto recipe = build(with);
  EXPECT_EQ(recipe->labels(), (std::vector<std::string>{"tone", "noise"}));
  const auto source = open_data(with.data.train, with);
  const auto example = [&](bool trains) { make_data_set(source, *recipe, with, trains, nullptr)->load({0, 0}, 0, 1); };
  EXPECT_EQ(test::message_of([&] { example(true); }),
            corpus_.path("train.jsonl") + ":1: sample 'train0': the label 'one two' is none of the 2 that " + labels +
                " lists. Mend or remove it, or set data.on_error to skip");
  example(false);
  data::Loader loader(make_data_set(open_data(with.data.test, with), *recipe, with, false, nullptr), {});
  const auto first = *loader.next();  // ASR, SEC, MC, ASR
  EXPECT_EQ(recipe->count(first).at("samples"), 1);
  recipe->train(false);
  const auto out = recipe->forward(first);
  EXPECT_NEAR(out.terms.at(0).sum.item<double>(), -std::log(recipe->scores(first)[1][0].item<double>()), 1e-5);
  EXPECT_EQ(answer(*recipe, with.data.test, with).hypotheses.size(), 6U);
}

TEST_F(ProbeTest, Refusals) {
  EXPECT_TRUE(refusal({"recipe.layer=first"})
                  .ends_with("`layer` must be last, all or the number of a hidden state, found 'first'."));
  EXPECT_TRUE(refusal({"recipe.layer=-1"}).ends_with("found '-1'."));
  EXPECT_EQ(refusal({"recipe.layer=3"}), "'recipe.layer' is 3, but ced has the hidden states 0 (its input) to 2.");
  EXPECT_TRUE(refusal({"recipe.encoder.states=mix"}).ends_with("`encoder.states` is not for a probe: say `layer`."));
  const std::string same =
      folder_.write("same.jsonl", R"({"key": "a", "wav": "a.wav", "label": "dog", "task": "SEC", "dur": 1})");
  EXPECT_EQ(refusal({"data.train=" + same}),
            "All rows of data.train have the label 'dog': there is nothing to tell apart.");
  EXPECT_EQ(refusal({"data.train=" + same, "recipe.target=tags"}),
            "No row of data.train has 'tags', which 'recipe.target: tags' learns.");
  EXPECT_EQ(refusal({"data.train=[]"}), "No row of data.train has a 'label', which 'recipe.target: label' learns.");
}

// What a checkpoint was trained on says which class is which.
TEST_F(ProbeTest, AnotherSetOfLabelsIsRefused) {
  const auto first = build(config());
  first->save_assets(folder_.path(), {});
  first->check_assets(folder_.path());
  const auto other = build(config({"recipe.labels=" + folder_.write("labels.txt", "tone\nnoise\n")}));
  EXPECT_EQ(test::message_of([&] { other->check_assets(folder_.path()); }),
            folder_.path().string() +
                " was trained on 9 labels, and now there are 2; 'bright, calm' is only on one side: the "
                "classes would be taken for others.");
  folder_.write("labels.json", "{}");
  EXPECT_TRUE(test::message_of([&] {
                other->check_assets(folder_.path());
              }).starts_with(folder_.path().string() + "/labels.json: this is not a list of labels: "));
}

}  // namespace
}  // namespace usam::recipes
