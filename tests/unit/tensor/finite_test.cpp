#include "src/tensor/finite.h"

#include <gtest/gtest.h>

#include <limits>

namespace usam {
namespace {

TEST(AllFinite, FindsOneNumberInMany) {
  for (const auto dtype : {torch::kDouble, torch::kFloat, torch::kBFloat16, torch::kHalf}) {
    auto x = torch::randn({3, 1001}).to(dtype);
    EXPECT_TRUE(all_finite(x)) << dtype;
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      auto y = x.clone();
      y[2][1000] = bad;
      EXPECT_FALSE(all_finite(y)) << dtype << bad;
      EXPECT_FALSE(all_finite(y.t())) << dtype << bad;
      EXPECT_TRUE(all_finite(y.slice(0, 0, 2))) << dtype << bad;
    }
  }
}

TEST(AllFinite, TheLargestAndTheSmallestNumbersAre) {
  const auto most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  EXPECT_TRUE(all_finite(torch::tensor({most, -most, least, 0.F})));
  EXPECT_TRUE(all_finite(torch::tensor({65504.F}).to(torch::kHalf)));
  EXPECT_TRUE(all_finite(torch::arange(5)));
  EXPECT_TRUE(all_finite(torch::empty({0})));
}

}  // namespace
}  // namespace usam
