// negatives: ranks. Whatever ranks the samples of an inner step lie on, values and gradients are those of one rank.
// N samples, B of one rank, T frames, W text tokens, D width.
#include <gtest/gtest.h>

#include <mutex>

#include "losses/saclm.h"
#include "losses/text_pool.h"
#include "tests/thread_ranks.h"

namespace usam::losses {
namespace {

constexpr int64_t kPoolWidth = 16, kVocabulary = 30;

// Samples 0 and 4 have the same text, as 1 and 5; sample 3 has none, and sample 6 no audio.
const std::vector<std::vector<int64_t>> kTexts = {{4, 9, 2}, {7, 7}, {11, 3, 8, 1, 20}, {}, {4, 9, 2}, {7, 7}, {5}};
const std::vector<int64_t> kFrames = {9, 4, 12, 6, 7, 8, 0};

struct Samples {
  Frames audio;
  torch::Tensor ids_BW, lengths_B;
};

// Samples first ... first + size - 1, padded among themselves.
Samples samples(size_t first, size_t size) {
  std::vector<torch::Tensor> clips, texts, frames, words;
  for (size_t i = first; i < first + size; ++i) {
    auto generator = at::detail::createCPUGenerator(100 + i);
    clips.push_back(torch::randn({kFrames[i], kPoolWidth}, generator));
    texts.push_back(torch::tensor(kTexts[i], torch::kInt64));
    frames.push_back(torch::tensor(kFrames[i]));
    words.push_back(torch::tensor(static_cast<int64_t>(kTexts[i].size())));
  }
  if (size == 0) {
    const auto none = torch::zeros({0}, torch::kInt64);
    return {{torch::zeros({0, 1, kPoolWidth}), none, 1}, none.view({0, 0}), none};
  }
  const auto x_BTD = torch::nn::utils::rnn::pad_sequence(clips, /*batch_first=*/true);
  return {{x_BTD, torch::stack(frames), 1},
          torch::nn::utils::rnn::pad_sequence(texts, /*batch_first=*/true),
          torch::stack(words)};
}

struct Result {
  std::vector<double> sums;  // of the terms, then of the metrics and their counts
  Counts counts;
  std::vector<torch::Tensor> gradients;  // of the parameters, and last of the audio as (sum of T, D)
};

// The same on every thread: its values come from torch's default generator, which the threads share.
Saclm equal_saclm() {
  static std::mutex drawing;
  const std::lock_guard lock(drawing);
  torch::manual_seed(5);
  SaclmConfig config;
  config.score_hidden = 12;
  config.slot_hidden = 10;
  return Saclm(config, kPoolWidth);
}

// One rank's part of a step, the loss being weighted as the trainer does with the counts of all.
Result compute(const Samples& own, dist::Communicator& communicator, const std::shared_ptr<dist::Communicator>& ranks) {
  auto saclm = equal_saclm();
  const auto table = torch::randn({kVocabulary, kPoolWidth}, at::detail::createCPUGenerator(3));
  const auto texts = pool_texts(own.ids_BW, own.lengths_B, communicator);
  const auto same_NN = equal_texts(texts);
  const auto x_BTD = own.audio.x_BTD.clone().requires_grad_();
  const TextTokens text{table.index({texts.ids_NW}), length_mask(texts.lengths_N, texts.ids_NW.size(1))};
  const auto out = saclm->forward({x_BTD, own.audio.lengths_B, 1}, Pool{text, same_NN, texts.first, ranks});
  Result result;
  torch::Tensor loss = torch::zeros({});
  for (const auto& term : out.terms) {
    result.sums.push_back(term.sum.item<double>());
    loss = loss + term.weight * term.sum;
  }
  for (const auto& metric : out.metrics) {
    result.sums.push_back(metric.sum);
    result.sums.push_back(metric.count);
  }
  loss.backward();
  for (const auto& p : saclm->parameters()) result.gradients.push_back(p.grad());
  result.gradients.push_back(x_BTD.grad().index({own.audio.valid_BT()}));
  result.counts = saclm_counts(texts.lengths_N, same_NN, texts.first, x_BTD.size(0));
  return result;
}

Result on_ranks(const std::vector<size_t>& sizes) {
  const auto ranks = dist::thread_ranks(static_cast<int64_t>(sizes.size()));
  std::vector<Result> results(sizes.size());
  std::vector<std::thread> threads;
  size_t first = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    threads.emplace_back([&, i, first] { results[i] = compute(samples(first, sizes[i]), *ranks[i], ranks[i]); });
    first += sizes[i];
  }
  for (auto& thread : threads) thread.join();
  Result sum = results[0];
  for (size_t i = 1; i < results.size(); ++i) {
    for (size_t k = 0; k < sum.sums.size(); ++k) sum.sums[k] += results[i].sums[k];
    for (const auto& [name, count] : results[i].counts) sum.counts[name] += count;
    for (size_t k = 0; k + 1 < sum.gradients.size(); ++k) sum.gradients[k] = sum.gradients[k] + results[i].gradients[k];
    sum.gradients.back() = torch::cat({sum.gradients.back(), results[i].gradients.back()});
  }
  return sum;
}

Result on_one() {
  const auto alone = dist::single_rank();
  return compute(samples(0, kTexts.size()), *alone, alone);
}

TEST(Pool, OfSeveralRanksIsThatOfOneRankWithAllSamples) {
  const auto one = on_one();
  EXPECT_GT(one.sums[0], 0.1);
  EXPECT_EQ(one.counts.at("hinge"), 6);  // sample 6 has no audio, which the counts leave to the data
  const std::vector<std::vector<size_t>> splits = {{4, 3}, {1, 6}, {3, 0, 4}, {0, 2, 5}, {2, 2, 3}};
  for (const auto& sizes : splits) {
    const auto many = on_ranks(sizes);
    EXPECT_EQ(many.counts, one.counts);
    ASSERT_EQ(many.sums.size(), one.sums.size());
    for (size_t i = 0; i < one.sums.size(); ++i) EXPECT_NEAR(many.sums[i], one.sums[i], 1e-6 * (1 + one.sums[i])) << i;
    ASSERT_EQ(many.gradients.size(), one.gradients.size());
    for (size_t i = 0; i < one.gradients.size(); ++i) {
      const double scale = one.gradients[i].abs().max().item<double>();
      EXPECT_LE((many.gradients[i] - one.gradients[i]).abs().max().item<double>(), 1e-6 * std::max(scale, 0.1)) << i;
    }
  }
}

// What the test above compares is not the same without the other ranks' samples.
TEST(Pool, OfTheMicroBatchIsAnother) {
  const auto one = on_one();
  const auto alone = dist::single_rank();
  const auto left = compute(samples(0, 4), *alone, alone), right = compute(samples(4, 3), *alone, alone);
  EXPECT_GT(std::abs(left.sums[0] + right.sums[0] - one.sums[0]), 0.05);
}

TEST(Pool, SampleWithNegativesOnOtherRanksOnlyIsCounted) {
  test::on_threads(2, [](dist::Communicator& ranks) {
    const auto own = samples(ranks.rank() == 0 ? 0 : 5, 1);
    const auto texts = pool_texts(own.ids_BW, own.lengths_B, ranks);
    EXPECT_EQ(texts.first, ranks.rank());
    EXPECT_EQ(saclm_counts(texts.lengths_N, equal_texts(texts), texts.first, 1).at("hinge"), 1);
  });
  test::on_threads(2, [](dist::Communicator& ranks) {  // the same text on both
    const auto own = samples(ranks.rank() == 0 ? 0 : 4, 1);
    const auto texts = pool_texts(own.ids_BW, own.lengths_B, ranks);
    EXPECT_EQ(saclm_counts(texts.lengths_N, equal_texts(texts), texts.first, 1).at("hinge"), 0);
  });
}

TEST(Pool, WithoutAnySampleAddsNothing) {
  const auto none = on_ranks({0, 0});
  for (const double sum : none.sums) EXPECT_EQ(sum, 0);
  for (const auto& [name, count] : none.counts) EXPECT_EQ(count, 0) << name;
}

// A rank may run its forward pass on a stand-in whose text is empty: it takes no part in the others' pool.
TEST(Pool, AStandInWithoutTextChangesNothing) {
  const auto with = on_ranks({3, 1});  // sample 3 has no text
  const auto without = on_ranks({3, 0});
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(with.sums[i], without.sums[i], 1e-6);
  for (size_t i = 0; i + 1 < with.gradients.size(); ++i)
    EXPECT_TRUE(with.gradients[i].allclose(without.gradients[i], 1e-6, 1e-7)) << i;
}

}  // namespace
}  // namespace usam::losses
