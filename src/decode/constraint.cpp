#include "src/decode/constraint.h"

#include <algorithm>
#include <map>
#include <optional>

#include "src/base/error.h"

namespace usam::decode {
namespace {

class OneOf final : public Constraint {
 public:
  OneOf(const std::vector<std::string>& labels, const Tokenizer& tokenizer) : nodes_(1) {
    if (labels.empty()) user_error("An answer that is one of some labels needs at least one label.");
    for (const auto& label : labels) add(label, tokenizer.encode(label));
  }
  Next next(const Ids& ids) const override {
    size_t at = 0;
    for (const auto id : ids) at = nodes_[at].children.at(id);
    Next next{{}, nodes_[at].is_end};
    for (const auto& [id, child] : nodes_[at].children) next.ids.push_back(id);
    return next;
  }

 private:
  struct Node {
    std::map<int64_t, size_t> children;
    bool is_end = false;
  };
  void add(const std::string& label, const Ids& ids) {
    if (ids.empty()) user_error("The label '{}' has no tokens, so it cannot be an answer.", label);
    size_t at = 0;
    for (const auto id : ids) {
      const auto [child, is_new] = nodes_[at].children.try_emplace(id, nodes_.size());
      at = child->second;
      if (is_new) nodes_.emplace_back();
    }
    nodes_[at].is_end = true;
  }
  std::vector<Node> nodes_;
};

constexpr std::string_view kDigits = "0123456789";

struct Reading {
  bool is_begun = false;  // a number can begin so
  bool is_whole = false;
};

Reading read_number(std::string_view text) {
  const auto skip_digits = [&] {
    const size_t digits = std::min(text.find_first_not_of(kDigits), text.size());
    text.remove_prefix(digits);
    return digits > 0;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool has_digits = skip_digits();
  if (text.empty()) return {true, has_digits};
  if (!has_digits || text.front() != '.') return {};
  text.remove_prefix(1);
  const bool has_decimals = skip_digits();
  return {text.empty(), text.empty() && has_decimals};
}

std::string without_space(const std::string& text) {
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

class Number final : public Constraint {
 public:
  explicit Number(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    const auto digit = tokenizer.encode("0");  // before a token, so that its own space is seen
    const auto before = tokenizer.decode(digit);
    if (digit.size() > 1 && without_space(tokenizer.decode({digit.front()})).empty()) space_ = digit.front();
    for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
      add(first_, id, without_space(tokenizer.decode({id})));
      auto both = digit;
      both.push_back(id);
      const auto text = tokenizer.decode(both);
      if (text.starts_with(before)) add(later_, id, text.substr(before.size()));
    }
    const auto has_digit = [](const Piece& piece) { return piece.text.find_first_of(kDigits) != std::string::npos; };
    if (std::ranges::none_of(later_, has_digit))
      user_error("The tokenizer has no digits, so an answer cannot be a number.");
  }
  Next next(const Ids& ids) const override {
    const auto text = without_space(tokenizer_.decode(ids));
    Next next{{}, read_number(text).is_whole};
    if (ids.empty() && space_) next.ids.push_back(*space_);
    for (const auto& piece : ids.empty() ? first_ : later_)
      if (read_number(text + piece.text).is_begun) next.ids.push_back(piece.id);
    return next;
  }

 private:
  struct Piece {
    int64_t id = 0;
    std::string text;
  };
  static void add(std::vector<Piece>& pieces, int64_t id, const std::string& text) {
    if (!text.empty() && text.find_first_not_of("-.0123456789") == std::string::npos) pieces.push_back({id, text});
  }
  const Tokenizer& tokenizer_;
  std::optional<int64_t> space_;      // what SentencePiece writes before a first digit
  std::vector<Piece> first_, later_;  // tokens that can stand in a number, at its beginning and after
};

}  // namespace

std::shared_ptr<const Constraint> one_of(const std::vector<std::string>& labels, const Tokenizer& tokenizer) {
  return std::make_shared<OneOf>(labels, tokenizer);
}

std::shared_ptr<const Constraint> a_number(const Tokenizer& tokenizer) {
  return std::make_shared<Number>(tokenizer);
}

}  // namespace usam::decode
