#include "recipes/usam/prompts.h"

#include <fmt/ranges.h>

#include "src/base/error.h"

namespace usam::recipes {
namespace {

constexpr std::string_view kSlot = "<audio>";

std::pair<std::string, std::string> split(const std::string& prompt) {
  const auto at = prompt.find(kSlot);
  return {prompt.substr(0, at), prompt.substr(at + kSlot.size())};
}

}  // namespace

std::string prompt_problem(const std::string& prompt) {
  const auto first = prompt.find(kSlot);
  if (first == std::string::npos) return fmt::format("must hold {} where the audio goes, got '{}'.", kSlot, prompt);
  if (prompt.find(kSlot, first + 1) != std::string::npos) {
    return fmt::format("must hold {} once, got '{}'.", kSlot, prompt);
  }
  return "";
}

Prompts::Prompts(std::map<std::string, std::string> texts, std::shared_ptr<const Tokenizer> tokenizer,
                 const ChatConfig& chat)
    : texts_(std::move(texts)), tokenizer_(std::move(tokenizer)), chat_(chat, *tokenizer_) {
  for (const auto& [task, text] : texts_) ids_[task] = encode(text);
}

PromptIds Prompts::of(const data::Row& row) const {
  if (!row.prompt.empty()) {
    const std::string problem = prompt_problem(row.prompt);
    if (!problem.empty())
      user_error("The prompt of sample '{}' (line {} of its manifest) {}", row.key, row.line, problem);
    return encode(row.prompt);
  }
  auto found = ids_.find(row.task);
  if (found == ids_.end()) {
    std::vector<std::string> known;
    for (const auto& entry : texts_) known.push_back(entry.first);
    user_error("Sample '{}' is of task '{}', for which there is no prompt; add 'recipe.prompts.{}' or use one of: {}.",
               row.key, row.task, row.task, fmt::join(known, ", "));
  }
  return found->second;
}

std::vector<std::string> Prompts::sides(const std::map<std::string, std::string>& texts) {
  std::vector<std::string> all;
  for (const auto& entry : texts) {
    auto [left, right] = split(entry.second);
    all.push_back(left);
    all.push_back(right);
  }
  return all;
}

PromptIds Prompts::encode(const std::string& prompt) const {
  auto [left, right] = split(prompt);
  return {chat_.left(left), chat_.right(right)};
}

}  // namespace usam::recipes
