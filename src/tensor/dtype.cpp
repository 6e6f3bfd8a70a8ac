#include "src/tensor/dtype.h"

namespace usam {

std::string dtype_name(torch::ScalarType dtype) {
  switch (dtype) {
    case torch::kFloat:
      return "float32";
    case torch::kBFloat16:
      return "bfloat16";
    case torch::kHalf:
      return "float16";
    case torch::kDouble:
      return "float64";
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

bool& has_bfloat16_products() {
#if defined(__x86_64__)
  static bool has = __builtin_cpu_supports("avx512bf16");
#else
  static bool has = false;
#endif
  return has;
}

}  // namespace usam
