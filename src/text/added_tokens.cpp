#include "src/text/added_tokens.h"

#include <algorithm>

#include "src/text/unicode.h"
#include "src/text/unicode_classes.h"

namespace usam::text {
namespace {

// Where the character before byte `at` begins; `at` is not 0.
size_t previous(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (text[at] & 0xC0) == 0x80);
  return at;
}

char32_t point_at(std::string_view text, size_t at) {
  char32_t point = 0;
  decode_point(text, at, point);
  return point;
}

bool is_white(char32_t point) {
  return char_class(char_classes(), point) == CharClass::kSpace;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !is_word_character(point_at(text, previous(text, begin)))) &&
         (end == text.size() || !is_word_character(point_at(text, end)));
}

}  // namespace

void AddedTokens::add(const AddedToken& token, const std::string& content) {
  if (content.empty()) return;
  uint32_t node = 0;
  for (char c : content) {
    const auto byte = static_cast<uint8_t>(c);
    if (node == 0) begins_[byte] = true;
    const auto [child, is_new] =
        children_.try_emplace(static_cast<uint64_t>(node) << 8 | byte, static_cast<uint32_t>(ends_.size()));
    if (is_new) ends_.push_back(-1);
    node = child->second;
  }
  if (ends_[node] < 0) {  // of tokens with one content the first counts
    ends_[node] = static_cast<int32_t>(tokens_.size());
    tokens_.push_back(token);
  }
}

bool AddedTokens::find(std::string_view text, size_t from, Match& match) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!begins_[static_cast<uint8_t>(text[begin])]) continue;
    match.token = nullptr;
    uint32_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
      const auto child = children_.find(static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(text[at]));
      if (child == children_.end()) break;
      node = child->second;
      if (ends_[node] >= 0) match = {begin, at + 1, &tokens_[static_cast<size_t>(ends_[node])]};
    }
    if (match.token) return true;
  }
  return false;
}

std::vector<TextPiece> AddedTokens::split(std::string_view text, size_t plain_begin, size_t plain_end) const {
  std::vector<TextPiece> pieces;
  size_t done = 0;
  Match match;
  for (size_t from = 0; !tokens_.empty() && find(text, from, match); from = match.end) {
    const AddedToken& token = *match.token;
    if (token.special && match.begin < plain_end && match.end > plain_begin) continue;
    if (token.single_word && !stands_alone(text, match.begin, match.end)) continue;
    size_t begin = match.begin, end = match.end;
    if (token.lstrip)
      while (begin > done && is_white(point_at(text, previous(text, begin)))) begin = previous(text, begin);
    if (token.rstrip) {
      char32_t point = 0;
      for (size_t size = 0; end < text.size(); end += size) {
        size = decode_point(text, end, point);
        if (!is_white(point)) break;
      }
    }
    if (done < begin) pieces.push_back({done, begin, -1});
    pieces.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({done, text.size(), -1});
  return pieces;
}

}  // namespace usam::text
