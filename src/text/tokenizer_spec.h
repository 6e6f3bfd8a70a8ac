#pragma once
// What a `tokenizer.json` says, as plain data; names are those of the format (Hugging Face's tokenizers).
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace usam::text {

// A text that is one token wherever it stands. Content of normalized tokens is looked for in normalised text.
struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool special = false;      // controls the model; left out of decoded text
  bool single_word = false;  // only between characters that are no letters
  bool lstrip = false;       // takes the white space on its left
  bool rstrip = false;       // and on its right
  bool normalized = false;
};

struct NormalizerStep {
  enum class Kind { kNfc, kNfd, kNfkc, kNfkd, kPrepend, kReplace };
  Kind kind = Kind::kNfc;
  std::string from, to;  // kReplace: every `from` becomes `to`; kPrepend: `to` is put in front
};

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitStep {
  enum class Kind { kLiteral, kRegex, kDigits };
  Kind kind = Kind::kRegex;
  std::string pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};

enum class PrependScheme { kAlways, kFirst, kNever };

// One step of cutting normalised text into words.
struct PreTokenizerStep {
  enum class Kind { kSplit, kSpacePrefix, kMetaspace };
  Kind kind = Kind::kSplit;
  SplitStep split;
  std::string replacement;                        // kMetaspace: what spaces become
  PrependScheme scheme = PrependScheme::kAlways;  // kMetaspace: which pieces get one in front
};

struct DecoderStep {
  enum class Kind { kByteLevel, kReplace, kByteFallback, kFuse, kStrip };
  Kind kind = Kind::kByteLevel;
  std::string from, to;         // kReplace; kStrip takes `from` away
  int64_t start = 0, stop = 0;  // kStrip: how many at either end of a token
};

struct BpeSpec {
  std::vector<std::pair<std::string, int64_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::optional<std::string> unknown;
  bool fuse_unknown = false, byte_fallback = false;
  bool ignore_merges = false;  // words that are in the vocabulary are taken whole
};

struct TokenizerSpec {
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  bool byte_level = false;  // words are spelled in bytes, each written as a character of its own (GPT-2's alphabet)
  BpeSpec model;
  std::vector<DecoderStep> decoder;
  std::vector<AddedToken> added;
  std::optional<std::string> first_token;  // that the post-processor's template puts before a text
};

}  // namespace usam::text
