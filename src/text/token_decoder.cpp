#include "src/text/token_decoder.h"

#include <charconv>
#include <optional>

#include "src/text/bpe.h"
#include "src/text/unicode.h"

namespace usam::text {
namespace {

// A token of characters that all stand for bytes is those bytes; any other is its own text.
void append_bytes(const std::string& token, std::string& bytes) {
  const size_t before = bytes.size();
  char32_t point = 0;
  for (size_t at = 0; at < token.size();) {
    at += decode_point(token, at, point);
    const int byte = byte_of_character(point);
    if (byte < 0) {
      bytes.resize(before);
      bytes += token;
      return;
    }
    bytes += static_cast<char>(byte);
  }
}

// The byte that "<0x0A>" names.
std::optional<char> byte_of_token(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

// Runs of byte tokens become their text, or as many U+FFFD where they are none.
std::vector<std::string> without_byte_tokens(const std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (is_valid_utf8(run))
      out.push_back(run);
    else
      out.insert(out.end(), run.size(), "\uFFFD");
    run.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto byte = byte_of_token(token)) {
      run += *byte;
    } else {
      flush();
      out.push_back(token);
    }
  }
  flush();
  return out;
}

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

std::string stripped(std::string token, const DecoderStep& step) {
  for (int64_t n = 0; n < step.start && token.starts_with(step.from); ++n) token.erase(0, step.from.size());
  for (int64_t n = 0; n < step.stop && token.ends_with(step.from); ++n) token.resize(token.size() - step.from.size());
  return token;
}

}  // namespace

std::string TokenDecoder::operator()(std::vector<std::string> tokens) const {
  for (const DecoderStep& step : steps_) {
    switch (step.kind) {
      case DecoderStep::Kind::kByteLevel: {
        std::string bytes;
        for (const std::string& token : tokens) append_bytes(token, bytes);
        tokens.assign(1, lossy_utf8(bytes));
        break;
      }
      case DecoderStep::Kind::kByteFallback:
        tokens = without_byte_tokens(tokens);
        break;
      case DecoderStep::Kind::kFuse:
        tokens.assign(1, joined(tokens));
        break;
      case DecoderStep::Kind::kReplace:
        for (std::string& token : tokens) token = replaced(token, step.from, step.to);
        break;
      case DecoderStep::Kind::kStrip:
        for (std::string& token : tokens) token = stripped(std::move(token), step);
        break;
    }
  }
  return joined(tokens);
}

}  // namespace usam::text
