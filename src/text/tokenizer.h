#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace usam {

// Whether text that looks like a special token ("</s>") becomes that token. User text and labels are always plain.
enum class Specials { kPlain, kParse };

// Text <-> token ids. Thread-safe for concurrent encode and decode.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Ids of `text` alone: no bos or eos is added. Throws UserError for text that is not valid UTF-8.
  virtual std::vector<int64_t> encode(std::string_view text, Specials specials = Specials::kPlain) const = 0;
  // Text of the ids, special tokens left out; ids outside the vocabulary are an error.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  virtual int64_t vocab_size() const = 0;
  virtual std::optional<int64_t> bos() const = 0;
  virtual int64_t eos() const = 0;
  // Writes the tokenizer's files into an existing folder so that open_tokenizer() gives an equal one.
  virtual void save(const std::string& folder) const = 0;
};

}  // namespace usam
