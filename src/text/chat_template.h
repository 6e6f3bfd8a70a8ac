#pragma once
// What chat models want around a user's text: a fixed list of templates, equal to what transformers'
// apply_chat_template makes of one user turn (and a system text) with the models' published templates.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/config.h"
#include "src/text/tokenizer.h"

namespace usam {

// llama2: Llama-2-chat. llama3: Llama-3-Instruct; 3.1 and later are the same with their dates as `system`. qwen:
// Qwen2-Instruct; 2.5 and 3 differ in the default of `system`. vicuna: Vicuna 1.1 and 1.5.
enum class ChatTemplate { kNone, kLlama2, kLlama3, kQwen, kVicuna };

struct ChatConfig {
  ChatTemplate kind = ChatTemplate::kNone;
  std::optional<std::string> system;  // unset: the template's own (qwen, vicuna) or none; "": none
};
void describe(Fields& f, ChatConfig& c);

// What stands before and after the user's text, and whether white space at its ends goes.
struct ChatFrame {
  std::string before, after;
  bool trims_left = false, trims_right = false;
};

class Chat {
 public:
  // No template: the tokenizer's bos before the text and nothing else. Throws UserError where the tokenizer lacks a
  // token of the template. The tokenizer must outlive the object.
  Chat(const ChatConfig& config, const Tokenizer& tokenizer);

  const ChatFrame& frame() const { return frame_; }
  // Token ids of the user's text up to some point with all that comes before it, and from some point on with all that
  // comes after. The template's special tokens are parsed, the user's text is plain.
  std::vector<int64_t> left(std::string_view text) const;
  std::vector<int64_t> right(std::string_view text) const;
  // The token that ends the model's turn.
  int64_t end_of_turn() const;

 private:
  ChatTemplate kind_;
  const Tokenizer& tokenizer_;
  ChatFrame frame_;
};

}  // namespace usam
