// Cross-entropy, load balance and the configs of all losses.
#include "losses/cross_entropy.h"
#include "losses/load_balance.h"
#include "losses/saclm.h"
#include "losses/sigmoid_cross_entropy.h"
#include "src/base/config_yaml.h"
#include "src/base/error.h"
#include "src/tensor/peak_bytes.h"
#include "tests/support.h"

namespace usam::losses {
namespace {

TEST(CrossEntropy, SumsOverPositionsInFullPrecision) {
  torch::manual_seed(1);
  const auto logits_NV = torch::randn({7, 11}).requires_grad_();
  const auto targets_N = torch::randint(11, {7}, torch::kLong);
  const auto term = cross_entropy(logits_NV, targets_N, {.weight = 0.5});
  EXPECT_EQ(term.name, "ce");
  EXPECT_EQ(term.count, "tokens");
  EXPECT_EQ(term.weight, 0.5);
  const auto expected = -logits_NV.log_softmax(1).gather(1, targets_N.unsqueeze(1)).sum();
  EXPECT_NEAR(term.sum.item<double>(), expected.item<double>(), 1e-5);
  term.sum.backward();
  const auto gradient = logits_NV.detach().softmax(1) - torch::one_hot(targets_N, 11);
  EXPECT_TRUE(logits_NV.grad().allclose(gradient, 1e-5, 1e-6));
  const auto half = cross_entropy(logits_NV.detach().to(torch::kBFloat16), targets_N, {});
  EXPECT_EQ(half.sum.scalar_type(), torch::kFloat);
}

TEST(CrossEntropy, NoPositionsGiveZero) {
  const auto logits_NV = torch::zeros({0, 5}).requires_grad_();
  const auto term = cross_entropy(logits_NV, torch::zeros({0}, torch::kLong), {});
  EXPECT_EQ(term.sum.item<double>(), 0);
  term.sum.backward();
}

// Chunks of 8 rows at most: V = 32768 makes 128 KiB of a row's logits.
class ChunkedCrossEntropy : public testing::Test {
 protected:
  static constexpr int64_t kN = 43, kD = 6, kV = 32768;
  struct Result {
    double sum;
    torch::Tensor hidden, head, update;  // gradients
  };
  Result run(int64_t logits_mib, bool trains_head) {
    torch::manual_seed(5);
    auto hidden_ND = torch::randn({kN, kD}).requires_grad_(), head_VD = torch::randn({kV, kD}),
         update_VD = torch::randn({kV, 1});
    if (trains_head) head_VD.requires_grad_(), update_VD.requires_grad_();
    const auto targets_N = torch::randint(kV, {kN}, torch::kLong);
    const Head head = [&](const torch::Tensor& rows_nD) {
      return torch::linear(rows_nD, head_VD) + rows_nD.sum(1, true).matmul(update_VD.t());
    };
    const auto term = cross_entropy(hidden_ND, head, targets_N, {.weight = 0.5, .logits_mib = logits_mib});
    EXPECT_EQ(term.count, "tokens");
    EXPECT_EQ(term.weight, 0.5);
    (0.25 * term.sum).backward();
    return {term.sum.item<double>(), hidden_ND.grad(), head_VD.grad(), update_VD.grad()};
  }
};

// One over a step's count of tokens has more bits than bf16.
TEST_F(ChunkedCrossEntropy, ScalesInFp32) {
  const auto head_VD = torch::randn({kV, kD}).to(torch::kBFloat16);
  const auto targets_N = torch::randint(kV, {kN}, torch::kLong);
  const auto values_ND = torch::randn({kN, kD}).to(torch::kBFloat16);
  const auto gradient_of = [&](double scale) {
    auto hidden_ND = values_ND.clone().requires_grad_();
    const Head head = [&](const torch::Tensor& rows_nD) { return torch::linear(rows_nD, head_VD); };
    (scale * cross_entropy(hidden_ND, head, targets_N, {.weight = 1, .logits_mib = 1}).sum).backward();
    return hidden_ND.grad();
  };
  constexpr double kScale = 1.0 / 1001;
  EXPECT_TRUE(gradient_of(kScale).equal((gradient_of(1).to(torch::kFloat) * kScale).to(torch::kBFloat16)));
}

TEST_F(ChunkedCrossEntropy, EqualsTheWholeOne) {
  for (bool trains_head : {false, true}) {
    const auto whole = run(0, trains_head), chunked = run(1, trains_head);
    EXPECT_NEAR(chunked.sum / whole.sum, 1, 1e-6);
    EXPECT_TRUE(chunked.hidden.allclose(whole.hidden, 1e-6, 1e-6));
    EXPECT_EQ(chunked.head.defined(), trains_head);
    if (!trains_head) continue;
    EXPECT_TRUE(chunked.head.allclose(whole.head, 1e-6, 1e-6));
    EXPECT_TRUE(chunked.update.allclose(whole.update, 1e-6, 1e-6));
    EXPECT_GT(whole.update.abs().max().item<double>(), 0.1);
  }
}

TEST_F(ChunkedCrossEntropy, MemoryIsThatOfAChunk) {
  const auto row = kV * static_cast<int64_t>(sizeof(float));
  const auto hidden_ND = torch::randn({kN, kD}).requires_grad_(), head_VD = torch::randn({kV, kD});
  const auto targets_N = torch::randint(kV, {kN}, torch::kLong);
  const auto peak = [&](int64_t logits_mib) {
    return PeakBytes([&] {
             cross_entropy(hidden_ND, [&](const auto& rows_nD) { return torch::linear(rows_nD, head_VD); }, targets_N,
                           {.logits_mib = logits_mib})
                 .sum.backward();
           })
        .peak();
  };
  EXPECT_GT(peak(0), 2 * kN * row);
  EXPECT_LT(peak(1), 5 * 8 * row);
  const torch::NoGradGuard no_grad;
  EXPECT_LT(PeakBytes([&] {
              cross_entropy(hidden_ND, [&](const auto& rows_nD) { return torch::linear(rows_nD, head_VD); }, targets_N,
                            {.logits_mib = 1});
            }).peak(),
            4 * 8 * row);
}

TEST_F(ChunkedCrossEntropy, NoPositionsGiveZero) {
  const auto hidden_ND = torch::zeros({0, 3}).requires_grad_();
  const auto term = cross_entropy(hidden_ND, [](const auto& rows_nD) { return rows_nD.matmul(torch::ones({3, 5})); },
                                  torch::zeros({0}, torch::kLong), {});
  EXPECT_EQ(term.sum.item<double>(), 0);
  term.sum.backward();
}

TEST(SigmoidCrossEntropy, SumsTheMeansOverClassesInFullPrecision) {
  torch::manual_seed(3);
  const auto logits_BC = torch::randn({6, 5}).requires_grad_();
  const auto targets_BC = torch::randint(2, {6, 5}).to(torch::kFloat);
  const auto term = sigmoid_cross_entropy(logits_BC, targets_BC);
  EXPECT_EQ(term.name, "bce");
  EXPECT_EQ(term.count, "samples");
  const auto p_BC = logits_BC.detach().to(torch::kDouble).sigmoid();
  const auto expected = -(targets_BC * p_BC.log() + (1 - targets_BC) * (1 - p_BC).log()).mean(1).sum();
  EXPECT_NEAR(term.sum.item<double>(), expected.item<double>(), 1e-5);
  term.sum.backward();
  EXPECT_TRUE(logits_BC.grad().to(torch::kDouble).allclose((p_BC - targets_BC) / 5, 1e-5, 1e-6));
  EXPECT_EQ(sigmoid_cross_entropy(logits_BC.detach().to(torch::kBFloat16), targets_BC).sum.scalar_type(),
            torch::kFloat);
  EXPECT_EQ(sigmoid_cross_entropy(torch::zeros({0, 5}), torch::zeros({0, 5})).sum.item<double>(), 0);
}

TEST(LoadBalance, IsASumOverSamplesOfTheirOwnFrames) {
  torch::manual_seed(2);
  const auto valid_BT = length_mask(torch::tensor({5, 2}), 5);
  const auto probabilities_BTE = torch::randn({2, 5, 3}).softmax(2).requires_grad_();
  const auto chosen_BTE = torch::one_hot(probabilities_BTE.argmax(2), 3).to(torch::kBool);
  const auto term = load_balance(probabilities_BTE, chosen_BTE, valid_BT, {.weight = 0.01});
  EXPECT_EQ(term.name, "balance");
  EXPECT_EQ(term.count, "frames");
  double expected = 0;
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t T = i == 0 ? 5 : 2;
    for (int64_t e = 0; e < 3; ++e) {
      const auto f = chosen_BTE[i].slice(0, 0, T).select(1, e).to(torch::kDouble).mean().item<double>();
      const auto p = probabilities_BTE[i].slice(0, 0, T).select(1, e).to(torch::kDouble).mean().item<double>();
      expected += static_cast<double>(T) * 3 * f * p;
    }
  }
  EXPECT_NEAR(term.sum.item<double>(), expected, 1e-5);
  term.sum.backward();
  EXPECT_EQ(probabilities_BTE.grad()[1].slice(0, 2).abs().sum().item<double>(), 0);
  double apart = 0;  // however the batch is split
  for (int64_t i = 0; i < 2; ++i) {
    const auto row = [&](const torch::Tensor& x) { return x.slice(0, i, i + 1); };
    apart += load_balance(row(probabilities_BTE), row(chosen_BTE), row(valid_BT), {}).sum.item<double>();
  }
  EXPECT_NEAR(apart, expected, 1e-5);
}

TEST(LoadBalance, EvenRoutingCostsKPerFrameAndCollapseMore) {
  const auto valid_BT = torch::ones({1, 6}, torch::kBool);
  const auto even = torch::one_hot(torch::arange(6).remainder(3), 3).unsqueeze(0);
  const auto collapsed = torch::one_hot(torch::zeros({6}, torch::kLong), 3).unsqueeze(0);
  EXPECT_NEAR(load_balance(even.to(torch::kFloat), even.to(torch::kBool), valid_BT, {}).sum.item<double>(), 6, 1e-5);
  EXPECT_NEAR(load_balance(collapsed.to(torch::kFloat), collapsed.to(torch::kBool), valid_BT, {}).sum.item<double>(),
              18, 1e-5);
}

std::string problem(const std::string& yaml) {
  const usam::test::TemporaryFolder folder;
  const auto file = folder.write("saclm.yaml", yaml);
  SaclmConfig config;
  const auto message = usam::test::message_of([&] { load_config(file, {}, config); });
  return message.empty() ? "" : message.substr(folder.path().string().size() + 1);
}

TEST(SaclmOptions, EveryOptionIsRead) {
  const usam::test::TemporaryFolder folder;
  SaclmConfig c;
  load_config(folder.write("saclm.yaml",
                           "{weight: 0.5, beta: 0.25, rho: 0.4, decision: threshold, threshold: 0.6, slots: 3, "
                           "slot_hidden: 8, score_hidden: 16, "
                           "margin: 0.3, text_score: pooled, regularizer: ratio, distill: 0.2, negatives: ranks, "
                           "conditioning: none}\n"),
              {}, c);
  EXPECT_EQ(c.weight, 0.5);
  EXPECT_EQ(c.beta, 0.25);
  EXPECT_EQ(c.rho, 0.4);
  EXPECT_EQ(c.decision, Decision::kThreshold);
  EXPECT_EQ(c.threshold, 0.6);
  EXPECT_EQ(c.slots, 3);
  EXPECT_EQ(c.slot_hidden, 8);
  EXPECT_EQ(c.score_hidden, 16);
  EXPECT_EQ(c.margin, 0.3);
  EXPECT_EQ(c.text_score, TextScore::kPooled);
  EXPECT_EQ(c.distill, 0.2);
  EXPECT_EQ(c.negatives, Negatives::kRanks);
  EXPECT_EQ(c.conditioning, Conditioning::kNone);
  EXPECT_EQ(problem("{regularizer: l1}\n"), "");
}

TEST(SaclmOptions, ThresholdWithL1IsRefused) {
  EXPECT_EQ(problem("decision: threshold\nregularizer: l1\n"),
            "saclm.yaml:1:1: decision: threshold with regularizer: l1 ends at one kept frame; use regularizer: ratio, "
            "or decision: topk.");
}

}  // namespace
}  // namespace usam::losses
