#include "src/decode/stop.h"

#include <algorithm>

namespace usam::decode {
namespace {

size_t first_stop(const std::string& text, const Options& options) {
  size_t first = std::string::npos;
  for (const auto& stop : options.stop) first = std::min(first, text.find(stop));
  return first;
}

}  // namespace

bool holds_stop(const Ids& ids, const Options& options) {
  return !options.stop.empty() && first_stop(options.tokenizer->decode(ids), options) != std::string::npos;
}

std::string text_of(const Ids& ids, const Options& options) {
  if (!options.tokenizer) return "";
  const auto text = options.tokenizer->decode(ids);
  return text.substr(0, first_stop(text, options));
}

}  // namespace usam::decode
