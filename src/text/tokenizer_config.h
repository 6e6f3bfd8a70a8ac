#pragma once
// The `tokenizer:` map of a config: a tokenizer on disk, or one that is trained from the run's own texts.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/text/sentencepiece_tokenizer.h"
#include "src/text/tokenizer.h"

namespace usam {

struct TokenizerConfig {
  Path path;                                   // a folder that holds tokenizer.json or tokenizer.model, or that file
  std::optional<SentencepieceTraining> train;  // for a language model made from random weights
};
void describe(Fields& f, TokenizerConfig& c);

// Opens a tokenizer.json or a sentencepiece file, or a folder that holds one. Of both the first counts, unless it is of
// a type that usam does not have. What stands beside the file (tokenizer_config.json and the like) names the special
// tokens. Throws UserError when there is no tokenizer or it is in a format that is not supported.
std::shared_ptr<Tokenizer> open_tokenizer(const std::string& path);

// The tokenizer that the config asks for; `texts` (labels and prompts) are read only where it is trained.
std::shared_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config, const std::vector<std::string>& texts);

}  // namespace usam
