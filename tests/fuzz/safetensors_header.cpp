// The header of a safetensors file: eight bytes that say how much data follows it, then the JSON.
#include <cstring>

#include "src/io/safetensors_header.h"
#include "tests/fuzz/fuzz.h"

namespace usam::fuzz {
namespace {

std::string seed(uint64_t data_size, const std::string& json) {
  std::string bytes(sizeof data_size, '\0');
  std::memcpy(bytes.data(), &data_size, sizeof data_size);
  return bytes + json;
}

}  // namespace

std::vector<std::string> seeds() {
  return {seed(0, "{}"), seed(24, R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})"),
          seed(7, R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},)"
                  R"("b":{"dtype":"BOOL","shape":[],"data_offsets":[6,7]}} )"),
          seed(16, R"({"a":{"dtype":"I64","shape":[0,5],"data_offsets":[0,0]},)"
                   R"("b":{"data_offsets":[0,16],"shape":[1,2],"dtype":"F64"}})")};
}

void read(std::string_view bytes) {
  uint64_t data_size = 0;
  if (bytes.size() < sizeof data_size) return;
  std::memcpy(&data_size, bytes.data(), sizeof data_size);
  const auto header = io::parse_safetensors_header("a.safetensors", bytes.substr(sizeof data_size), data_size);
  uint64_t end = 0;
  for (const auto& tensor : header.tensors) {
    if (tensor.begin != end || tensor.end < tensor.begin || tensor.end > data_size) std::abort();
    end = tensor.end;
  }
  if (end != data_size) std::abort();
}

}  // namespace usam::fuzz
