#include "src/decode/generate.h"

#include <numeric>
#include <set>

#include "src/decode/choice.h"
#include "src/decode/score.h"
#include "tests/support.h"
#include "tests/unit/decode/small_model.h"

namespace usam::decode {
namespace {

using test::small_model;
using test::small_prompts;
using Answers = std::vector<std::vector<Hypothesis>>;

const Ids kEnds{7, 11, 30};
const std::vector<int64_t> kPromptLengths{7, 1, 12, 4, 9, 2, 12, 5, 3, 8, 1, 6, 10, 11, 2, 7, 4};

std::vector<std::string> keys_of(int64_t first, int64_t count) {
  std::vector<std::string> keys;
  for (int64_t i = first; i < first + count; ++i) keys.push_back("clip" + std::to_string(i));
  return keys;
}

// The first hypothesis of every prompt.
std::vector<Hypothesis> firsts(LanguageModel& model, const std::pair<torch::Tensor, torch::Tensor>& prompts,
                               const Options& options) {
  std::vector<Hypothesis> all;
  const auto keys = keys_of(0, prompts.first.size(0));
  for (auto& hypotheses : generate(model, prompts.first, prompts.second, options, keys))
    all.push_back(hypotheses.at(0));
  return all;
}

// Without a cache: the whole sequence goes through the model for every token.
Ids slow_greedy(LanguageModel& model, torch::Tensor sequence_1TD, int64_t tokens) {
  torch::NoGradGuard no_grad;
  Ids ids;
  for (int64_t i = 0; i < tokens; ++i) {
    const auto positions = torch::arange(sequence_1TD.size(1)).unsqueeze(0);
    const auto hidden = model.forward(sequence_1TD, positions, torch::ones_like(positions));
    const auto id = model.logits(hidden.select(1, -1)).argmax(-1);
    ids.push_back(id.item<int64_t>());
    sequence_1TD = torch::cat({sequence_1TD, model.embed(id.unsqueeze(1))}, 1);
  }
  return ids;
}

TEST(Generate, CacheChangesNothing) {
  auto model = small_model();
  const auto prompts = small_prompts({6});
  const auto got = firsts(*model, prompts, {.max_new_tokens = 20});
  EXPECT_EQ(got[0].ids, slow_greedy(*model, prompts.first, 20));
  EXPECT_FALSE(got[0].is_ended);
  EXPECT_GT(std::set<int64_t>(got[0].ids.begin(), got[0].ids.end()).size(), 3u) << "a model that repeats proves little";
}

struct Way {
  std::string name;
  Options options;
};
void PrintTo(const Way& way, std::ostream* out) {
  *out << way.name;
}

class EveryWay : public testing::TestWithParam<Way> {};

// Alone, in threes and eights, all together, and backwards: the same ids.
TEST_P(EveryWay, RowsDoNotDependOnTheirBatch) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts(kPromptLengths);
  Options options = GetParam().options;
  options.max_new_tokens = 20, options.eos = kEnds;
  const auto count = std::ssize(kPromptLengths);
  const auto all = generate(*model, prompts, lengths, options, keys_of(0, count));
  size_t ended = 0;
  for (const auto& hypotheses : all) ended += hypotheses[0].is_ended;
  EXPECT_GT(ended, 0u) << "no row left the batch early";
  const auto expect_same = [](const std::vector<Hypothesis>& got, const std::vector<Hypothesis>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t n = 0; n < got.size(); ++n) {
      EXPECT_EQ(got[n].ids, expected[n].ids) << n;
      EXPECT_EQ(got[n].is_ended, expected[n].is_ended) << n;
      EXPECT_NEAR(got[n].log_prob, expected[n].log_prob, 1e-2) << n;
    }
  };
  for (const int64_t rows : {1, 3, 8}) {
    for (int64_t first = 0; first < count; first += rows) {
      const auto some = std::min(rows, count - first);
      const auto lengths_B = lengths.slice(0, first, first + some);
      const auto prompts_BTD = prompts.slice(0, first, first + some).slice(1, 0, lengths_B.max().item<int64_t>());
      const auto got = generate(*model, prompts_BTD, lengths_B, options, keys_of(first, some));
      for (int64_t i = 0; i < some; ++i) {
        SCOPED_TRACE(testing::Message() << rows << " together, row " << first + i);
        expect_same(got[static_cast<size_t>(i)], all[static_cast<size_t>(first + i)]);
      }
    }
  }
  auto keys = keys_of(0, count);
  std::ranges::reverse(keys);
  const auto backwards = generate(*model, prompts.flip(0), lengths.flip(0), options, keys);
  for (size_t i = 0; i < all.size(); ++i) expect_same(backwards[all.size() - 1 - i], all[i]);
}

