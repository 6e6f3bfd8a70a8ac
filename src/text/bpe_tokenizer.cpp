#include "src/text/bpe_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

#include "src/base/error.h"
#include "src/text/added_tokens.h"
#include "src/text/bpe.h"
#include "src/text/json_node.h"
#include "src/text/pre_tokenizer.h"
#include "src/text/token_decoder.h"
#include "src/text/tokenizer_json.h"
#include "src/text/unicode.h"

namespace usam {
namespace {

using text::AddedToken;
using text::shown;

constexpr size_t kMaxGap = 65536;  // ids that no token has, over all

// The tokens by id and the added ones among them, checked against each other.
class Vocabulary {
 public:
  Vocabulary(const text::TokenizerSpec& spec, const text::TokenizerSettings& settings, const std::string& origin)
      : origin_(origin), limit_(spec.model.vocab.size() + spec.added.size() + settings.added.size() + kMaxGap) {
    for (const auto& [token, id] : spec.model.vocab) {
      if (!ids_.emplace(token, id).second)
        user_error("{}: 'model.vocab' names the token '{}' twice.", origin_, shown(token));
      place(token, id, "model.vocab");
    }
    for (const AddedToken& token : spec.added) add(token, "added_tokens");
    for (const AddedToken& token : settings.added) add(token, "added_tokens_decoder");
    for (const std::string& content : settings.special) mark_special(content);
  }

  std::vector<std::string> tokens;  // by id; "" where no token has it
  std::vector<AddedToken> added;

  std::unordered_set<int64_t> special_ids() const {
    std::unordered_set<int64_t> ids;
    for (const AddedToken& token : added)
      if (token.special) ids.insert(token.id);
    return ids;
  }

 private:
  void place(const std::string& token, int64_t id, const char* key) {
    if (static_cast<uint64_t>(id) >= limit_)
      user_error("{}: '{}' gives the token '{}' the id {}, which is far above the number of tokens.", origin_, key,
                 shown(token), id);
    const auto at = static_cast<size_t>(id);
    if (at >= tokens.size()) {
      tokens.resize(at + 1);
      taken_.resize(at + 1);
    }
    if (taken_[at])
      user_error("{}: '{}' gives the id {} to '{}', but it is that of '{}'.", origin_, key, id, shown(token),
                 shown(tokens[at]));
    tokens[at] = token;
    taken_[at] = true;
  }

  // A later description of a token replaces the earlier one, except for its id.
  void add(const AddedToken& token, const char* key) {
    const auto [known, is_new] = ids_.emplace(token.content, token.id);
    if (is_new) {
      place(token.content, token.id, key);
    } else if (known->second != token.id) {
      user_error("{}: '{}' gives the token '{}' the id {}, but it has the id {}.", origin_, key, shown(token.content),
                 token.id, known->second);
    }
    if (AddedToken* same = find_added(token.content)) {
      *same = token;
    } else {
      added_at_[token.content] = added.size();
      added.push_back(token);
    }
  }

  // Tokens with a role are special whatever else is said of them, and are there in any case.
  void mark_special(const std::string& content) {
    if (content.empty()) return;
    if (AddedToken* same = find_added(content)) {
      if (!same->special) same->special = true, same->normalized = false;
      return;
    }
    const auto known = ids_.find(content);
    AddedToken token{
        content, known == ids_.end() ? static_cast<int64_t>(tokens.size()) : known->second, true, false, false, false,
        false};
    add(token, "special tokens");
  }

  AddedToken* find_added(const std::string& content) {
    const auto known = added_at_.find(content);
    return known == added_at_.end() ? nullptr : &added[known->second];
  }

  const std::string& origin_;
  size_t limit_;
  std::unordered_map<std::string, int64_t> ids_;
  std::unordered_map<std::string, size_t> added_at_;
  std::vector<bool> taken_;
};

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(const text::TokenizerSpec& spec, const Vocabulary& vocabulary, text::TokenizerFiles files,
               const std::string& origin)
      : origin_(origin),
        files_(std::move(files)),
        tokens_(vocabulary.tokens),
        special_(vocabulary.special_ids()),
        normalize_(spec.normalizer),
        pre_tokenize_(spec.pre_tokenizer),
        bpe_(spec.model, spec.byte_level, special_, origin),
        decoder_(spec.decoder) {
    std::string buffer;
    for (const AddedToken& token : vocabulary.added) {
      added_ids_[token.content] = token.id;
      if (token.normalized) {
        const std::string content(normalize_(token.content, buffer));
        normalized_tokens_.add(token, content);
        tokens_[static_cast<size_t>(token.id)] = content;  // which is also what is decoded
      } else {
        raw_tokens_.add(token, token.content);
      }
    }
  }

  void set_roles(std::optional<int64_t> bos, std::optional<int64_t> eos, bool adds_bos) {
    bos_ = bos;
    eos_ = eos;
    adds_bos_ = adds_bos;
  }

