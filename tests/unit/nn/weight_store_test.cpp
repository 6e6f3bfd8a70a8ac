// Weights in fewer bits: M rows, I inputs, O outputs.
#include "src/nn/weight_store.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/nn/few_rows.h"
#include "src/nn/int8_product.h"
#include "src/nn/linear.h"
#include "src/nn/quantise.h"
#include "src/tensor/dtype.h"
#include "src/tensor/peak_bytes.h"

namespace usam::nn {
namespace {

double relative_rms(const torch::Tensor& got, const torch::Tensor& expected) {
  const auto a = got.to(torch::kDouble), b = expected.to(torch::kDouble);
  return ((a - b).pow(2).mean() / b.pow(2).mean()).sqrt().item<double>();
}

TEST(Int8Rows, AreTheNearestCodesOfEachRow) {
  torch::manual_seed(1);
  for (int64_t columns : {1, 15, 16, 37, 64}) {
    auto x_RC = torch::randn({5, columns}) * torch::tensor({1e-6, 1.0, 3e4, 0.0, 7.0}).unsqueeze(1);
    const auto rows = quantise_rows(x_RC);
    for (int64_t r = 0; r < 5; ++r) {
      float peak = 0;
      for (int64_t c = 0; c < columns; ++c) peak = std::max(peak, std::fabs(x_RC[r][c].item<float>()));
      EXPECT_EQ(rows.scales_R[r].item<float>(), peak / 127);
      for (int64_t c = 0; c < columns; ++c) {
        const float exact = peak == 0 ? 0 : x_RC[r][c].item<float>() * 127 / peak;
        EXPECT_LE(std::fabs(static_cast<float>(rows.codes_RC[r][c].item<int>()) - exact), 0.5001F);
      }
    }
    EXPECT_TRUE(dequantise_rows(rows).equal(rows.codes_RC.to(torch::kFloat) * rows.scales_R.unsqueeze(1)));
  }
  // Ties go to the even code; the largest magnitude has the code 127.
  const auto codes_RC = quantise_rows(torch::tensor({{127.0, 0.5, 1.5, -0.5, -2.5, -127.0}})).codes_RC;
  EXPECT_TRUE(codes_RC.equal(torch::tensor({{127, 0, 2, 0, -2, -127}}, torch::kChar)));
}

TEST(Int8Rows, DoNotHideNan) {
  for (int64_t at : {3, 18}) {
    auto x_RC = torch::ones({2, 20});
    x_RC[1][at] = NAN;
    const auto scales_R = quantise_rows(x_RC).scales_R;
    EXPECT_FALSE(std::isnan(scales_R[0].item<float>()));
    EXPECT_TRUE(std::isnan(scales_R[1].item<float>()));
    x_RC[1][at] = INFINITY;
    EXPECT_FALSE(std::isfinite(quantise_rows(x_RC).scales_R[1].item<float>()));
  }
}

// The published table (QLoRA's appendix E) and its definition, block by block.
TEST(Nf4, IsThatOfPlainLoops) {
  const double table[16] = {-1.0,
                            -0.6961928009986877,
                            -0.5250730514526367,
                            -0.39491748809814453,
                            -0.28444138169288635,
                            -0.18477343022823334,
                            -0.09105003625154495,
                            0.0,
                            0.07958029955625534,
                            0.16093020141124725,
                            0.24611230194568634,
                            0.33791524171829224,
                            0.44070982933044434,
                            0.5626170039176941,
                            0.7229568362236023,
                            1.0};
  torch::manual_seed(2);
  for (int64_t count : {64, 63, 130, 640}) {
    const auto x = torch::randn({count});
    const auto packed = quantise_nf4(x);
    ASSERT_EQ(packed.scales.numel(), (count + 63) / 64);
    ASSERT_EQ(packed.codes.numel(), packed.scales.numel() * 32);
    const auto got = dequantise_nf4(packed, 0, count);
    for (int64_t begin = 0; begin < count; begin += 64) {
      const int64_t end = std::min(begin + 64, count);
      double peak = 0;
      for (int64_t i = begin; i < end; ++i) peak = std::max(peak, std::fabs(x[i].item<double>()));
      for (int64_t i = begin; i < end; ++i) {
        int best = 0;
        for (int v = 1; v < 16; ++v)
          if (std::fabs(x[i].item<double>() / peak - table[v]) < std::fabs(x[i].item<double>() / peak - table[best]))
            best = v;
        EXPECT_NEAR(got[i].item<double>(), table[best] * peak, 1e-6 * peak);
        const int byte = packed.codes[i / 2].item<int>();
        EXPECT_EQ(i % 2 == 0 ? byte / 16 : byte % 16, best);
      }
    }
    // Any stretch of them.
    for (int64_t first : {0, 1, 2, 61})
      EXPECT_TRUE(dequantise_nf4(packed, first, count - first - 1).equal(got.slice(0, first, count - 1)));
  }
  EXPECT_TRUE(dequantise_nf4(quantise_nf4(torch::zeros({70})), 0, 70).equal(torch::zeros({70})));
}

TEST(WeightStore, ErrorsAreThoseOfTheBits) {
  torch::manual_seed(3);
  const auto weight_OI = torch::randn({200, 128}) / 11;
  EXPECT_LT(relative_rms(dense_weight(store_weight(weight_OI, WeightStore::kInt8), torch::kFloat), weight_OI), 8e-3);
  EXPECT_LT(relative_rms(dense_weight(store_weight(weight_OI, WeightStore::kNf4), torch::kFloat), weight_OI), 0.1);
  const auto x_MI = torch::randn({50, 128}), y_MO = torch::linear(x_MI, weight_OI);
  const auto dynamic = store_weight(weight_OI, WeightStore::kInt8Dynamic);
  EXPECT_LT(relative_rms(stored_product(x_MI, dynamic, {}), y_MO), 1.2e-2);
  const auto dy_MO = torch::randn({50, 200});
  EXPECT_LT(relative_rms(stored_input_gradient(dy_MO, dynamic), dy_MO.mm(weight_OI)), 1.4e-2);
  const auto bits = store_weight(weight_OI, WeightStore::kInt8);
  EXPECT_LT(bits.values.nbytes() + bits.scales.nbytes(), weight_OI.nbytes() * 0.27);
  const auto packed = store_weight(weight_OI, WeightStore::kNf4);
  EXPECT_LT(packed.values.nbytes() + packed.scales.nbytes(), weight_OI.nbytes() * 0.15);
}

// Rows from one to more than fit a decoding step, widths that are no whole vectors, panels that split the outputs.
TEST(WeightStore, ProductsAreThoseOfTheValues) {
  torch::manual_seed(4);
  for (auto [outputs, inputs] : {std::pair(33, 48), {40, 37}, {4100, 1056}}) {
    const auto weight_OI = torch::randn({outputs, inputs}) / std::sqrt(inputs);
    const auto bias_O = torch::randn({outputs});
    for (WeightStore store : {WeightStore::kPlain, WeightStore::kInt8, WeightStore::kNf4}) {
      const auto stored =
          store_weight(store == WeightStore::kPlain ? weight_OI.to(torch::kBFloat16) : weight_OI, store);
      const auto dense_OI = dense_weight(stored, torch::kFloat);
      for (int64_t rows : {0, 1, 2, 4, 7, 16, 17, 40}) {
        const auto x_MI = torch::randn({rows, inputs}), dy_MO = torch::randn({rows, outputs});
        const auto y_MO = stored_product(x_MI, stored, bias_O);
        EXPECT_TRUE(y_MO.allclose(torch::linear(x_MI, dense_OI, bias_O), 1e-4, 1e-5)) << rows << " " << inputs;
        EXPECT_TRUE(stored_input_gradient(dy_MO, stored).allclose(dy_MO.mm(dense_OI), 1e-4, 3e-5));
      }
      const auto x = torch::randn({2, 3, inputs}).to(torch::kBFloat16);
      EXPECT_TRUE(stored_product(x, stored, bias_O)
                      .equal(torch::linear(x, dense_OI.to(torch::kBFloat16), bias_O.to(torch::kBFloat16))));
    }
  }
}

// By the processor's own products where it has them, and as on one that has not.
TEST(WeightStore, RowsBecomeBFloat16Too) {
  torch::manual_seed(9);
  const auto weight_OI = torch::randn({70, 96}) / 10, bias_O = torch::randn({70});
  const auto stored = store_weight(weight_OI, WeightStore::kBFloat16Dynamic);
  EXPECT_EQ(stored.values.scalar_type(), torch::kBFloat16);
  const auto dense_OI = stored.values.to(torch::kDouble);
  const bool had = has_bfloat16_products();
  for (const bool has : {had, false}) {
    has_bfloat16_products() = has;
    const double rounding = has ? 5e-3 : 1e-6;  // of the results
    for (int64_t rows : {0, 17, 40}) {
      const auto x_MI = torch::randn({rows, 96}), dy_MO = torch::randn({rows, 70});
      const auto in_bits = [](const torch::Tensor& x) { return x.to(torch::kBFloat16).to(torch::kDouble); };
      const auto y_MO = stored_product(x_MI, stored, bias_O), dx_MI = stored_input_gradient(dy_MO, stored);
      EXPECT_EQ(y_MO.scalar_type(), torch::kFloat);
      EXPECT_EQ(dx_MI.scalar_type(), torch::kFloat);
      EXPECT_TRUE(
          y_MO.to(torch::kDouble)
              .allclose(torch::linear(in_bits(x_MI), dense_OI, bias_O.to(torch::kDouble)), rounding, 2 * rounding));
      EXPECT_TRUE(dx_MI.to(torch::kDouble).allclose(in_bits(dy_MO).mm(dense_OI), rounding, 2 * rounding));
    }
    // Steps of decoding read the weight alone, exactly.
    const auto x_MI = torch::randn({3, 96});
    EXPECT_TRUE(stored_product(x_MI, stored, {})
                    .to(torch::kDouble)
                    .allclose(x_MI.to(torch::kDouble).mm(dense_OI.t()), 1e-5, 1e-5));
  }
  has_bfloat16_products() = had;
}

// By torch's product and, where the processor can, by ours; in both passes.
TEST(WeightStore, WholeNumbersGiveWhatTheirCodesMean) {
  torch::manual_seed(5);
  const auto weight_OI = torch::randn({24, 40}), bias_O = torch::randn({24});
  const auto stored = store_weight(weight_OI, WeightStore::kInt8Dynamic);
  const bool preferred = prefers_own_int8_product();
  for (const bool prefers : {preferred, false}) {
    prefers_own_int8_product() = prefers;
    for (int64_t rows : {0, 1, 5, 33}) {
      const auto x_MI = torch::randn({rows, 40});
      const auto expected = torch::linear(dequantise_rows(quantise_rows(x_MI)).to(torch::kDouble),
                                          dense_weight(stored, torch::kDouble), bias_O.to(torch::kDouble));
      EXPECT_TRUE(stored_product(x_MI, stored, bias_O).to(torch::kDouble).allclose(expected, 1e-5, 1e-5));
      const auto half = stored_product(x_MI.to(torch::kBFloat16), stored, bias_O);
      EXPECT_EQ(half.scalar_type(), torch::kBFloat16);
      const auto dy_MO = torch::randn({rows, 24});
      const auto dx_MI = stored_input_gradient(dy_MO, stored);
      const auto given_MO = dequantise_rows(quantise_rows(dy_MO * stored.scales)).to(torch::kDouble);
      EXPECT_TRUE(dx_MI.to(torch::kDouble).allclose(given_MO.mm(stored.values.to(torch::kDouble)), 1e-5, 1e-5));
      EXPECT_EQ(stored_input_gradient(dy_MO.to(torch::kBFloat16), stored).scalar_type(), torch::kBFloat16);
    }
  }
  prefers_own_int8_product() = preferred;
}

TEST(WeightStore, GradientsAreThoseOfTheValues) {
  torch::manual_seed(6);
  for (WeightStore store : {WeightStore::kInt8, WeightStore::kNf4}) {
    Linear layer(48, 32);
    layer->keep(torch::randn({32, 48}), store);
    EXPECT_FALSE(layer->weight.requires_grad());
    layer->bias.requires_grad_(true);
    const auto x = torch::randn({2, 9, 48}).requires_grad_();
    const auto dy = torch::randn({2, 9, 32});
    layer(x).backward(dy);
    const auto dense_OI = layer->values();
    EXPECT_TRUE(x.grad().allclose(dy.matmul(dense_OI), 1e-5, 1e-5));
    EXPECT_TRUE(layer->bias.grad().allclose(dy.sum({0, 1}), 1e-5, 1e-5));
    EXPECT_TRUE(layer->input_gradient(dy).allclose(x.grad(), 1e-6, 1e-6));
  }
}

TEST(WeightStore, LowerTypesAreComputedWithInTheTypeOfTheRows) {
  torch::manual_seed(7);
  Linear layer(32, 16);
  layer->weight.requires_grad_(false);
  layer->keep(torch::randn({16, 32}).to(torch::kBFloat16), WeightStore::kPlain);
  const auto x = torch::randn({20, 32});
  const auto y = layer(x);
  EXPECT_EQ(y.scalar_type(), torch::kFloat);
  EXPECT_TRUE(y.allclose(torch::linear(x, layer->values(), layer->bias), 1e-5, 1e-5));
  // Under autocast it is a layer like all others.
  at::autocast::set_autocast_enabled(torch::kCPU, true);
  const auto lower = layer(x), int8 = [&] {
    Linear coded(32, 16);
    coded->keep(torch::randn({16, 32}), WeightStore::kInt8);
    return coded(x);
  }();
  at::autocast::set_autocast_enabled(torch::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(lower.scalar_type(), torch::kBFloat16);
  EXPECT_EQ(int8.scalar_type(), torch::kBFloat16);
}

// What autograd keeps of a layer in fewer bits is its codes, which are there anyway.
TEST(WeightStore, TheGraphKeepsNoValues) {
  Linear layer(64, 64);
  layer->keep(torch::randn({64, 64}), WeightStore::kInt8);
  const auto x = torch::randn({30, 64}).requires_grad_();
  torch::Tensor y;
  EXPECT_EQ(PeakBytes([&] { y = layer(x); }).left(), 30 * 64 * 4);
  EXPECT_EQ(layer->weight.nbytes(), 64 * 64);
}

}  // namespace
}  // namespace usam::nn
