#pragma once
// Text around the audio: which prompt a row gets and its token ids.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/source.h"
#include "src/text/chat_template.h"
#include "src/text/tokenizer.h"

namespace usam::recipes {

// What is wrong with a prompt ("must hold <audio> exactly once, got ..."), or "".
std::string prompt_problem(const std::string& prompt);

struct PromptIds {
  std::vector<int64_t> left;  // bos first, where the tokenizer has one and the chat template wants it
  std::vector<int64_t> right;
};

// The prompts of a recipe, tokenised once. Left, right and target are tokenised apart and concatenated; a chat template
// goes around the whole prompt.
class Prompts {
 public:
  Prompts(std::map<std::string, std::string> texts, std::shared_ptr<const Tokenizer> tokenizer,
          const ChatConfig& chat = {});
  // The row's own prompt, else its task's. UserError for a task without a prompt, naming the row.
  PromptIds of(const data::Row& row) const;
  // The token that ends an answer.
  int64_t end_of_turn() const { return chat_.end_of_turn(); }
  // All prompts' texts, both sides: what a tokenizer is trained on beside the labels.
  static std::vector<std::string> sides(const std::map<std::string, std::string>& texts);

 private:
  PromptIds encode(const std::string& prompt) const;

  std::map<std::string, std::string> texts_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Chat chat_;
  std::map<std::string, PromptIds> ids_;
};

}  // namespace usam::recipes
