// The U-SAM recipe at the edges of what it is given.
#include "recipes/usam/recipe.h"

#include "tests/meta_device.h"
#include "tests/train/llama_folder.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::operator+;

class UsamRecipeTest : public testing::Test {
 protected:
  test::TinyRun run(const std::vector<std::string>& overrides = {}) const {
    return test::TinyRun(folder_.path() / "run", overrides);
  }
  static data::Batch first_batch(const test::TinyRun& run) { return *run.parts().train.open({})->next(); }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

// Of top_k it does, once, for the number of frames that chose each expert.
TEST_F(UsamRecipeTest, AStepNeverWaitsForTheDevice) {
  const test::MetaDevice device;
  const auto asked = torch::ones({2, 2}, torch::kMeta);
  EXPECT_THROW(asked.sum().item(), c10::Error);
  EXPECT_THROW(asked.nonzero(), c10::Error);
  EXPECT_THROW(asked.cpu(), c10::Error);
  EXPECT_THROW(asked.index_select(0, torch::zeros({1}, torch::kLong)), c10::Error);
  const std::vector<std::vector<std::string>> kinds = {
      {},
      {"recipe.bridge.prune={keep: 0.5}"},
      {"recipe.loss.saclm.decision=threshold", "recipe.loss.saclm.text_score=attention"},
      {"recipe.fusion.hz=25"},
      {"data.long_audio=window", "data.max_seconds=1",
       "data.window={overlap: 0.5, max_seconds: 20, long_audio: error}"}};
  for (const auto& overrides : kinds) {
    SCOPED_TRACE(overrides.empty() ? "as it is" : overrides.front());
    const auto tiny = run(overrides + std::vector<std::string>{"recipe.projector.top_k=null"});
    const StepOutput out = test::pass_without_values(*tiny.recipe, first_batch(tiny));
    size_t trained = 0;
    for (const auto& parameter : tiny.recipe->module().parameters()) trained += parameter.grad().defined();
    EXPECT_GT(trained, tiny.parameters().size() / 2);
    Tally tally;
    tally.add(out);  // nor does keeping the figures
  }
}

// <audio> alone, and a tokenizer without a beginning token.
TEST_F(UsamRecipeTest, APromptWithoutTokensIsNoNan) {
  const auto tiny = run();
  auto batch = first_batch(tiny);
  for (const char* side : {"left", "right"}) {
    auto& field = batch.fields.at(side);
    field.data = field.data.narrow(1, 0, 0);
    field.lengths_B.zero_();
  }
  const auto out = tiny.recipe->forward(batch);
  for (const auto& term : out.terms) EXPECT_TRUE(term.sum.isfinite().item<bool>()) << term.name;
}

// A tokenizer of this size trained on other labels would fit the model, and mean other texts by its ids.
TEST_F(UsamRecipeTest, AResumedRunKeepsItsTokenizer) {
  const auto first = run();
  const std::string checkpoint = folder_.path() / "checkpoint";
  std::filesystem::create_directory(checkpoint);
  first.recipe->save_assets(checkpoint, {});
  const std::string other =
      folder_.write("other.jsonl", R"({"key": "a", "wav": "a.wav", "label": "qqq zzz xx", "task": "ASR", "dur": 1})");
  const auto source =
      data::open_manifests(test::tiny_config(first.config.run.dir.value, {"data.train=" + other}).data.train);
  const std::string text = "one two three";
  const auto ids_of = [&](const std::string& resumed) {
    const auto recipe = build_recipe(first.config, *source, dist::single_rank(), resumed);
    return std::dynamic_pointer_cast<UsamRecipe>(recipe)->tokenizer()->encode(text);
  };
  EXPECT_NE(ids_of(""), first.recipe->tokenizer()->encode(text));
  EXPECT_EQ(ids_of(checkpoint), first.recipe->tokenizer()->encode(text));
}

// Where all experts run it would be their number.
TEST_F(UsamRecipeTest, OnlyASparseProjectorIsBalanced) {
  for (const std::string top_k : {"2", "null"}) {
    const auto tiny = run({"recipe.projector.top_k=" + top_k});
    std::set<std::string> names;
    for (const auto& term : tiny.recipe->forward(first_batch(tiny)).terms) names.insert(term.name);
    EXPECT_EQ(names.contains("balance"), top_k == "2");
  }
}

TEST_F(UsamRecipeTest, RetrievalIsMeasuredInEvaluationAlone) {
  const auto tiny = run({"data.batch.rows=6"});
  const auto names = [](const StepOutput& out) {
    std::set<std::string> names;
    for (const auto& metric : out.metrics)
      if (metric.name.starts_with("saclm_")) names.insert(metric.name);
    return names;
  };
  const auto batch = first_batch(tiny);
  const std::set<std::string> trained = {"saclm_agreement", "saclm_kept", "saclm_violated"};
  EXPECT_EQ(names(tiny.recipe->forward(batch)), trained);
  tiny.recipe->train(false);
  std::set<std::string> evaluated = trained;
  evaluated.insert({"saclm_negative", "saclm_positive", "saclm_r1_audio", "saclm_r1_audio_shuffled", "saclm_r1_text",
                    "saclm_r1_text_shuffled"});
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(names(tiny.recipe->forward(batch)), evaluated);
  for (const std::string how : {"pair", "none"}) {
    const auto other = run({"data.batch.rows=6", "recipe.loss.saclm.conditioning=" + how});
    other.recipe->train(false);
    double positive = 0;
    for (const auto& metric : other.recipe->forward(batch).metrics)
      if (metric.name == "saclm_positive") positive = metric.sum;
    RecordProperty(how, std::to_string(positive));
    EXPECT_NE(positive, 0);
  }
}

TEST_F(UsamRecipeTest, ATokenBeyondTheVocabularyNamesItsSample) {
  test::write_llama(folder_.path() / "llama", 1);  // 200 tokens; the tokenizer's first 259 are special and bytes
  const auto tiny = run({"recipe.llm.init=pretrained", "recipe.llm.path=" + (folder_.path() / "llama").string(),
                         "recipe.llm.tokenizer={train: {type: bpe, vocab_size: 330, byte_fallback: true}}"});
  const auto plan = tiny.recipe->data_plan();
  data::Row row;
  row.key = "clip7", row.task = "ASR", row.references = {"two"};
  data::Clip clip;
  clip.seconds = 1;
  const std::string told = test::message_of([&] { plan.make_example(row, clip); });
  EXPECT_TRUE(told.starts_with("The text of 'clip7' has token ")) << told;
  EXPECT_TRUE(
      told.ends_with(", but the language model's vocabulary ends at 199: its folder's tokenizer belongs to "
                     "another model."))
      << told;
}

TEST_F(UsamRecipeTest, LoraThatIsNotUsedIsTold) {
  testing::internal::CaptureStderr();
  run({"recipe.llm.train=frozen"});
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "recipe: 'lora' of llm is not used, because its 'train' is not lora."),
            std::string::npos);
}

}  // namespace
}  // namespace usam::recipes
