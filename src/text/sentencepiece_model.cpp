#include "src/text/sentencepiece_model.h"

#include <unordered_set>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

// One field of a protocol buffer message.
struct Field {
  uint64_t number = 0, value = 0;  // the value of varints
  std::string_view bytes;          // of length-delimited fields
};

class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool next(Field& field) {
    if (!ok_ || bytes_.empty()) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        take(4);
        break;
      default:
        ok_ = false;
    }
    return ok_;
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  std::string_view take(uint64_t size) {
    if (size > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace

std::optional<SentencepieceModel> parse_sentencepiece_model(std::string_view bytes) {
  constexpr uint64_t kPieces = 1, kTrainer = 2, kPieceText = 1, kPieceType = 3, kModelType = 3, kBpe = 2;
  SentencepieceModel model;
  Field field, inner;
  Fields fields(bytes);
  while (fields.next(field)) {
    Fields message(field.bytes);
    if (field.number == kPieces) {
      SentencepieceModel::Piece piece;
      while (message.next(inner)) {
        if (inner.number == kPieceText) piece.text = inner.bytes;
        if (inner.number == kPieceType && inner.value >= 1 && inner.value <= 6)
          piece.type = static_cast<SentencepieceModel::PieceType>(inner.value);
      }
      model.pieces.push_back(std::move(piece));
    } else if (field.number == kTrainer) {
      while (message.next(inner))
        if (inner.number == kModelType) model.is_bpe = inner.value == kBpe;
    }
    if (!message.ok() || (!model.pieces.empty() && !is_valid_utf8(model.pieces.back().text))) return std::nullopt;
  }
  return fields.ok() ? std::optional(model) : std::nullopt;
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