// What a hypothesis says of its likelihood is what scoring it in one pass gives.
TEST_P(EveryWay, LogProbabilitiesAreTheModels) {
  auto model = small_model();
  model->to(torch::kDouble);  // what is left is the rounding of log-probabilities to float
  const auto [prompts, lengths] = small_prompts(kPromptLengths);
  Options options = GetParam().options;
  options.max_new_tokens = 12, options.eos = kEnds, options.min_new_tokens = 2;
  const auto all = generate(*model, prompts, lengths, options, keys_of(0, std::ssize(kPromptLengths)));
  for (size_t b = 0; b < all.size(); ++b) {
    const auto row = static_cast<int64_t>(b);
    for (const auto& hypothesis : all[b]) {
      EXPECT_GE(hypothesis.ids.size(), 2u);
      EXPECT_EQ(hypothesis.tokens, std::ssize(hypothesis.ids) + hypothesis.is_ended);
      double best = -INFINITY;
      std::vector<Ids> sequences;  // the end token that it had is one of those
      for (const auto end : hypothesis.is_ended ? kEnds : Ids{-1}) {
        sequences.push_back(hypothesis.ids);
        if (end >= 0) sequences.back().push_back(end);
      }
      const auto scores = score(*model, prompts[row].unsqueeze(0), lengths[row].unsqueeze(0), {sequences})[0];
      for (const double one : scores)
        if (std::abs(one - hypothesis.mean_log_prob()) < std::abs(best - hypothesis.mean_log_prob())) best = one;
      EXPECT_NEAR(best, hypothesis.mean_log_prob(), 2e-6);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Generate, EveryWay,
    testing::Values(Way{"greedy", {}}, Way{"penalty", {.repetition_penalty = 1.5}},
                    Way{"beams", {.beams = 4, .n_best = 3}},
                    Way{"beams_penalties",
                        {.min_new_tokens = 3, .repetition_penalty = 1.3, .beams = 3, .length_penalty = 0.2}},
                    Way{"draws", {.temperature = 1.2, .n_best = 2}},
                    Way{"draws_of_few", {.temperature = 0.7, .top_k = 9, .top_p = 0.9, .n_best = 3}}),
    [](const auto& info) { return info.param.name; });

TEST(Generate, StopsBeforeTheEndToken) {
  auto model = small_model();
  const auto prompts = small_prompts({6});
  const auto free = firsts(*model, prompts, {.max_new_tokens = 20})[0].ids;
  const auto first = std::find(free.begin(), free.end(), free[5]) - free.begin();
  const auto got = firsts(*model, prompts, {.max_new_tokens = 20, .eos = {free[5], 49}});
  EXPECT_TRUE(got[0].is_ended);
  EXPECT_EQ(got[0].ids, Ids(free.begin(), free.begin() + first));
  const auto longer =
      firsts(*model, prompts, {.max_new_tokens = 20, .min_new_tokens = first + 2, .eos = {free[5], 49}});
  EXPECT_GE(std::ssize(longer[0].ids), first + 2);
}

TEST(Generate, NeverExceedsItsLimit) {
  auto model = small_model();
  const auto prompts = small_prompts({3, 5});
  for (const int64_t beams : {1, 3}) {
    EXPECT_EQ(firsts(*model, prompts, {.max_new_tokens = 1, .beams = beams})[1].ids.size(), 1u);
    EXPECT_EQ(firsts(*model, prompts, {.max_new_tokens = 6, .beams = beams})[1].ids.size(), 6u);
    EXPECT_TRUE(firsts(*model, prompts, {.max_new_tokens = 0, .beams = beams})[1].ids.empty());
    const Options options{.max_new_tokens = 5, .beams = beams};
    EXPECT_TRUE(generate(*model, torch::zeros({0, 3, 32}), torch::zeros({0}, torch::kLong), options).empty());
  }
}

TEST(Generate, Refuses) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({3, 5});
  EXPECT_EQ(test::message_of([&, p = prompts, l = lengths] { generate(*model, p, l - 3, {}); }),
            "2 prompts of at most 5 positions do not go with lengths of shape (2) out of 1 to 5");
  EXPECT_EQ(test::message_of([&, p = prompts, l = lengths] { generate(*model, p, l, {.temperature = 1}, {"a"}); }),
            "2 prompts are sampled, but 1 have a key");
}

// Every sequence of so many tokens, by the definition.
TEST(Beams, ManyAreAnExhaustiveSearch) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({4});
  std::vector<Ids> all;
  for (int64_t a = 0; a < 50; ++a)
    for (int64_t b = 0; b < 50; ++b) all.push_back({a, b});
  const auto scores = score(*model, prompts, lengths, {all}, {500})[0];
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, std::ranges::greater{}, [&](size_t i) { return scores[i]; });
  const auto got = generate(*model, prompts, lengths, {.max_new_tokens = 2, .beams = 50, .n_best = 10})[0];
  ASSERT_EQ(got.size(), 10u);
  for (size_t n = 0; n < 10; ++n) {
    EXPECT_EQ(got[n].ids, all[order[n]]) << n;
    EXPECT_NEAR(got[n].beam_score, scores[order[n]], 1e-5);
  }
}

