#include "src/nn/int8_product.h"

#include <gtest/gtest.h>

namespace usam::nn {
namespace {

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

Int8Rows random_rows(int64_t rows, int64_t columns) {
  return {torch::randint(-127, 128, {rows, columns}, torch::kChar), torch::rand({rows})};
}

// Whole registers of codes and rests, blocks of rows and outputs and rests, outputs beyond one stretch of the cache.
TEST(Int8Product, IsTorchsIntegerProductScaled) {
  if (!has_avx2()) GTEST_SKIP() << "this processor has no AVX2";
  torch::manual_seed(1);
  for (auto [rows, columns, outputs] : {std::array<int64_t, 3>{1, 1, 1},
                                        {3, 16, 2},
                                        {4, 40, 24},
                                        {9, 31, 7},
                                        {17, 130, 1100},
                                        {64, 512, 301},
                                        {0, 8, 4},
                                        {2, 0, 3}}) {
    const auto x = random_rows(rows, columns), weight = random_rows(outputs, columns);
    const auto bias_O = torch::randn({outputs});
    const auto sums_RO = x.codes_RC.to(torch::kDouble).mm(weight.codes_RC.to(torch::kDouble).t()).to(torch::kInt);
    for (const auto& bias : {bias_O, torch::Tensor()}) {
      const auto expected = scale_sums(sums_RO, x.scales_R, weight.scales_R, bias);
      EXPECT_TRUE(int8_product(x, weight, bias).allclose(expected, 1e-6, 1e-4)) << rows << " " << columns;
      const Int8Rows by_column{weight.codes_RC.t().contiguous().t(), weight.scales_R};
      EXPECT_TRUE(int8_product(x, by_column, bias).allclose(expected, 1e-6, 1e-4)) << rows << " " << columns;
    }
  }
}

// Neighbouring products of the largest codes would overflow the 16-bit sums of AVX2's own product of bytes.
TEST(Int8Product, LargestCodesAreSummedExactly) {
  if (!has_avx2()) GTEST_SKIP() << "this processor has no AVX2";
  const int64_t columns = 1000;
  Int8Rows x{torch::full({5, columns}, 127, torch::kChar), torch::ones({5})};
  const Int8Rows weight{torch::full({3, columns}, -127, torch::kChar), torch::ones({3})};
  EXPECT_TRUE(int8_product(x, weight, {}).eq(-127.0 * 127 * columns).all().item<bool>());
  x.scales_R[2] = std::nan("");
  const auto y_RO = int8_product(x, weight, {});
  EXPECT_TRUE(y_RO[2].isnan().all().item<bool>());
  EXPECT_FALSE(y_RO[1].isnan().any().item<bool>());
}

}  // namespace
}  // namespace usam::nn
