#pragma once
// Tokenizers in sentencepiece's format (`tokenizer.model`): opened from a file, or trained from texts.
#include <memory>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/text/tokenizer.h"
#include "src/text/tokenizer_files.h"

namespace usam {

enum class SentencepieceType { kBpe, kUnigram, kWord, kChar };

// How a tokenizer is trained; a size that the texts cannot fill gives a smaller vocabulary.
struct SentencepieceTraining {
  SentencepieceType type = SentencepieceType::kBpe;
  int64_t vocab_size = 1000;        // pieces, the three special ones and the 256 of byte_fallback included
  bool byte_fallback = true;        // characters that were not in the texts become bytes instead of <unk>
  double character_coverage = 1.0;  // share of the texts' characters that get a piece of their own
  bool split_digits = false;        // every digit is a piece of its own
};
void describe(Fields& f, SentencepieceTraining& c);

// Opens a sentencepiece model file. Texts are encoded as the sentencepiece package does it; where a
// tokenizer_config.json beside the file names the class LlamaTokenizer, as that class of transformers 5 does it, which
// treats spaces at the beginning of a text and after special tokens in its own way (`legacy`). Throws UserError when it
// is missing, damaged or has no end token.
std::shared_ptr<Tokenizer> open_sentencepiece(const std::string& file);
// The same from the file's content; `origin` names it in messages, `files` are those beside it.
std::shared_ptr<Tokenizer> open_sentencepiece(const std::string& content, const std::string& origin,
                                              text::TokenizerFiles files = {});

// Trains a tokenizer from texts. The result is a pure function of the arguments (one thread, no sampling) and nothing
// is written to disk. Text is kept as it is: no normalisation, white space and line breaks survive encode and decode; a
// line break is a token of its own, except in word models, which split at spaces only. Ids: 0 <unk>, 1 <s>, 2 </s>.
// Throws UserError when there is no text or vocab_size is too small for the characters in them.
std::shared_ptr<Tokenizer> train_sentencepiece(const std::vector<std::string>& texts,
                                               const SentencepieceTraining& options);

}  // namespace usam
