#include "src/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/text/bpe_tokenizer.h"
#include "src/text/json_node.h"
#include "src/text/sentencepiece_model.h"
#include "src/text/tokenizer_files.h"
#include "src/text/unicode.h"

namespace usam {
namespace {

constexpr int64_t kSpecialPieces = 4;  // <unk>, <s>, </s> and the line break
constexpr int64_t kBytePieces = 256;

void expect_ok(const sentencepiece::util::Status& status, const std::string& what) {
  if (!status.ok()) user_error("{}: {}", what, status.error_message());
}

class SentencepieceTokenizer final : public Tokenizer {
 public:
  // `model` is the file's content; `origin` names it in messages.
  SentencepieceTokenizer(std::string model, const std::string& origin) : model_(std::move(model)) {
    if (model_.empty() || !loads()) user_error("{}: this is not a sentencepiece model, or it is damaged.", origin);
    if (processor_.eos_id() < 0) user_error("{}: the sentencepiece model has no end token (eos_id is -1).", origin);
    for (int id = 0; id < processor_.GetPieceSize(); ++id)
      if (processor_.IsControl(id) || processor_.IsUnknown(id)) specials_.push_back({processor_.IdToPiece(id), id});
    // The longest first, so that "<pad>" wins over a special token "<p".
    std::stable_sort(specials_.begin(), specials_.end(),
                     [](const Special& a, const Special& b) { return a.text.size() > b.text.size(); });
  }

  std::vector<int64_t> encode_mixed(std::string_view text, size_t plain_begin, size_t plain_end) const override {
    if (!text::is_valid_utf8(text))
      user_error("A text to tokenize is not valid UTF-8: '{}'.", text::shown(text.substr(0, 60)));
    std::vector<int64_t> ids;
    // Each stretch between special tokens is encoded on its own.
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
      if (at >= plain_begin && at < plain_end) {
        at = std::min(plain_end, text.size());
        continue;
      }
      const Special* special = special_at(text.substr(at));
      if (!special || (at < plain_begin && at + special->text.size() > plain_begin && plain_end > plain_begin)) {
        ++at;
        continue;
      }
      append_plain(text.substr(begin, at - begin), ids);
      ids.push_back(special->id);
      begin = at += special->text.size();
    }
    append_plain(text.substr(begin), ids);
    return ids;
  }

  std::string decode(const std::vector<int64_t>& ids, SpecialText special) const override {
    std::string text;
    std::vector<std::string> pieces;
    pieces.reserve(ids.size());
    for (const int64_t id : ids) {
      if (id < 0) user_error("Token id {} is negative.", id);
      if (id >= vocab_size()) continue;
      const std::string& piece = processor_.IdToPiece(static_cast<int>(id));
      if (special == SpecialText::kLeftOut || !processor_.IsControl(static_cast<int>(id))) {
        pieces.push_back(piece);
        continue;
      }
      text += decoded(std::move(pieces)) + piece;  // what stands between two of them was encoded on its own
      pieces.clear();
    }
    return text + decoded(std::move(pieces));
  }

  int64_t vocab_size() const override { return processor_.GetPieceSize(); }
  std::optional<int64_t> bos() const override {
    return processor_.bos_id() < 0 ? std::nullopt : std::optional<int64_t>(processor_.bos_id());
  }
  int64_t eos() const override { return processor_.eos_id(); }
  std::optional<int64_t> find(std::string_view token) const override {
    const int id = processor_.PieceToId(token);
    return processor_.IdToPiece(id) == token ? std::optional<int64_t>(id) : std::nullopt;
  }

  void save(const std::string& folder) const override {
    write_file_atomically((std::filesystem::path(folder) / "tokenizer.model").string(), model_);
  }

 private:
  struct Special {
    std::string text;
    int id;
  };

  // A piece that begins with the character 0 is no key of the library's trie, which throws instead of a status.
  bool loads() {
    try {
      return processor_.LoadFromSerializedProto(model_).ok();
    } catch (const std::exception&) {
      return false;
    }
  }

