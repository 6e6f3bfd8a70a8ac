#include "src/decode/score.h"

#include "tests/support.h"
#include "tests/unit/decode/small_model.h"

namespace usam::decode {
namespace {

using test::small_model;
using test::small_prompts;

// One continuation after one prompt in a single pass, without a cache.
double slow_score(LanguageModel& model, const torch::Tensor& prompt_TD, const Ids& ids) {
  torch::NoGradGuard no_grad;
  const auto sequence = torch::cat({prompt_TD, model.embed(torch::tensor(ids))}).unsqueeze(0);
  const auto positions = torch::arange(sequence.size(1)).unsqueeze(0);
  const auto log_p = model.logits(model.forward(sequence, positions, torch::ones_like(positions)))[0].log_softmax(-1);
  double sum = 0;
  for (size_t i = 0; i < ids.size(); ++i)
    sum += log_p[prompt_TD.size(0) - 1 + static_cast<int64_t>(i)][ids[i]].item<double>();
  return sum / static_cast<double>(ids.size());
}

class Score : public testing::Test {
 protected:
  void SetUp() override { std::tie(prompts_, lengths_) = small_prompts({5, 9, 1}); }
  std::shared_ptr<llama::Decoder> model_ = small_model();
  torch::Tensor prompts_, lengths_;
  std::vector<std::vector<Ids>> candidates_{
      {{4}, {1, 2, 3}, {7, 7, 7, 7, 7, 7}, {1, 2}}, {}, {{3, 1}, {9}, {3, 1, 4, 1, 5, 9, 2, 6}}};
};

constexpr double kTolerance = 1e-4;  // of scores about -27: products of few rows and of many round differently

TEST_F(Score, EqualsAPassWithoutCachePerCandidate) {
  const auto scores = score(*model_, prompts_, lengths_, candidates_);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_TRUE(scores[1].empty());
  for (size_t b = 0; b < 3; ++b) {
    const auto row = static_cast<int64_t>(b);
    const auto prompt = prompts_[row].narrow(0, 0, lengths_[row].item<int64_t>());
    ASSERT_EQ(scores[b].size(), candidates_[b].size());
    for (size_t c = 0; c < candidates_[b].size(); ++c)
      EXPECT_NEAR(scores[b][c], slow_score(*model_, prompt, candidates_[b][c]), kTolerance) << b << " " << c;
  }
}

TEST_F(Score, DoesNotDependOnHowManyGoTogether) {
  const auto together = score(*model_, prompts_, lengths_, candidates_);
  for (int64_t rows : {1, 2, 3}) {
    const auto apart = score(*model_, prompts_, lengths_, candidates_, {rows});
    for (size_t b = 0; b < 3; ++b)
      for (size_t c = 0; c < candidates_[b].size(); ++c) EXPECT_NEAR(apart[b][c], together[b][c], kTolerance);
  }
}

TEST_F(Score, ScoresThatAreNoNumbersAreRefused) {
  {
    const torch::NoGradGuard no_grad;
    model_->parameters().back().fill_(NAN);
  }
  EXPECT_EQ(test::message_of([&] { score(*model_, prompts_, lengths_, candidates_); }),
            "The language model's scores of the next token are no finite numbers, so none can be chosen. Training of "
            "these values has diverged, or they do not fit recipe.llm.dtype: float16, whose largest number is 65504.");
}

TEST_F(Score, NothingToScore) {
  EXPECT_EQ(score(*model_, prompts_, lengths_, {{}, {}, {}}).size(), 3u);
}

TEST_F(Score, RefusesACandidateWithoutTokens) {
  EXPECT_EQ(test::message_of([&] { score(*model_, prompts_, lengths_, {{{1}, {}}, {}, {}}); }),
            "candidate 1 of prompt 0 has no tokens to be scored");
  EXPECT_EQ(test::message_of([&] { score(*model_, prompts_, lengths_, {{{1}}}); }), "3 prompts, but candidates for 1");
}

}  // namespace
}  // namespace usam::decode
