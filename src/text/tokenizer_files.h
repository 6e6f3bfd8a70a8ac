#pragma once
// The small files beside a tokenizer: what its special tokens are and which rules it follows.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/text/tokenizer_spec.h"

namespace usam::text {

// Contents by name. Whatever was read to make a tokenizer is written again by its save().
using TokenizerFiles = std::map<std::string, std::string>;

// Reads tokenizer_config.json, special_tokens_map.json, added_tokens.json, generation_config.json and config.json where
// they are in the folder.
TokenizerFiles read_side_files(const std::string& folder);
// Writes all of them. Throws UserError that names the file that could not be written.
void write_files(const TokenizerFiles& files, const std::string& folder);

// How Hugging Face's LlamaTokenizer treats spaces.
struct LlamaRules {
  bool legacy = false;       // every stretch between special tokens gets a space in front, not only the text's first
  bool prefix_space = true;  // false: none does
};

struct TokenizerSettings {
  std::optional<std::string> bos, eos;  // contents
  bool names_bos = false;               // whether bos stands in a file, be it as null
  bool adds_bos = true;                 // `add_bos_token`
  std::optional<int64_t> eos_id;        // from generation_config.json or config.json
  std::vector<AddedToken> added;        // by `added_tokens_decoder`, or by added_tokens.json where there is none
  std::vector<std::string> special;     // contents of all tokens with a role, in the order of the file
  std::optional<LlamaRules> llama;      // where the tokenizer's class is LlamaTokenizer
};

// What the files say; `folder` names them in messages. Throws UserError for malformed ones.
TokenizerSettings read_settings(const TokenizerFiles& files, const std::string& folder);

}  // namespace usam::text
