#include "src/text/chat_template.h"

#include <utility>
#include <vector>

#include "src/base/error.h"
#include "src/text/unicode.h"

namespace usam {
namespace {

constexpr const char* kQwenSystem = "You are a helpful assistant.";
constexpr const char* kVicunaSystem =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and "
    "polite answers to the user's questions.";

const std::vector<std::pair<std::string, ChatTemplate>> kNames = {{"none", ChatTemplate::kNone},
                                                                  {"llama2", ChatTemplate::kLlama2},
                                                                  {"llama3", ChatTemplate::kLlama3},
                                                                  {"qwen", ChatTemplate::kQwen},
                                                                  {"vicuna", ChatTemplate::kVicuna}};

ChatFrame llama2_frame(const std::string& bos, const std::string& system) {
  const std::string block = system.empty() ? "" : "<<SYS>>\n" + system + "\n<</SYS>>\n\n";
  return {bos + "[INST] " + block, " [/INST]", block.empty(), true};
}

ChatFrame llama3_frame(const std::string& bos, const std::string& system) {
  const auto header = [](const char* role) { return fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n", role); };
  const std::string block = system.empty() ? "" : header("system") + text::strip(system) + "<|eot_id|>";
  return {bos + block + header("user"), "<|eot_id|>" + header("assistant"), true, true};
}

ChatFrame qwen_frame(const std::string& system) {
  const std::string block = system.empty() ? "" : "<|im_start|>system\n" + system + "<|im_end|>\n";
  return {block + "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", false, false};
}

ChatFrame vicuna_frame(const std::string& bos, const std::string& system) {
  return {bos + system + (system.empty() ? "USER: " : " USER: "), " ASSISTANT:", false, false};
}

ChatFrame frame_of(const ChatConfig& config, const std::string& bos) {
  switch (config.kind) {
    case ChatTemplate::kNone:
      return {bos, "", false, false};
    case ChatTemplate::kLlama2:
      return llama2_frame(bos, config.system.value_or(""));
    case ChatTemplate::kLlama3:
      return llama3_frame(bos, config.system.value_or(""));
    case ChatTemplate::kQwen:
      return qwen_frame(config.system.value_or(kQwenSystem));
    case ChatTemplate::kVicuna:
      return vicuna_frame(bos, config.system.value_or(kVicunaSystem));
  }
  internal_error("unknown chat template");
}

// The special tokens that a template is made of; the bos and the end token of the others are the tokenizer's own.
std::vector<const char*> tokens_of(ChatTemplate kind) {
  if (kind == ChatTemplate::kLlama3) return {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
  if (kind == ChatTemplate::kQwen) return {"<|im_start|>", "<|im_end|>"};
  return {};
}

}  // namespace

void describe(Fields& f, ChatConfig& c) {
  f.choice("template", c.kind, kNames, "what the language model wants around the user's text");
  f("system", c.system, "text that tells the model its role; null: the template's own, where it has one; '': none");
  f.rule([&c]() -> std::string {
    if (c.kind != ChatTemplate::kNone || !c.system) return "";
    return "'system' needs a chat 'template'; without one, write the text into the prompts.";
  });
}

Chat::Chat(const ChatConfig& config, const Tokenizer& tokenizer) : kind_(config.kind), tokenizer_(tokenizer) {
  for (const char* token : tokens_of(kind_)) {
    if (tokenizer.find(token)) continue;
    for (const auto& [name, kind] : kNames)
      if (kind == kind_)
        user_error("The chat template '{}' needs the token {}, which the language model's tokenizer does not have.",
                   name, token);
  }
  const auto bos = tokenizer.bos();
  frame_ = frame_of(config, bos && kind_ != ChatTemplate::kNone ? tokenizer.decode({*bos}, SpecialText::kKept) : "");
}

std::vector<int64_t> Chat::left(std::string_view text) const {
  std::string user(text);
  if (frame_.trims_left) {
    user = text::strip(user + "|");  // at its beginning only
    user.pop_back();
  }
  auto ids = tokenizer_.encode_mixed(frame_.before + user, frame_.before.size(), std::string::npos);
  if (kind_ == ChatTemplate::kNone && tokenizer_.begins_with_bos()) ids.insert(ids.begin(), *tokenizer_.bos());
  return ids;
}

std::vector<int64_t> Chat::right(std::string_view text) const {
  std::string user(text);
  if (frame_.trims_right) user = text::strip("|" + user).substr(1);  // at its end only
  return tokenizer_.encode_mixed(user + frame_.after, 0, user.size());
}

int64_t Chat::end_of_turn() const {
  const auto tokens = tokens_of(kind_);
  return tokens.empty() ? tokenizer_.eos() : *tokenizer_.find(tokens.back());
}

}  // namespace usam