  std::vector<int64_t> encode_mixed(std::string_view text, size_t begin, size_t end) const override {
    if (!text::is_valid_utf8(text))
      user_error("A text to tokenize is not valid UTF-8: '{}'.", shown(text.substr(0, 60)));
    std::vector<int64_t> ids;
    auto cache = caches_.take();
    const text::PreTokenizer::Sink encode_word = [&](std::string_view word) { bpe_.encode(word, *cache, ids); };
    std::string buffer;
    for (const text::TextPiece& outer : raw_tokens_.split(text, begin, end)) {
      if (outer.id >= 0) {
        ids.push_back(outer.id);
        continue;
      }
      const std::string_view piece = normalize_(text.substr(outer.begin, outer.end - outer.begin), buffer);
      // Normalised text has lost its places: a special token in it is parsed where all of the piece may be.
      const bool plain = outer.begin < end && outer.end > begin;
      for (const text::TextPiece& inner : normalized_tokens_.split(piece, 0, plain ? piece.size() : 0)) {
        if (inner.id >= 0)
          ids.push_back(inner.id);
        else
          pre_tokenize_(piece.substr(inner.begin, inner.end - inner.begin), outer.begin == 0 && inner.begin == 0,
                        encode_word);
      }
    }
    caches_.give_back(std::move(cache));
    return ids;
  }

  std::string decode(const std::vector<int64_t>& ids, SpecialText special) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const int64_t id : ids) {
      if (id < 0) user_error("Token id {} is negative.", id);
      if (id >= vocab_size() || (special == SpecialText::kLeftOut && special_.count(id))) continue;
      tokens.push_back(tokens_[static_cast<size_t>(id)]);
    }
    return decoder_(std::move(tokens));
  }

  int64_t vocab_size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::optional<int64_t> bos() const override { return bos_; }
  bool begins_with_bos() const override { return bos_ && adds_bos_; }
  int64_t eos() const override {
    if (!eos_)
      user_error(
          "{}: no end token is named. Give 'eos_token' in a tokenizer_config.json or 'eos_token_id' in a "
          "generation_config.json beside it.",
          origin_);
    return *eos_;
  }

  std::optional<int64_t> find(std::string_view token) const override {
    const auto added = added_ids_.find(std::string(token));
    if (added != added_ids_.end()) return added->second;
    const int64_t id = bpe_.find_token(token);
    return id < 0 ? std::nullopt : std::optional<int64_t>(id);
  }

  void save(const std::string& folder) const override { text::write_files(files_, folder); }

 private:
  std::string origin_;
  text::TokenizerFiles files_;
  std::vector<std::string> tokens_;
  std::unordered_set<int64_t> special_;
  std::unordered_map<std::string, int64_t> added_ids_;
  text::AddedTokens raw_tokens_, normalized_tokens_;
  text::TextNormalizer normalize_;
  text::PreTokenizer pre_tokenize_;
  text::Bpe bpe_;
  text::TokenDecoder decoder_;
  std::optional<int64_t> bos_, eos_;
  bool adds_bos_ = true;
  mutable text::WordCaches caches_;
};

}  // namespace

std::shared_ptr<Tokenizer> make_bpe_tokenizer(text::TokenizerSpec spec, const text::TokenizerSettings& settings,
                                              text::TokenizerFiles files, const std::string& origin) {
  const Vocabulary vocabulary(spec, settings, origin);
  auto tokenizer = std::make_shared<BpeTokenizer>(spec, vocabulary, std::move(files), origin);
  const auto id_of = [&](const std::optional<std::string>& token) {
    return token ? tokenizer->find(*token) : std::nullopt;
  };
  const auto eos = id_of(settings.eos);
  tokenizer->set_roles(id_of(settings.names_bos ? settings.bos : spec.first_token), eos ? eos : settings.eos_id,
                       settings.adds_bos);
  return tokenizer;
}

std::shared_ptr<Tokenizer> open_tokenizer_json(std::string_view content, const std::string& origin,
                                               text::TokenizerFiles files) {
  text::TokenizerSpec spec = text::parse_tokenizer_json(content, origin);
  auto settings = text::read_settings(files, std::filesystem::path(origin).parent_path().string());
  if (settings.llama && !spec.byte_level) apply_llama_rules(*settings.llama, spec);
  files["tokenizer.json"] = content;
  return make_bpe_tokenizer(std::move(spec), settings, std::move(files), origin);
}

void apply_llama_rules(const text::LlamaRules& rules, text::TokenizerSpec& spec) {
  const std::string mark = "\u2581";
  text::PreTokenizerStep metaspace;
  metaspace.kind = text::PreTokenizerStep::Kind::kMetaspace;
  metaspace.replacement = mark;
  metaspace.scheme = !rules.prefix_space ? text::PrependScheme::kNever
                     : rules.legacy      ? text::PrependScheme::kAlways
                                         : text::PrependScheme::kFirst;
  spec.normalizer.clear();
  spec.pre_tokenizer = {metaspace};
  spec.model.byte_fallback = spec.model.fuse_unknown = true;
  spec.model.ignore_merges = false;
  using Kind = text::DecoderStep::Kind;
  spec.decoder = {{Kind::kReplace, mark, " ", 0, 0}, {Kind::kByteFallback, "", "", 0, 0}, {Kind::kFuse, "", "", 0, 0}};
  if (rules.prefix_space) spec.decoder.push_back({Kind::kStrip, " ", "", 1, 0});
}

}  // namespace usam
