#pragma once
// Byte-pair encoding tokenizers in the format of Hugging Face's `tokenizer.json`.
#include <memory>
#include <string>
#include <string_view>

#include "src/text/tokenizer.h"
#include "src/text/tokenizer_files.h"
#include "src/text/tokenizer_spec.h"

namespace usam {

// Opens a tokenizer.json from its content; `origin` names it in messages. `files` are those beside it. Throws UserError
// (text::UnsupportedTokenizer for what usam does not have) that names the file and the key.
std::shared_ptr<Tokenizer> open_tokenizer_json(std::string_view content, const std::string& origin,
                                               text::TokenizerFiles files = {});

// Makes a tokenizer from a description; `files` are what save() writes.
std::shared_ptr<Tokenizer> make_bpe_tokenizer(text::TokenizerSpec spec, const text::TokenizerSettings& settings,
                                              text::TokenizerFiles files, const std::string& origin);

// The pipeline of Hugging Face's LlamaTokenizer in place of the description's own.
void apply_llama_rules(const text::LlamaRules& rules, text::TokenizerSpec& spec);

}  // namespace usam
