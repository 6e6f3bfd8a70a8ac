// "Row n" is a row of docs/model.md: a defect of the published code that the test would catch.
// B samples, T frames, W text tokens, D width, R rectified tokens.
#include "losses/saclm.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <limits>

namespace usam::losses {
namespace {

constexpr int64_t kSaclmWidth = 16;

SaclmConfig small() {
  SaclmConfig c;
  c.score_hidden = 12;
  c.slot_hidden = 10;
  return c;
}

// Random clips and texts of the given lengths; padding holds `padding`.
struct Batch {
  Frames audio;
  TextTokens text;
  torch::Tensor same_BB;

  Batch(const std::vector<int64_t>& frames, const std::vector<int64_t>& words, double padding = 0) {
    const auto fill = [&](const std::vector<int64_t>& lengths) {
      const auto size = *std::max_element(lengths.begin(), lengths.end());
      const auto lengths_B = torch::tensor(lengths), mask = length_mask(lengths_B, size);
      const auto x = torch::randn({static_cast<int64_t>(lengths.size()), size, kSaclmWidth});
      return std::tuple(x.masked_fill(~mask.unsqueeze(2), padding), lengths_B, mask);
    };
    std::tie(audio.x_BTD, audio.lengths_B, std::ignore) = fill(frames);
    std::tie(text.x_BWD, std::ignore, text.valid_BW) = fill(words);
    same_BB = torch::eye(static_cast<int64_t>(frames.size()), torch::kBool);
  }
};

SaclmOutput run(Saclm& saclm, const Batch& b) {
  return saclm->forward(b.audio, b.text, b.same_BB);
}

double figure(const SaclmOutput& out, size_t term) {
  return out.terms[term].sum.item<double>();
}

TEST(Saclm, TermsNameTheirCountsAndWeights) {
  auto config = small();
  config.weight = 0.5;
  config.distill = 0.2;
  Saclm saclm(config, kSaclmWidth);
  const auto out = run(saclm, Batch({5, 3}, {2, 4}));
  ASSERT_EQ(out.terms.size(), 3u);
  EXPECT_EQ(out.terms[0].name, "saclm_hinge");
  EXPECT_EQ(out.terms[0].count, "hinge");
  EXPECT_EQ(out.terms[1].name, "saclm_ratio");
  EXPECT_EQ(out.terms[1].count, "samples");
  EXPECT_EQ(out.terms[2].name, "saclm_distill");
  EXPECT_EQ(out.terms[2].count, "samples");
  EXPECT_EQ(out.terms[1].weight, 0.5);
  EXPECT_DOUBLE_EQ(out.terms[2].weight, 0.1);
}

// Row 8: a random permutation as negatives may be the identity, always is at batch 1, and is not the hardest.
TEST(Saclm, HingeTakesTheHardestTrueNegative) {
  torch::manual_seed(1);
  Saclm saclm(small(), kSaclmWidth);
  Batch b({9, 7, 8, 6, 5}, {3, 4, 2, 5, 3});
  b.text.x_BWD[2] = b.text.x_BWD[0];
  b.text.valid_BW[2] = b.text.valid_BW[0];
  b.same_BB[0][2] = b.same_BB[2][0] = true;
  const auto out = run(saclm, b);
  double expected = 0;
  for (int64_t i = 0; i < 5; ++i) {
    const auto s = [&](int64_t x, int64_t y) { return out.similarity_NN[x][y].item<double>(); };
    double row = 0, column = 0;
    for (int64_t j = 0; j < 5; ++j) {
      if (b.same_BB[i][j].item<bool>()) continue;
      row = std::max(row, 0.2 + s(i, j) - s(i, i));
      column = std::max(column, 0.2 + s(j, i) - s(i, i));
    }
    expected += (row + column) / 2;
  }
  EXPECT_GT(expected, 0);
  EXPECT_NEAR(figure(out, 0), expected, 1e-5);
}

TEST(Saclm, ASampleWithoutATrueNegativeAddsNothingAndIsNotCounted) {
  torch::manual_seed(2);
  Saclm saclm(small(), kSaclmWidth);
  const auto alone = Batch({6}, {3});
  EXPECT_EQ(figure(run(saclm, alone), 0), 0);
  EXPECT_EQ(saclm_counts(torch::tensor({3}), alone.same_BB).at("hinge"), 0);
  Batch equal({6, 5}, {3, 3});
  equal.same_BB.fill_(true);
  EXPECT_EQ(figure(run(saclm, equal), 0), 0);
  EXPECT_EQ(saclm_counts(torch::tensor({3, 3}), equal.same_BB).at("hinge"), 0);
  EXPECT_EQ(saclm_counts(torch::tensor({3, 3}), equal.same_BB).at("samples"), 2);
}

// Row 9: padding took part in scores, means and maxima; the min-max ran over the batch.
TEST(Saclm, ASampleIsTheSameAloneAndAmongLongerOnes) {
  torch::manual_seed(3);
  for (const auto decision : {Decision::kTopK, Decision::kThreshold}) {
    for (const auto text_score : {TextScore::kAttention, TextScore::kPooled}) {
      auto config = small();
      config.decision = decision;
      config.text_score = text_score;
      Saclm saclm(config, kSaclmWidth);
      Batch together({4, 11, 1}, {6, 2, 3}, std::numeric_limits<double>::quiet_NaN());
      together.audio.x_BTD[1] *= 50;  // a loud neighbour
      together.audio.x_BTD.requires_grad_();
      const auto out = run(saclm, together);
      double ratio = 0, distill = 0;
      for (int64_t i = 0; i < 3; ++i) {
        const auto T = together.audio.lengths_B[i].item<int64_t>(), W = together.text.valid_BW[i].sum().item<int64_t>();
        Batch alone({T}, {W});
        alone.audio.x_BTD = together.audio.x_BTD.detach().slice(0, i, i + 1).slice(1, 0, T);
        alone.text.x_BWD = together.text.x_BWD.slice(0, i, i + 1).slice(1, 0, W);
        const auto single = run(saclm, alone);
        EXPECT_TRUE(out.selection.scores_BT[i].slice(0, 0, T).allclose(single.selection.scores_BT[0], 1e-5, 1e-6));
        EXPECT_TRUE(out.selection.kept_BT[i].slice(0, 0, T).equal(single.selection.kept_BT[0]));
        EXPECT_EQ(out.selection.kept_BT[i].sum().item<int64_t>(), single.selection.kept_BT.sum().item<int64_t>());
        EXPECT_TRUE(out.rectified_BRD[i].allclose(single.rectified_BRD[0], 1e-5, 1e-5));
        EXPECT_NEAR(out.similarity_NN[i][i].item<double>(), single.similarity_NN[0][0].item<double>(), 1e-6);
        ratio += figure(single, 1);
        distill += figure(single, 2);
      }
      EXPECT_NEAR(figure(out, 1), ratio, 1e-6);
      EXPECT_NEAR(figure(out, 2), distill, 1e-5);
      (out.terms[0].sum + out.terms[1].sum + out.terms[2].sum).backward();
      const auto& gradient = together.audio.x_BTD.grad();
      EXPECT_TRUE(gradient.isfinite().all().item<bool>());
      EXPECT_EQ(gradient.masked_select(~together.audio.valid_BT().unsqueeze(2)).abs().sum().item<double>(), 0);
      for (const auto& p : saclm->parameters()) EXPECT_TRUE(p.grad().isfinite().all().item<bool>());
    }
  }
}

// Row 10: a hard mask cut the gradient to the score network.
TEST(Saclm, TheHingeReachesTheScoreNetworkThroughTheDecision) {
  torch::manual_seed(4);
  auto config = small();
  config.rho = 1;  // no redundant token: only the straight-through decision is left
  Saclm saclm(config, kSaclmWidth);
  const auto out = run(saclm, Batch({9, 7, 8}, {3, 4, 2}));
  const auto scores_BT =
      torch::autograd::grad({out.terms[0].sum}, {out.selection.scores_BT}, {}, /*retain_graph=*/true)[0];
  EXPECT_GT(scores_BT.abs().max().item<double>(), 1e-5);
  // A cosine does not see a common factor, so that the gradient sums to 0 over the kept frames of a sample.
  EXPECT_LT(scores_BT.sum(1).abs().max().item<double>(), 1e-6);
  out.terms[0].sum.backward();
  for (const auto& p : saclm->named_parameters()) {
    if (p.key().starts_with("score.")) EXPECT_GT(p.value().grad().abs().max().item<double>(), 0) << p.key();
  }
}

TEST(Saclm, TheDecisionsGradientReachesKeptFramesOnly) {
  torch::manual_seed(5);
  auto config = small();
  config.rho = 0.9;
  Saclm saclm(config, kSaclmWidth);
  const auto out = run(saclm, Batch({6, 6, 6}, {3, 4, 2}));  // 6 of 6 are kept
  EXPECT_EQ(out.selection.kept_BT.sum().item<int64_t>(), 18);
  config.rho = 0.8;
  Saclm other(config, kSaclmWidth);
  const auto dropped = run(other, Batch({6, 6, 6}, {3, 4, 2}));  // one redundant frame: its softmax weight is constant
  const auto gradient_BT = torch::autograd::grad({dropped.terms[0].sum}, {dropped.selection.scores_BT})[0];
  EXPECT_EQ(gradient_BT.masked_select(~dropped.selection.kept_BT).abs().max().item<double>(), 0);
  EXPECT_GT(gradient_BT.masked_select(dropped.selection.kept_BT).abs().max().item<double>(), 1e-6);
}

// Row 11: the aggregation's softmax ran over 1024 slots instead of over frames, with more slots than frames.
TEST(Saclm, SlotsAreWeightedMeansOfKeptFrames) {
  torch::manual_seed(6);
  auto config = small();
  config.slots = 7;
  Saclm saclm(config, kSaclmWidth);
  const auto frame_D = torch::randn({kSaclmWidth});
  for (const int64_t T : {1, 3, 40}) {
    Batch b({T}, {2});
    b.audio.x_BTD = frame_D.expand({1, T, kSaclmWidth}).contiguous();
    const auto out = run(saclm, b);
    const auto tokens_RD = out.rectified_BRD[0].index({out.present_BR[0]});
    EXPECT_EQ(tokens_RD.size(0), T == 1 ? 7 : 8);  // the redundant token is absent where nothing is redundant
    EXPECT_TRUE(tokens_RD.allclose(frame_D.expand_as(tokens_RD), 1e-5, 1e-5)) << T;
  }
}

// Row 12: similarities were unbounded dot products against a margin of 0.2.
TEST(Saclm, SimilarityIsACosine) {
  torch::manual_seed(7);
  Saclm saclm(small(), kSaclmWidth);
  Batch b({9, 7, 8}, {3, 4, 2});
  const auto before = run(saclm, b).similarity_NN;
  b.text.x_BWD = b.text.x_BWD * 1000;
  const auto after = run(saclm, b).similarity_NN;
  EXPECT_TRUE(after.allclose(before, 1e-5, 1e-6));
  EXPECT_LE(after.abs().max().item<double>(), 1);
  b.audio.x_BTD = b.text.x_BWD.slice(1, 0, 1).expand({3, 9, kSaclmWidth}).contiguous();
  b.text.valid_BW.slice(1, 1).fill_(false);
  EXPECT_TRUE(run(saclm, b).similarity_NN.diagonal().allclose(torch::ones({3}), 1e-5, 1e-5));
}

// Row 13: audio and text were interpolated to one length before they were compared.
TEST(Saclm, WordsAreMatchedOneByOneWhateverTheirOrderAndNumber) {
  torch::manual_seed(8);
  Saclm saclm(small(), kSaclmWidth);
  const Batch b({9, 7, 8}, {5, 5, 5});
  const auto before = run(saclm, b);
  Batch reversed = b, doubled = b;
  reversed.text.x_BWD = b.text.x_BWD.flip(1);
  doubled.text.x_BWD = b.text.x_BWD.repeat_interleave(2, 1);
  doubled.text.valid_BW = b.text.valid_BW.repeat_interleave(2, 1);
  EXPECT_TRUE(run(saclm, reversed).similarity_NN.allclose(before.similarity_NN, 1e-5, 1e-6));
  EXPECT_TRUE(run(saclm, doubled).similarity_NN.allclose(before.similarity_NN, 1e-5, 1e-6));
}

// Row 22: frames chosen with the sample's own text, compared with other texts, rank noise above chance.
TEST(Saclm, EvaluationRanksNoiseAtChance) {
  torch::manual_seed(9);
  auto config = small();
  config.beta = 1;  // the text and the clip itself decide: where the bias is strongest
  config.rho = 0.25;
  Saclm saclm(config, kSaclmWidth);
  constexpr int64_t B = 32;
  double own = 0, pair = 0, none = 0, count = 0;
  for (int round = 0; round < 12; ++round) {
    const Batch b(std::vector<int64_t>(B, 20), std::vector<int64_t>(B, 3));
    const auto hits = [&](const torch::Tensor& s) { return retrieval(s, b.same_BB)[0].sum; };
    own += hits(run(saclm, b).similarity_NN);
    pair += hits(saclm->similarities(b.audio, b.text, Conditioning::kPair));
    none += hits(saclm->similarities(b.audio, b.text, Conditioning::kNone));
    count += B;
  }
  const double chance = 1.0 / B;
  EXPECT_LT(pair / count, 2 * chance);
  EXPECT_LT(none / count, 2 * chance);
  EXPECT_GT(own / count, 2.5 * chance) << "the training similarity is biased; were it not, this test could not fail";
}

TEST(Saclm, PairConditioningRectifiesForTheTextAtHand) {
  torch::manual_seed(10);
  Saclm saclm(small(), kSaclmWidth);
  const Batch b({9, 7, 8}, {3, 4, 2});
  const auto pair_BB = saclm->similarities(b.audio, b.text);
  EXPECT_TRUE(pair_BB.diagonal().allclose(run(saclm, b).similarity_NN.diagonal(), 1e-5, 1e-6));
  Batch crossed = b;  // audio 0 with text 1 as a pair of its own
  crossed.text.x_BWD = b.text.x_BWD.roll(-1, 0);
  crossed.text.valid_BW = b.text.valid_BW.roll(-1, 0);
  EXPECT_NEAR(pair_BB[0][1].item<double>(), run(saclm, crossed).similarity_NN[0][0].item<double>(), 1e-6);
  EXPECT_FALSE(pair_BB.requires_grad());
}

TEST(Saclm, DecisionWithoutTextIsThatOfTheLearnedScore) {
  torch::manual_seed(11);
  Saclm saclm(small(), kSaclmWidth);
  const Batch b({9, 4}, {3, 2}, std::numeric_limits<double>::quiet_NaN());
  const auto chosen = saclm->select(b.audio, nullptr);
  EXPECT_TRUE(chosen.scores_BT.equal(saclm->importance(b.audio)));
  EXPECT_TRUE(chosen.kept_BT.sum(1).equal(torch::tensor({5, 2})));
  const auto with_text = saclm->select(b.audio, &b.text);
  EXPECT_TRUE(with_text.scores_BT.equal(run(saclm, b).selection.scores_BT.detach()));
}

TEST(Saclm, ThresholdKeepsAtLeastTheBestFrame) {
  torch::manual_seed(12);
  auto config = small();
  config.decision = Decision::kThreshold;
  config.threshold = 1;
  Saclm saclm(config, kSaclmWidth);
  const auto out = run(saclm, Batch({9, 4}, {3, 2}));
  EXPECT_TRUE(out.selection.kept_BT.sum(1).equal(torch::tensor({1, 1})));
  EXPECT_TRUE(out.selection.scores_BT.argmax(1).equal(out.selection.kept_BT.to(torch::kLong).argmax(1)));
}

TEST(Saclm, AutocastChangesNothing) {
  torch::manual_seed(13);
  Saclm saclm(small(), kSaclmWidth);
  const Batch b({9, 7, 8}, {3, 4, 2});
  const auto plain = run(saclm, b);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto under_autocast = run(saclm, b);
  const bool elsewhere = torch::mm(torch::ones({2, 2}), torch::ones({2, 2})).scalar_type() == torch::kBFloat16;
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_TRUE(elsewhere);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(under_autocast.terms[i].sum.equal(plain.terms[i].sum));
}

TEST(Saclm, ASampleWithoutTextOrAudioTakesNoPart) {
  torch::manual_seed(14);
  Saclm saclm(small(), kSaclmWidth);
  Batch two({9, 7}, {3, 4});
  Batch four({9, 7, 6, 5}, {3, 4, 2, 2});
  for (auto* x : {&four.audio.x_BTD, &four.text.x_BWD}) {
    const auto& source = x == &four.audio.x_BTD ? two.audio.x_BTD : two.text.x_BWD;
    x->slice(0, 0, 2).copy_(source);
  }
  four.text.valid_BW[2].fill_(false);
  four.audio.lengths_B[3] = 0;
  four.audio.x_BTD.requires_grad_();
  const auto expected = run(saclm, two), out = run(saclm, four);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(figure(out, i), figure(expected, i), 1e-5);
  out.terms[0].sum.backward();
  EXPECT_TRUE(four.audio.x_BTD.grad().isfinite().all().item<bool>());
  EXPECT_EQ(saclm_counts(torch::tensor({3, 4, 0}), torch::eye(3, torch::kBool)).at("samples"), 2);
  EXPECT_EQ(saclm_counts(torch::tensor({3, 0}), torch::eye(2, torch::kBool)).at("hinge"), 0);
}

TEST(Saclm, TextsThatAreAllEmptyAndABatchThatIsEmptyGiveZeros) {
  Saclm saclm(small(), kSaclmWidth);
  const Frames audio{torch::randn({2, 3, kSaclmWidth}), torch::tensor({3, 3}, torch::kLong), 25};
  const TextTokens no_words{torch::zeros({2, 0, kSaclmWidth}), torch::zeros({2, 0}, torch::kBool)};
  const Frames nothing{torch::zeros({0, 3, kSaclmWidth}), torch::zeros({0}, torch::kLong), 25};
  const TextTokens nobody{torch::zeros({0, 2, kSaclmWidth}), torch::zeros({0, 2}, torch::kBool)};
  const auto silent = saclm->forward(audio, no_words, torch::eye(2, torch::kBool));
  const auto empty = saclm->forward(nothing, nobody, torch::zeros({0, 0}, torch::kBool));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(figure(silent, i), 0);
    EXPECT_EQ(figure(empty, i), 0);
  }
  EXPECT_EQ(retrieval(empty.similarity_NN, torch::zeros({0, 0}, torch::kBool))[0].count, 0);
}

TEST(Saclm, MetricsCountFramesAndMargins) {
  torch::manual_seed(15);
  Saclm saclm(small(), kSaclmWidth);
  const auto out = run(saclm, Batch({9, 4}, {3, 2}));
  ASSERT_EQ(out.metrics.size(), 3u);
  EXPECT_EQ(out.metrics[0].name, "saclm_kept");
  EXPECT_EQ(out.metrics[0].sum, 7);  // ceil(4.5) + 2
  EXPECT_EQ(out.metrics[0].count, 13);
  EXPECT_EQ(out.metrics[1].name, "saclm_violated");
  EXPECT_EQ(out.metrics[1].count, 4);
  EXPECT_EQ(out.metrics[2].name, "saclm_agreement");
  auto config = small();
  config.beta = 0;  // the learned score alone decides
  EXPECT_EQ(
      [&] {
        Saclm own(config, kSaclmWidth);
        return run(own, Batch({9, 4}, {3, 2})).metrics[2].sum;
      }(),
      13);
}

TEST(Saclm, RetrievalCountsHitsPositivesAndNegatives) {
  const auto similarity = torch::tensor({0.9, 0.2, 0.3, 0.8, 0.1, 0.0, 0.5, 0.5, 0.5}).view({3, 3});
  auto same = torch::eye(3, torch::kBool);
  const auto plain = retrieval(similarity, same);
  EXPECT_EQ(plain[0].sum, 1);  // row 0; row 1 loses, row 2 only ties
  EXPECT_EQ(plain[0].count, 3);
  EXPECT_EQ(plain[1].sum, 2);  // columns 0 and 2
  EXPECT_NEAR(plain[2].sum, 1.5, 1e-6);
  EXPECT_NEAR(plain[3].sum, 2.3, 1e-6);
  EXPECT_EQ(plain[3].count, 6);
  same[0][1] = same[1][0] = true;  // equal texts are nobody's error
  EXPECT_EQ(retrieval(similarity, same)[0].sum, 2);
}

// Each audio with the text before it: hits are the pairs (0, 2), (1, 0), (2, 1).
TEST(Saclm, ShuffledRetrievalIsThatOfTheWrongTexts) {
  const auto similarity = torch::tensor({0.9, 0.2, 0.3, 0.8, 0.1, 0.0, 0.5, 0.6, 0.5}).view({3, 3});
  auto same = torch::eye(3, torch::kBool);
  const auto all = retrieval(similarity, same);
  EXPECT_EQ(all[4].name, "saclm_r1_text_shuffled");
  EXPECT_EQ(all[4].sum, 2);  // rows 1 and 2
  EXPECT_EQ(all[4].count, 3);
  EXPECT_EQ(all[5].sum, 1);                             // column 1
  const auto last = retrieval(similarity, same, 2, 1);  // as the rank of the last sample has it
  EXPECT_EQ(last[4].sum, 1);
  EXPECT_EQ(last[4].count, 1);
  EXPECT_NEAR(last[3].sum, 1.1, 1e-6);
  same[2][1] = same[1][2] = true;  // the text before the last sample's is its own
  EXPECT_EQ(retrieval(similarity, same)[4].count, 2);
}

TEST(Saclm, EqualTextsAreFoundWhateverTheirPadding) {
  const auto ids = torch::tensor({{4, 5, 0}, {4, 5, 9}, {4, 5, 9}, {4, 0, 0}});
  const auto valid = length_mask(torch::tensor({2, 2, 3, 1}), 3);
  const auto same = equal_texts(ids, valid);
  EXPECT_TRUE(same[0][1].item<bool>());
  EXPECT_FALSE(same[0][2].item<bool>());
  EXPECT_FALSE(same[0][3].item<bool>());
  EXPECT_TRUE(same.diagonal().all().item<bool>());
}

}  // namespace
}  // namespace usam::losses
