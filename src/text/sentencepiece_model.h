#pragma once
// The content of a sentencepiece model file, as far as Hugging Face's LlamaTokenizer reads it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/tokenizer_spec.h"

namespace usam::text {

struct SentencepieceModel {
  enum class PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    PieceType type = PieceType::kNormal;
  };
  std::vector<Piece> pieces;
  bool is_bpe = false;
};

// Reads the protocol buffer; nothing where the bytes are none.
std::optional<SentencepieceModel> parse_sentencepiece_model(std::string_view bytes);

// The model as a byte-pair encoding: every way to put a piece together from two others is a merge, in the order of the
// pieces.
TokenizerSpec llama_spec(const SentencepieceModel& model);

}  // namespace usam::text
