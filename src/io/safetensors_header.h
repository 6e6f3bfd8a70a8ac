#pragma once
// The header of a safetensors file, checked against the size of the file before anybody looks at a tensor.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/io/safetensors.h"

namespace usam::io {

// Reference: the format section of the safetensors library. Longer headers are refused before they are parsed.
constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

struct TensorEntry {
  std::string name;
  torch::ScalarType dtype = torch::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, from the start of the data
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of their bytes
  Metadata metadata;
};

// Parses `json` (the header without its length) of the file `path` that holds `data_size` bytes after the header. One
// pass, no tree: memory is a small multiple of the header's size whatever it nests. UserError names file and tensor.
SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view json, uint64_t data_size);

// "F32" and so on; "" for a dtype that usam does not store.
std::string safetensors_dtype_name(torch::ScalarType dtype);

}  // namespace usam::io
