#include "src/decode/greedy.h"

#include <set>

#include "tests/support.h"
#include "tests/unit/decode/small_model.h"

namespace usam::decode {
namespace {

using test::small_model;
using test::small_prompts;
const std::vector<int64_t> kLengths{7, 1, 12, 4, 9, 2, 12, 5};

// Without a cache: the whole sequence goes through the model for every token.
std::vector<int64_t> slow_greedy(LanguageModel& model, torch::Tensor sequence_1TD, int64_t tokens) {
  torch::NoGradGuard no_grad;
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < tokens; ++i) {
    const auto positions = torch::arange(sequence_1TD.size(1)).unsqueeze(0);
    const auto hidden = model.forward(sequence_1TD, positions, torch::ones_like(positions));
    const auto id = model.logits(hidden.select(1, -1)).argmax(-1);
    ids.push_back(id.item<int64_t>());
    sequence_1TD = torch::cat({sequence_1TD, model.embed(id.unsqueeze(1))}, 1);
  }
  return ids;
}

TEST(Greedy, CacheChangesNothing) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({6});
  const auto got = greedy(*model, prompts, lengths, {20, {}});
  EXPECT_EQ(got[0].ids, slow_greedy(*model, prompts, 20));
  EXPECT_FALSE(got[0].is_ended);
  EXPECT_GT(std::set<int64_t>(got[0].ids.begin(), got[0].ids.end()).size(), 3u) << "a model that repeats proves little";
}

TEST(Greedy, RowsDoNotDependOnTheirBatch) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts(kLengths);
  const GreedyOptions options{20, {7, 11, 30}};
  const auto all = greedy(*model, prompts, lengths, options);
  size_t ended = 0;
  for (const auto& hypothesis : all) ended += hypothesis.is_ended;
  EXPECT_GT(ended, 0u) << "no row left the batch early";
  EXPECT_LT(ended, all.size());
  for (int64_t b = 0; b < 8; ++b) {
    const auto row = static_cast<size_t>(b);
    const auto alone =
        greedy(*model, prompts.slice(0, b, b + 1).slice(1, 0, kLengths[row]), lengths.slice(0, b, b + 1), options);
    EXPECT_EQ(alone[0].ids, all[row].ids) << "row " << b;
    EXPECT_EQ(alone[0].is_ended, all[row].is_ended) << "row " << b;
  }
  for (int64_t b = 0; b < 6; b += 3) {
    const auto three = greedy(*model, prompts.slice(0, b, b + 3), lengths.slice(0, b, b + 3), options);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(three[i].ids, all[static_cast<size_t>(b) + i].ids);
  }
}

TEST(Greedy, StopsBeforeTheEndToken) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({6});
  const auto free = greedy(*model, prompts, lengths, {20, {}})[0].ids;
  const auto first = std::find(free.begin(), free.end(), free[5]) - free.begin();
  const auto got = greedy(*model, prompts, lengths, {20, {free[5], 49}});
  EXPECT_TRUE(got[0].is_ended);
  EXPECT_EQ(got[0].ids, std::vector<int64_t>(free.begin(), free.begin() + first));
}

TEST(Greedy, NeverExceedsItsLimit) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({3, 5});
  EXPECT_EQ(greedy(*model, prompts, lengths, {1, {}})[1].ids.size(), 1u);
  EXPECT_TRUE(greedy(*model, prompts, lengths, {0, {}})[1].ids.empty());
  EXPECT_TRUE(greedy(*model, torch::zeros({0, 3, 32}), torch::zeros({0}, torch::kLong), {5, {}}).empty());
}

TEST(Greedy, RefusesAnEmptyPrompt) {
  auto model = small_model();
  const auto [prompts, lengths] = small_prompts({3, 5});
  EXPECT_EQ(test::message_of([&] { greedy(*model, prompts, lengths - 3, {5, {}}); }),
            "2 prompts of at most 5 positions do not go with lengths of shape (2) out of 1 to 5");
}

}  // namespace
}  // namespace usam::decode
