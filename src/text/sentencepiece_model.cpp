#include "src/text/sentencepiece_model.h"

#include <unordered_set>

#include "src/base/wire.h"
#include "src/text/unicode.h"

namespace usam::text {
std::optional<SentencepieceModel> parse_sentencepiece_model(std::string_view bytes) {
  constexpr uint64_t kPieces = 1, kTrainer = 2, kPieceText = 1, kPieceType = 3, kModelType = 3, kBpe = 2;
  SentencepieceModel model;
  WireReader fields(bytes);
  while (const auto field = fields.next()) {
    WireReader message(field->bytes);
    if (field->number == kPieces) {
      SentencepieceModel::Piece piece;
      while (const auto inner = message.next()) {
        if (inner->number == kPieceText) piece.text = inner->bytes;
        if (inner->number == kPieceType && inner->value >= 1 && inner->value <= 6)
          piece.type = static_cast<SentencepieceModel::PieceType>(inner->value);
      }
      model.pieces.push_back(std::move(piece));
    } else if (field->number == kTrainer) {
      while (const auto inner = message.next())
        if (inner->number == kModelType) model.is_bpe = inner->value == kBpe;
    }
    if (!message.is_whole() || (!model.pieces.empty() && !is_valid_utf8(model.pieces.back().text))) return std::nullopt;
  }
  return fields.is_whole() ? std::optional(model) : std::nullopt;
}

TokenizerSpec llama_spec(const SentencepieceModel& model) {
  using Type = SentencepieceModel::PieceType;
  TokenizerSpec spec;
  std::unordered_set<std::string_view> texts;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& [text, type] = model.pieces[id];
    texts.insert(text);
    spec.model.vocab.emplace_back(text, static_cast<int64_t>(id));
    if (type == Type::kControl || type == Type::kUserDefined)
      spec.added.push_back({text, static_cast<int64_t>(id), type == Type::kControl, false, false, false, false});
    if (type == Type::kUnknown) {
      spec.model.unknown = text;
      spec.added.push_back({text, static_cast<int64_t>(id), true, false, false, false, false});
    }
  }
  constexpr size_t kMaxMerged = 512;  // bytes; longer pieces are only ever user-defined ones
  for (const auto& [text, type] : model.pieces) {
    if (text.size() > kMaxMerged) continue;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      if ((text[cut] & 0xC0) == 0x80) continue;
      const std::string_view left = std::string_view(text).substr(0, cut), right = std::string_view(text).substr(cut);
      if (texts.count(left) && texts.count(right)) spec.model.merges.emplace_back(left, right);
    }
  }
  return spec;
}

}  // namespace usam::text
