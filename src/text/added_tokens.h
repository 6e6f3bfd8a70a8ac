#pragma once
// Tokens that are found in a text before anything else is done to it.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/text/tokenizer_spec.h"

namespace usam::text {

// A stretch of text: an added token, or (id < 0) what stands between them.
struct TextPiece {
  size_t begin = 0, end = 0;
  int64_t id = -1;
};

// Finds the leftmost, longest ones. The flags of a token act as in HF's tokenizers.
class AddedTokens {
 public:
  // `contents` are what is looked for: the tokens' contents, or those normalised.
  void add(const AddedToken& token, const std::string& content);
  // Cuts the text up; special tokens that touch bytes from `begin` up to `end` stay ordinary text. No piece is empty.
  std::vector<TextPiece> split(std::string_view text, size_t begin, size_t end) const;

 private:
  struct Match {
    size_t begin = 0, end = 0;
    const AddedToken* token = nullptr;
  };
  bool find(std::string_view text, size_t from, Match& match) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<uint64_t, uint32_t> children_;  // (node, byte) -> node; node 0 is the root
  std::vector<int32_t> ends_ = {-1};                 // the token that ends at a node, or -1
  bool begins_[256] = {};                            // bytes that a token begins with
};

}  // namespace usam::text