// The first draw is the same however many are asked for; other seeds, keys and draws give others.
TEST(Draws, DependOnSeedKeyAndNumberOnly) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({4});
  const auto drawn = [&, p = prompts, l = lengths](uint64_t seed, const std::string& key, int64_t count) {
    std::vector<Ids> ids;
    const Options options{.max_new_tokens = 10, .temperature = 2, .seed = seed, .n_best = count};
    const auto hypotheses = generate(*model, p, l, options, {key});
    for (const auto& hypothesis : hypotheses[0]) ids.push_back(hypothesis.ids);
    return ids;
  };
  const auto three = drawn(1, "a", 3);
  EXPECT_EQ(three, drawn(1, "a", 3));
  EXPECT_EQ(drawn(1, "a", 1)[0], three[0]);
  EXPECT_EQ((std::set<Ids>{three[0], three[1], three[2], drawn(2, "a", 1)[0], drawn(1, "b", 1)[0]}.size()), 5u);
}

TEST(Draws, HaveTheirProbabilities) {
  const auto p_1V = torch::tensor({{0.0, 0.5, 0.0, 0.3, 0.2, 0.0}}, torch::kDouble);
  constexpr int64_t kCount = 10000;
  const auto uniforms = (torch::arange(kCount, torch::kDouble) + 0.5) / kCount;
  const auto counts = draw(p_1V.expand({kCount, 6}), uniforms).bincount({}, 6).to(torch::kDouble) / kCount;
  EXPECT_TRUE(counts.allclose(p_1V[0], 0, 1e-4)) << counts;
  const auto edges = draw(p_1V.expand({2, 6}), torch::tensor({0.0, 1 - 0x1p-53}, torch::kDouble));
  EXPECT_TRUE(edges.equal(torch::tensor({1, 4}))) << edges;
}

TEST(Draws, OfTheLikeliestAreTheLikeliest) {
  auto model = small_model();
  const auto prompts = small_prompts({6, 3});
  const auto likeliest = firsts(*model, prompts, {.max_new_tokens = 8});
  for (const Options& options : {Options{.max_new_tokens = 8, .temperature = 5, .top_k = 1},
                                 Options{.max_new_tokens = 8, .temperature = 1, .top_p = 1e-9},
                                 Options{.max_new_tokens = 8, .temperature = 1e-5}}) {
    const auto drawn = firsts(*model, prompts, options);
    for (size_t b = 0; b < 2; ++b) EXPECT_EQ(drawn[b].ids, likeliest[b].ids);
  }
}

}  // namespace
}  // namespace usam::decode
