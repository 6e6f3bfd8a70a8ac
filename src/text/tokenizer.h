#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace usam {

// Whether text that looks like a special token ("</s>") becomes that token. User text and labels are always plain.
// Tokens that a tokenizer.json adds without calling them special (time stamps, tags of tools) are found in both, as
// with Hugging Face's `split_special_tokens`.
enum class Specials { kPlain, kParse };

// Whether special tokens are part of decoded text (Hugging Face's `skip_special_tokens`).
enum class SpecialText { kLeftOut, kKept };

// Text <-> token ids. Thread-safe for concurrent encode and decode.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Ids of `text` alone: no bos or eos is added. Throws UserError for text that is not valid UTF-8.
  std::vector<int64_t> encode(std::string_view text, Specials specials = Specials::kPlain) const {
    return encode_mixed(text, 0, specials == Specials::kPlain ? text.size() : 0);
  }
  // The same where bytes from `begin` up to `end` are plain and the others are parsed: a user's text inside a template.
  virtual std::vector<int64_t> encode_mixed(std::string_view text, size_t begin, size_t end) const = 0;
  // Text of the ids; ids without a token (models pad their vocabulary) have none. Throws UserError for negative ids.
  virtual std::string decode(const std::vector<int64_t>& ids, SpecialText special = SpecialText::kLeftOut) const = 0;
  virtual int64_t vocab_size() const = 0;  // the highest id and one
  // The token that begins a text, where the tokenizer names one.
  virtual std::optional<int64_t> bos() const = 0;
  // Whether a text without a chat template begins with it: a folder may say no (`add_bos_token: false`).
  virtual bool begins_with_bos() const { return bos().has_value(); }
  // The token that ends an answer. Throws UserError where none is named.
  virtual int64_t eos() const = 0;
  // The id of a token by its text, special tokens included.
  virtual std::optional<int64_t> find(std::string_view token) const = 0;
  // Writes the tokenizer's files into an existing folder so that open_tokenizer() gives an equal one.
  virtual void save(const std::string& folder) const = 0;
};

}  // namespace usam
