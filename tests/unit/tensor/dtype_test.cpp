#include "src/tensor/dtype.h"

#include "src/base/error.h"
#include "tests/support.h"

namespace usam {
namespace {

TEST(Dtype, NamesOfConfigsAndModelFolders) {
  for (const char* name : {"fp32", "float32", "torch.float32"}) EXPECT_EQ(dtype_from_name(name), torch::kFloat) << name;
  for (const char* name : {"bf16", "bfloat16", "torch.bfloat16"})
    EXPECT_EQ(dtype_from_name(name), torch::kBFloat16) << name;
  for (const char* name : {"fp16", "float16"}) EXPECT_EQ(dtype_from_name(name), torch::kHalf) << name;
  for (auto dtype : {torch::kFloat, torch::kBFloat16, torch::kHalf, torch::kDouble})
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  EXPECT_EQ(dtype_name(torch::kLong), "int64");
  EXPECT_EQ(dtype_name(torch::kBool), "bool");
}

TEST(Dtype, RefusesAnotherName) {
  EXPECT_EQ(
      test::message_of([] { dtype_from_name("int8"); }),
      "'int8' is not a floating type that usam knows: float32, bfloat16, float16 or float64 (fp32, bf16, fp16, fp64)");
  EXPECT_THROW(dtype_from_name(""), UserError);
}

}  // namespace
}  // namespace usam
