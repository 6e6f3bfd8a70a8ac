#include "src/decode/text_stream.h"

#include <algorithm>

#include "src/decode/stop.h"

namespace usam::decode {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // what bytes of half a character are decoded to

// Bytes at the end of a text that more tokens may change.
size_t open_bytes(std::string_view text, const Options& options) {
  size_t open = 0;
  while (text.substr(0, text.size() - open).ends_with(kReplacement)) open += kReplacement.size();
  for (const auto& stop : options.stop)
    for (size_t size = std::min(stop.size(), text.size()); size > open; --size)
      if (text.ends_with(std::string_view(stop).substr(0, size))) open = size;
  return open;
}

}  // namespace

std::string TextStream::next(const Ids& so_far) {
  if (options_.beams > 1) return "";
  auto text = text_of(so_far, options_);
  text.resize(text.size() - open_bytes(text, options_));
  return rest(text);
}

std::string TextStream::rest(const std::string& text) {
  if (!text.starts_with(told_)) return "";
  const auto more = text.substr(told_.size());
  told_ = text;
  return more;
}

}  // namespace usam::decode