  std::string decoded(std::vector<std::string> pieces) const {
    join_space_bytes(pieces);
    std::string text;
    expect_ok(processor_.Decode(pieces, &text), "The tokenizer could not decode its ids");
    return text;
  }

  // A word model spells an unknown word in bytes, its space mark (U+2581) included; decoded as bytes the mark would
  // stay in the text, so these three bytes are read as the mark's piece.
  static void join_space_bytes(std::vector<std::string>& pieces) {
    static const std::string bytes[] = {"<0xE2>", "<0x96>", "<0x81>"};
    for (auto at = pieces.begin();
         (at = std::search(at, pieces.end(), std::begin(bytes), std::end(bytes))) != pieces.end(); ++at) {
      *at = "\u2581";
      pieces.erase(at + 1, at + 3);
    }
  }

  const Special* special_at(std::string_view text) const {
    for (const Special& special : specials_)
      if (text.starts_with(special.text)) return &special;
    return nullptr;
  }

  void append_plain(std::string_view text, std::vector<int64_t>& ids) const {
    if (text.empty()) return;
    std::vector<int> pieces;
    expect_ok(processor_.Encode(text, &pieces), "The tokenizer could not encode a text");
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }

  std::string model_;
  sentencepiece::SentencePieceProcessor processor_;
  std::vector<Special> specials_;
};

std::shared_ptr<Tokenizer> open_llama(const text::SentencepieceModel& model, text::TokenizerSettings settings,
                                      text::TokenizerFiles files, const std::string& file) {
  text::TokenizerSpec spec = text::llama_spec(model);
  apply_llama_rules(*settings.llama, spec);
  if (!settings.names_bos) settings.bos = "<s>";
  if (!settings.eos) settings.eos = "</s>";
  settings.names_bos = true;
  return make_bpe_tokenizer(std::move(spec), settings, std::move(files), file);
}

// Hands the trainer one text after another.
class Texts final : public sentencepiece::SentenceIterator {
 public:
  explicit Texts(const std::vector<std::string>& texts) : texts_(texts) {}
  bool done() const override { return at_ == texts_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return texts_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& texts_;
  size_t at_ = 0;
};

const char* type_name(SentencepieceType type) {
  switch (type) {
    case SentencepieceType::kBpe:
      return "bpe";
    case SentencepieceType::kUnigram:
      return "unigram";
    case SentencepieceType::kWord:
      return "word";
    case SentencepieceType::kChar:
      return "char";
  }
  internal_error("unknown tokenizer type");
}

// Characters that the trainer reserves for itself: it would leave out every text that holds one. They are learnt as
// spaces; when such a text is encoded later they become bytes or <unk>.
std::string without_reserved(const std::string& text) {
  std::u32string points = text::code_points(text);
  for (char32_t& point : points)
    if (point == U'\t' || point == U'\0' || point == U'\u2585' || point == U'\u2047') point = U' ';
  return text::to_utf8(points);
}

std::vector<std::string> training_texts(const std::vector<std::string>& texts) {
  std::vector<std::string> kept;
  for (const std::string& text : texts) {
    if (!text::is_valid_utf8(text))
      user_error("A text to train the tokenizer from is not valid UTF-8: '{}'.", text::shown(text.substr(0, 60)));
    std::string line = without_reserved(text);
    if (!text::strip(line).empty()) kept.push_back(std::move(line));
  }
  if (kept.empty()) user_error("There is no text to train a tokenizer from: all labels and prompts are empty.");
  return kept;
}

// Turns the trainer's complaint into ours. Where vocab_size is below what the characters need, it reads "264 vs 282".
[[noreturn]] void refuse(const SentencepieceTraining& options, const std::string& complaint) {
  const std::string what = fmt::format("The tokenizer cannot be trained with type {} and vocab_size {}",
                                       type_name(options.type), options.vocab_size);
  const size_t needed = complaint.find(" vs ");
  if (needed == std::string::npos) user_error("{}: {}", what, complaint);
  user_error(
      "{}: the special tokens{} and the characters of the texts need {} pieces. Raise vocab_size, or lower "
      "character_coverage.",
      what, options.byte_fallback ? ", the bytes of byte_fallback" : "", std::stoi(complaint.substr(needed + 4)));
}

// What stands beside a model that is read as it is must not say otherwise.
void require_no_more_tokens(const Tokenizer& tokenizer, const text::TokenizerSettings& settings,
                            const std::string& origin) {
  constexpr const char* kRemedy =
      "Open the folder once with transformers' AutoTokenizer and save it with save_pretrained, which writes a "
      "tokenizer.json, and name that folder.";
  for (const auto& token : settings.added)
    if (tokenizer.find(token.content) != token.id)
      user_error("{}: the files beside it give the token '{}' the id {}, which the model does not. {}", origin,
                 text::shown(token.content), token.id, kRemedy);
  if (settings.eos && tokenizer.find(*settings.eos) != tokenizer.eos())
    user_error("{}: the files beside it name the end token '{}', the model another one. {}", origin,
               text::shown(*settings.eos), kRemedy);
}

}  // namespace

void describe(Fields& f, SentencepieceTraining& c) {
  f.choice("type", c.type,
           {{"bpe", SentencepieceType::kBpe},
            {"unigram", SentencepieceType::kUnigram},
            {"word", SentencepieceType::kWord},
            {"char", SentencepieceType::kChar}},
           "kind of pieces");
  f("vocab_size", c.vocab_size, "pieces, the special ones and the 256 of byte_fallback included").at_least(4);
  f("byte_fallback", c.byte_fallback, "characters without a piece become bytes instead of <unk>");
  f("character_coverage", c.character_coverage, "share of the texts' characters that get a piece of their own")
      .at_least(0.98)
      .at_most(1.0);
  f("split_digits", c.split_digits, "every digit is a piece of its own");
}

std::shared_ptr<Tokenizer> open_sentencepiece(const std::string& file) {
  return open_sentencepiece(read_file(file), file,
                            text::read_side_files(std::filesystem::path(file).parent_path().string()));
}

std::shared_ptr<Tokenizer> open_sentencepiece(const std::string& content, const std::string& origin,
                                              text::TokenizerFiles files) {
  auto tokenizer = std::make_shared<SentencepieceTokenizer>(content, origin);
  auto settings = text::read_settings(files, std::filesystem::path(origin).parent_path().string());
  const auto model = text::parse_sentencepiece_model(content);
  if (!settings.llama || !model || !model->is_bpe) {
    require_no_more_tokens(*tokenizer, settings, origin);
    return tokenizer;
  }
  files["tokenizer.model"] = content;
  return open_llama(*model, std::move(settings), std::move(files), origin);
}

std::shared_ptr<Tokenizer> train_sentencepiece(const std::vector<std::string>& texts,
                                               const SentencepieceTraining& options) {
  const int64_t fixed = kSpecialPieces + (options.byte_fallback ? kBytePieces : 0);
  if (options.vocab_size <= fixed)
    user_error(
        "A tokenizer of vocab_size {} has no room for text: the special tokens{} take {} pieces. Raise vocab_size.",
        options.vocab_size, options.byte_fallback ? " and the bytes of byte_fallback" : "", fixed);
  const std::vector<std::string> lines = training_texts(texts);
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  const std::unordered_map<std::string, std::string> arguments = {
      {"model_type", type_name(options.type)},
      {"vocab_size", std::to_string(options.vocab_size)},
      {"byte_fallback", flag(options.byte_fallback)},
      {"character_coverage", fmt::format("{}", options.character_coverage)},
      {"split_digits", flag(options.split_digits)},
      // A line break is a piece of its own: it never merges with what is around it. Word models split at spaces only.
      {"user_defined_symbols", options.type == SentencepieceType::kWord ? "" : "\n"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"hard_vocab_limit", "false"},
      {"shuffle_input_sentence", "false"},
      {"input_sentence_size", "0"},
      {"max_sentence_length", "1048576"},
      {"num_threads", "1"},
      {"minloglevel", "2"},
  };
  Texts iterator(lines);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(arguments, &iterator, &model);
  if (!status.ok()) refuse(options, status.error_message());
  return std::make_shared<SentencepieceTokenizer>(std::move(model), "the trained tokenizer");
}

}  // namespace usam
