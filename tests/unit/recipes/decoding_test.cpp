// How each task is answered: by free text, one of some labels, a number, or the likeliest label.
#include "recipes/decoding.h"

#include <regex>
#include <set>

#include "data/loader.h"
#include "recipes/evaluation.h"
#include "src/decode/score.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::TinyRun;
using test::operator+;

class DecodingTest : public testing::Test {
 protected:
  // Weights far enough from 0 that answers differ from clip to clip.
  TinyRun tiny(const std::vector<std::string>& overrides = {}) const {
    TinyRun run(folder_.path() / "run", std::vector<std::string>{"evaluate.max_new_tokens=24"} + overrides);
    run.recipe->train(false);
    const torch::NoGradGuard no_grad;
    for (auto& parameter : run.model().llm->named_parameters())
      if (parameter.value().dim() > 1) parameter.value().mul_(4);
    return run;
  }
  static std::vector<eval::Hypothesis> answers(const TinyRun& run) {
    return answer(*run.recipe, run.config.data.test, run.config).hypotheses;
  }
  static std::vector<std::string> texts(const TinyRun& run) {
    std::vector<std::string> all;
    for (const auto& hypothesis : answers(run)) all.push_back(hypothesis.answer.value_or("none"));
    return all;
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

// However many are decoded together and in whatever order places become free.
TEST_F(DecodingTest, AnswersDoNotDependOnTheRoom) {
  const auto run = tiny();
  std::vector<std::vector<eval::Hypothesis>> all;
  for (const int64_t rows : {1, 3, 2, 8, 17}) {
    run.config.evaluate.batch_rows = rows;
    all.push_back(answers(run));
  }
  EXPECT_GT((std::set<std::string>{*all[0][0].answer, *all[0][1].answer, *all[0][2].answer}.size()), 1U);
  for (const auto& set : all) {
    ASSERT_EQ(set.size(), all[0].size());
    for (size_t i = 0; i < set.size(); ++i) {
      EXPECT_EQ(set[i].key, all[0][i].key);
      EXPECT_EQ(set[i].answer, all[0][i].answer);
      for (const auto& [tag, score] : set[i].scores) EXPECT_NEAR(score, all[0][i].scores.at(tag), 1e-3) << tag;
    }
  }
}

TEST_F(DecodingTest, ATaskAnswersAsTheConfigSays) {
  const std::string digits = "recipe.prompts.ASR='0 1 2 3 4 5 6 7 8 9: <audio>'";  // for the tokenizer to learn
  const auto free = texts(tiny({digits}));
  const auto run = tiny({digits, "evaluate.tasks.SEC.answer=label", "evaluate.tasks.ASR.answer=number"});
  const auto all = answers(run);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto& text = *all[i].answer;
    if (all[i].task == "SEC") {
      EXPECT_TRUE(text == "tone" || text == "noise") << text;
    } else if (all[i].task == "ASR") {
      EXPECT_TRUE(std::regex_match(text, std::regex("-?[0-9]*\\.?[0-9]*"))) << text;
    } else {
      EXPECT_EQ(text, free[i]);
    }
  }
  const auto listed =
      tiny({"evaluate.tasks.SEC={answer: label, labels: " + folder_.write("labels", "rain\nwind\n") + "}",
            "evaluate.tasks.MC={answer: likelihood, labels: " + folder_.write("tags", "calm\nloud\n") + "}"});
  for (const auto& hypothesis : answers(listed)) {
    if (hypothesis.task == "SEC")
      EXPECT_TRUE(*hypothesis.answer == "rain" || *hypothesis.answer == "wind") << *hypothesis.answer;
    if (hypothesis.task != "MC") continue;
    EXPECT_EQ(hypothesis.answer, std::nullopt);
    EXPECT_EQ(hypothesis.tags[1], "calm");
    EXPECT_EQ(hypothesis.scores.size(), 2U);
    EXPECT_TRUE(hypothesis.scores.contains("loud"));
  }
  const auto shorter = texts(tiny({digits, "evaluate.tasks.ASR.max_new_tokens=2"}));
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(free[i].starts_with(shorter[i]));
    EXPECT_EQ(shorter[i].size() < free[i].size(), all[i].task == "ASR");
  }
}

// Each label in a pass of its own, the whole sequence without a cache.
TEST_F(DecodingTest, TheLikeliestLabelIsThatOfTheSlowWay) {
  const auto run = tiny({"evaluate.tasks.SEC.answer=likelihood", "evaluate.tasks.MC.answer=likelihood"});
  const auto all = answers(run);
  data::Loader loader(run.data_set(run.config.data.test, false), {});
  const torch::NoGradGuard no_grad;
  auto& model = run.recipe->language_model();
  int64_t seen = 0;
  while (const auto batch = loader.next()) {
    const auto prompts = run.recipe->prompts(*batch);
    for (int64_t b = 0; b < batch->size(); ++b) {
      const auto& hypothesis = all.at(static_cast<size_t>(batch->rows[static_cast<size_t>(b)]));
      ASSERT_EQ(hypothesis.key, batch->keys[static_cast<size_t>(b)]);
      if (hypothesis.task == "ASR") continue;
      ++seen;
      const bool has_tags = hypothesis.task == "MC";
      EXPECT_EQ(hypothesis.answer.has_value(), !has_tags);
      ASSERT_EQ(hypothesis.scores.size(), has_tags ? 3U : 2U);
      if (!has_tags) EXPECT_EQ(hypothesis.tags, hypothesis.references);
      std::string best;
      for (const auto& [label, score] : hypothesis.scores) {
        const auto ids = run.recipe->tokenizer()->encode(label);
        const auto prompt_TD = prompts.embeds_BTD[b].narrow(0, 0, prompts.lengths_B[b].item<int64_t>());
        const auto sequence_1TD = torch::cat({prompt_TD, model.embed(torch::tensor(ids, torch::kLong))}).unsqueeze(0);
        const auto positions = torch::arange(sequence_1TD.size(1)).unsqueeze(0);
        const auto log_p_TV =
            model.logits(model.forward(sequence_1TD, positions, torch::ones_like(positions)))[0].log_softmax(-1);
        double sum = 0;
        for (size_t i = 0; i < ids.size(); ++i)
          sum += log_p_TV[prompt_TD.size(0) - 1 + static_cast<int64_t>(i)][ids[i]].item<double>();
        EXPECT_NEAR(score, sum / static_cast<double>(ids.size()), 1e-3) << label;
        if (best.empty() || score > hypothesis.scores.at(best)) best = label;
      }
      if (!has_tags) EXPECT_EQ(hypothesis.answer, best);
    }
  }
  EXPECT_EQ(seen, 4);
}

TEST_F(DecodingTest, ALabelThatWouldBeCutIsRefused) {
  const auto cut = tiny({"evaluate.tasks.SEC={answer: label, max_new_tokens: 1, labels: " +
                         folder_.write("labels", "wind\na very long label\n") + "}"});
  const auto tokens = cut.recipe->tokenizer()->encode("wind").size();
  EXPECT_EQ(test::message_of([&] { answers(cut); }), "The label 'wind' of SEC has " + std::to_string(tokens) +
                                                         " tokens: evaluate.max_new_tokens 1 would cut it.");
}

}  // namespace
}  // namespace usam::recipes
