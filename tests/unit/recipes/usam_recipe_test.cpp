// The U-SAM recipe at the edges of what it is given.
#include "recipes/usam/recipe.h"

#include "tests/train/llama_folder.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

class UsamRecipeTest : public testing::Test {
 protected:
  test::TinyRun run(const std::vector<std::string>& overrides = {}) const {
    return test::TinyRun(folder_.path() / "run", overrides);
  }
  static data::Batch first_batch(const test::TinyRun& run) { return *run.parts().train.open({})->next(); }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

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
