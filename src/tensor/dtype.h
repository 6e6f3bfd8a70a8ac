#pragma once
#include <torch/torch.h>

#include <string>

namespace usam {

// The long name: "float32" for kFloat, "int64" for kLong, "bool" for kBool.
std::string dtype_name(torch::ScalarType dtype);

}  // namespace usam
