#include "src/tensor/dtype.h"

#include "src/base/error.h"

namespace usam {
namespace {

struct Floating {
  const char *long_name, *short_name;
  torch::ScalarType dtype;
};

constexpr Floating kFloating[] = {
    {"float32", "fp32", torch::kFloat},
    {"bfloat16", "bf16", torch::kBFloat16},
    {"float16", "fp16", torch::kHalf},
    {"float64", "fp64", torch::kDouble},
};

}  // namespace

torch::ScalarType dtype_from_name(const std::string& name) {
  const std::string bare = name.starts_with("torch.") ? name.substr(6) : name;
  for (const auto& entry : kFloating)
    if (bare == entry.long_name || bare == entry.short_name) return entry.dtype;
  user_error(
      "'{}' is not a floating type that usam knows: float32, bfloat16, float16 or float64 (fp32, bf16, fp16, fp64)",
      name);
}

std::string dtype_name(torch::ScalarType dtype) {
  for (const auto& entry : kFloating)
    if (entry.dtype == dtype) return entry.long_name;
  switch (dtype) {
    case torch::kLong:
      return "int64";
    case torch::kInt:
      return "int32";
    case torch::kShort:
      return "int16";
    case torch::kChar:
      return "int8";
    case torch::kByte:
      return "uint8";
    case torch::kBool:
      return "bool";
    default:
      return toString(dtype);
  }
}

}  // namespace usam
