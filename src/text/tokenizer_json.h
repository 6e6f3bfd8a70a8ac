#pragma once
// Reads `tokenizer.json`: byte-pair encoding with the normalizers, pre-tokenizers, post-processors and decoders that
// GPT-2, Whisper, Llama 2 and 3, Qwen 2 and 3, Mistral and SmolLM 2 use.
#include <cstddef>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/text/tokenizer_spec.h"

namespace usam::text {

// The file is well-formed and asks for something that usam does not have.
class UnsupportedTokenizer : public UserError {
 public:
  using UserError::UserError;
};

// Larger files are refused unread.
inline constexpr size_t kMaxTokenizerJson = size_t{256} << 20;

// Parses the content of a tokenizer.json; `origin` names it in messages. Throws UnsupportedTokenizer for types and
// values that are not supported, by name; UserError for everything that is malformed. Memory is at most a small
// multiple of the content's size.
TokenizerSpec parse_tokenizer_json(std::string_view content, const std::string& origin);

}  // namespace usam::text
