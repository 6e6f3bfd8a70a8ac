#include "src/tensor/dtype.h"

#include <gtest/gtest.h>

namespace usam {
namespace {

TEST(Dtype, HasItsLongName) {
  EXPECT_EQ(dtype_name(torch::kFloat), "float32");
  EXPECT_EQ(dtype_name(torch::kBFloat16), "bfloat16");
  EXPECT_EQ(dtype_name(torch::kHalf), "float16");
  EXPECT_EQ(dtype_name(torch::kDouble), "float64");
  EXPECT_EQ(dtype_name(torch::kLong), "int64");
  EXPECT_EQ(dtype_name(torch::kBool), "bool");
}

}  // namespace
}  // namespace usam
