#pragma once
// What a parity test compared, for docs/parity.md: a line of JSON in the file that USAM_PARITY_LOG names
// (tools/parity/table.py makes the table).
#include <torch/torch.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "src/base/json.h"

namespace usam::test {

// Largest difference, as it is and relative to the largest value expected; infinite for other shapes.
struct Error {
  double absolute = INFINITY, relative = INFINITY;
};

inline Error error_of(const torch::Tensor& got, const torch::Tensor& expected) {
  if (got.sizes() != expected.sizes()) return {};
  const auto wide = expected.to(torch::kDouble);
  const double difference = (got.to(torch::kDouble) - wide).abs().max().item<double>();
  return {difference, difference / std::max(wide.abs().max().item<double>(), 1e-12)};
}

// The error, noted under the model and what of it was compared.
inline Error noted_error(const std::string& model, const std::string& tensor, const torch::Tensor& got,
                         const torch::Tensor& expected) {
  const Error error = error_of(got, expected);
  if (const char* log = std::getenv("USAM_PARITY_LOG")) {
    const Json line = {
        {"model", model}, {"tensor", tensor}, {"absolute", error.absolute}, {"relative", error.relative}};
    std::ofstream(log, std::ios::app) << line.dump() + "\n";  // one write a line: tests run side by side
  }
  return error;
}

}  // namespace usam::test
