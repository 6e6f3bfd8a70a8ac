#pragma once
#include <torch/torch.h>

#include <string>

namespace usam {

// The long name: "float32" for kFloat, "int64" for kLong, "bool" for kBool.
std::string dtype_name(torch::ScalarType dtype);

// Whether products of bfloat16 are the processor's own (AVX512-BF16). Without such instructions torch takes five to
// eight times as long for them as for those of fp32 (docs/precision.md). Tests set it.
bool& has_bfloat16_products();

}  // namespace usam
