#pragma once
// From tokens back to text: the decoders of a tokenizer.json.
#include <string>
#include <vector>

#include "src/text/tokenizer_spec.h"

namespace usam::text {

class TokenDecoder {
 public:
  explicit TokenDecoder(std::vector<DecoderStep> steps) : steps_(std::move(steps)) {}
  // Bytes that are no UTF-8 become U+FFFD.
  std::string operator()(std::vector<std::string> tokens) const;

 private:
  std::vector<DecoderStep> steps_;
};

}  // namespace usam::text
