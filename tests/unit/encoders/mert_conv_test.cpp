// MERT's convolutions in the forms that kernels of their own have.
#include "src/models/mert/first_layer.h"
#include "src/nn/quantise.h"
#include "tests/unit/encoders/tiny.h"

namespace usam {
namespace {

using namespace test;

double relative_rms(const torch::Tensor& got, const torch::Tensor& expected) {
  return ((got - expected).pow(2).mean() / expected.pow(2).mean()).sqrt().item<double>();
}

TEST(FirstLayer, IsConvolutionNormAndGelu) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  for (const int64_t channels : {16, 48, 128}) {
    const FirstLayer layer{torch::randn({channels, 1, 10}), 5, torch::rand({channels}) + 0.5, torch::randn({channels}),
                           1e-5};
    const auto wave_Bn = torch::randn({3, 4000}) * 0.1 + 0.3;
    ASSERT_TRUE(can_fuse(layer, wave_Bn));
    const std::vector<int64_t> lengths = {799, 1, 520};
    const auto got_BTC = first_layer(layer, wave_Bn, lengths);
    ASSERT_EQ(got_BTC.sizes(), (std::vector<int64_t>{3, 799, channels}));
    for (int64_t b = 0; b < 3; ++b) {
      const int64_t length = lengths[static_cast<size_t>(b)];
      const auto y_CT = torch::conv1d(wave_Bn[b].view({1, 1, -1}).to(torch::kDouble),
                                      layer.weight_C1K.to(torch::kDouble), {}, layer.stride)[0]
                            .narrow(1, 0, length);
      const auto mean_C1 = y_CT.mean(1, true);
      const auto normed_CT = (y_CT - mean_C1) / ((y_CT - mean_C1).square().mean(1, true) + 1e-5).sqrt();
      const auto expected_TC = torch::gelu(normed_CT.t() * layer.gain_C + layer.shift_C).to(torch::kFloat);
      const auto apart = (got_BTC[b].narrow(0, 0, length) - expected_TC).abs().max().item<double>();
      EXPECT_LT(apart, 2e-5) << channels << " " << b;
      EXPECT_EQ(got_BTC[b].narrow(0, length, 799 - length).abs().sum().item<double>(), 0);
    }
  }
}

TEST(FirstLayer, LeavesOtherCasesToTorch) {
  const torch::NoGradGuard no_grad;
  FirstLayer layer{torch::randn({32, 1, 10}), 5, torch::ones({32}), torch::zeros({32}), 1e-5};
  EXPECT_TRUE(can_fuse(layer, torch::randn({1, 400})));
  EXPECT_FALSE(can_fuse(layer, torch::randn({1, 400}, torch::kDouble)));
  {
    const torch::AutoGradMode grad(true);
    EXPECT_FALSE(can_fuse(layer, torch::randn({1, 400}).requires_grad_()));
  }
  layer.weight_C1K = torch::randn({24, 1, 10});
  EXPECT_FALSE(can_fuse(layer, torch::randn({1, 400})));
}

// Groups, padding, strides: within the error of two roundings to int8, and exactly that of the codes for rows of codes.
TEST(MertConv, CodesGiveTheConvolution) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(4);
  for (const auto& [kernel, stride, padding, groups] :
       {std::tuple(3, 2, 0, 1), {2, 2, 0, 1}, {16, 1, 8, 4}, {5, 3, 1, 2}}) {
    MertConvOptions options{32, 48, kernel, stride};
    options.padding = padding, options.groups = groups;
    MertConv plain(options), coded(options);
    coded->weight.copy_(plain->weight), coded->bias.copy_(plain->bias);
    coded->quantise();
    EXPECT_EQ(coded->coded(), "weight");
    EXPECT_EQ(plain->coded(), "");
    for (const bool steps_lie_apart : {false, true}) {
      auto x_BCT = torch::randn({2, 32, 40});
      if (steps_lie_apart) x_BCT = x_BCT.transpose(1, 2).contiguous().transpose(1, 2);
      const auto expected = plain(x_BCT), got = coded(x_BCT);
      ASSERT_EQ(got.sizes(), expected.sizes());
      EXPECT_LT(relative_rms(got, expected), 1.3e-2) << kernel;
    }
    // Other values take the place of these.
    const auto other = torch::randn_like(plain->weight);
    MertConv fresh(options);
    fresh->weight.copy_(other);
    fresh->quantise();
    coded->take_values(other);
    EXPECT_TRUE(coded->weight.equal(fresh->weight));
    EXPECT_TRUE(coded->scales.equal(fresh->scales));
  }
}

// Steps one after the other are taken as rows: the same but for rounding, any other layout by torch.
TEST(MertConv, RowsGiveTheConvolution) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(4);
  for (const auto& [kernel, stride] : {std::pair(3, 2), {2, 2}, {1, 1}, {2, 3}, {7, 3}, {3, 1}})
    for (const bool has_bias : {false, true})
      for (const int64_t length : {7, 8, 9, 40}) {
        MertConvOptions options{32, 48, kernel, stride};
        options.bias = has_bias;
        MertConv conv(options);
        const auto x_BCT = torch::randn({2, 32, length});
        const auto expected = conv(x_BCT), got = conv(x_BCT.transpose(1, 2).contiguous().transpose(1, 2));
        EXPECT_TRUE(expected.is_contiguous());
        EXPECT_TRUE(got.transpose(1, 2).is_contiguous());
        ASSERT_EQ(got.sizes(), expected.sizes());
        EXPECT_LT((got - expected).abs().max().item<double>(), 2e-6) << kernel << " " << stride << " " << length;
      }
}

TEST(MertConv, RowsMayOverlap) {
  const auto x = torch::randn({200});
  const auto windows = x.as_strided({60, 9}, {3, 1});
  const auto got = nn::quantise_rows(windows), expected = nn::quantise_rows(windows.contiguous());
  EXPECT_TRUE(got.codes_RC.equal(expected.codes_RC));
  EXPECT_TRUE(got.scales_R.equal(expected.scales_R));
}

}  // namespace
}  // namespace usam
