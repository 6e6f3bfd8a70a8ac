// O outputs, I inputs.
#include "src/nn/few_rows.h"

#include <gtest/gtest.h>

#include "src/nn/linear.h"

namespace usam::nn {
namespace {

constexpr WeightStore kStores[] = {WeightStore::kPlain, WeightStore::kInt8, WeightStore::kNf4};

TEST(FewRows, EqualTorchsProductWithTheDenseWeight) {
  torch::manual_seed(5);
  for (const auto store : kStores) {
    for (const int64_t inputs : {8, 64, 83, 320}) {
      if (store == WeightStore::kNf4 && inputs % 64 != 0) continue;
      for (const int64_t outputs : {1, 6, 45}) {
        const auto weight = store_weight(torch::randn({outputs, inputs}), store);
        const auto bias_O = torch::randn({outputs});
        for (const int64_t rows : {1, 2, 3, 4, 7, 16}) {
          const auto x = torch::randn({rows, 1, inputs});
          ASSERT_TRUE(can_take_few_rows(x, weight));
          const auto expected = torch::linear(x, dense_weight(weight, torch::kFloat), bias_O);
          const auto got = product_of_few_rows(x, weight, bias_O);
          EXPECT_TRUE(torch::allclose(got, expected, 1e-5, 2e-5)) << rows << " x " << inputs << " x " << outputs;
        }
      }
    }
  }
}

TEST(FewRows, WeightsOfHalfTheSizeAreWidenedExactly) {
  torch::manual_seed(5);
  const auto half_OI = torch::randn({9, 83}).to(torch::kBFloat16);
  const auto x = torch::randn({4, 83});
  const auto got = product_of_few_rows(x, {WeightStore::kPlain, 9, 83, half_OI, {}});
  EXPECT_TRUE(torch::equal(got, product_of_few_rows(x, {WeightStore::kPlain, 9, 83, half_OI.to(torch::kFloat), {}})));
}

TEST(FewRows, ARowDoesNotDependOnTheOthers) {
  torch::manual_seed(5);
  for (const auto store : kStores) {
    const auto weight = store_weight(torch::randn({45, 128}), store);
    const auto x = torch::randn({16, 128});
    const auto together = product_of_few_rows(x, weight);
    for (const int64_t rows : {1, 3, 6})
      EXPECT_TRUE(torch::equal(product_of_few_rows(x.narrow(0, 2, rows), weight), together.narrow(0, 2, rows)));
  }
}

TEST(FewRows, WeightsMayLieAnywhere) {
  torch::manual_seed(5);
  const auto all = torch::randn({1 + 45 * 64});
  const auto odd_OI = all.narrow(0, 1, 45 * 64).view({45, 64});  // as a mapped file may have them
  const auto x = torch::randn({1 + 3 * 64}).narrow(0, 1, 3 * 64).view({3, 64});
  const auto got = product_of_few_rows(x, {WeightStore::kPlain, 45, 64, odd_OI, {}});
  EXPECT_TRUE(torch::allclose(got, x.mm(odd_OI.t()), 1e-5, 2e-5));
}

TEST(FewRows, TakesNoManyRowsNorOtherTypes) {
  const StoredWeight weight{WeightStore::kPlain, 4, 32, torch::randn({4, 32}), {}};
  EXPECT_TRUE(can_take_few_rows(torch::randn({16, 32}), weight));
  EXPECT_FALSE(can_take_few_rows(torch::randn({17, 32}), weight));
  EXPECT_FALSE(can_take_few_rows(torch::randn({1, 32}, torch::kDouble), weight));
}

TEST(FewRows, RowsOfAnotherWidthAreRefused) {
  const c10::InferenceMode inference;
  const auto plain_OI = torch::randn({8, 64});
  EXPECT_FALSE(can_take_few_rows(torch::randn({2, 128}), store_weight(plain_OI, WeightStore::kPlain)));
  for (const int64_t width : {32, 128}) {
    const auto x = torch::randn({2, width});
    EXPECT_THROW(nn::linear(x, plain_OI, {}), c10::Error) << width;
    for (const auto store : kStores) {
      Linear layer(64, 8);
      layer->keep(plain_OI, store);
      EXPECT_THROW(layer->product(x), c10::Error) << width;
    }
  }
}

TEST(FewRows, LinearLayersTakeThemInInferenceModeOnly) {
  torch::manual_seed(5);
  Linear layer(40, 9);
  const auto x = torch::randn({2, 1, 40});
  const auto by_torch = torch::linear(x, layer->weight, layer->bias);
  EXPECT_TRUE(torch::equal(layer(x), by_torch));
  const c10::InferenceMode inference;
  const auto own = layer(x);
  EXPECT_TRUE(torch::allclose(own, by_torch, 1e-5, 1e-6));
  const StoredWeight weight{WeightStore::kPlain, 9, 40, layer->weight, {}};
  EXPECT_TRUE(torch::equal(own, product_of_few_rows(x, weight, layer->bias)));
}

}  // namespace
}  // namespace usam::nn
