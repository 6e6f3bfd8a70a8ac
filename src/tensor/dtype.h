#pragma once
#include <torch/torch.h>

#include <string>

namespace usam {

// The names that configs and model folders use for floating types: "fp32" | "float32" -> kFloat, "bf16" | "bfloat16",
// "fp16" | "float16", "float64"; a leading "torch." (older config.json files) is dropped. UserError for another name.
torch::ScalarType dtype_from_name(const std::string& name);
// The long name: "float32" for kFloat, "int64" for kLong, "bool" for kBool.
std::string dtype_name(torch::ScalarType dtype);

}  // namespace usam
