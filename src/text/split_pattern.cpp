#include "src/text/split_pattern.h"

#include "src/base/text.h"
#include "src/text/unicode.h"
#include "src/text/unicode_classes.h"

namespace usam::text {
namespace {

class LiteralPattern final : public SplitPattern {
 public:
  explicit LiteralPattern(std::string text) : text_(std::move(text)) {}
  bool find(std::string_view text, size_t from, Span& match) const override {
    const size_t at = text.find(text_, from);
    match = {at, at + text_.size()};
    return at != std::string_view::npos;
  }

 private:
  std::string text_;
};

// A place in the text with what the patterns ask about the character there.
class Cursor {
 public:
  Cursor(std::string_view text, size_t at, const uint8_t* classes) : text_(text), at_(at), classes_(classes) { look(); }

  size_t at() const { return at_; }
  bool done() const { return at_ >= text_.size(); }
  char32_t point() const { return point_; }
  bool is_letter() const { return is(CharClass::kLetter); }
  bool is_number() const { return is(CharClass::kNumber); }
  bool is_space() const { return is(CharClass::kSpace); }
  bool is_other() const { return !done() && (kind_ == CharClass::kOther || kind_ == CharClass::kLateNumber); }
  bool is_line_end() const { return !done() && (point_ == U'\n' || point_ == U'\r'); }
  bool is(CharClass kind) const { return !done() && kind_ == kind; }
  void next() {
    at_ += size_;
    look();
  }

 private:
  void look() {
    if (done()) return;
    size_ = decode_point(text_, at_, point_);
    kind_ = char_class(classes_, point_);
  }

  std::string_view text_;
  size_t at_, size_ = 0;
  const uint8_t* classes_;
  char32_t point_ = 0;
  CharClass kind_ = CharClass::kOther;
};

class DigitsPattern final : public SplitPattern {
 public:
  bool find(std::string_view text, size_t from, Span& match) const override {
    for (Cursor at(text, from, classes_); !at.done(); at.next()) {
      if (!at.is_number() && !at.is(CharClass::kLateNumber)) continue;
      match.begin = at.at();
      at.next();
      match.end = at.at();
      return true;
    }
    return false;
  }

 private:
  const uint8_t* classes_ = char_classes();
};

// The end of "'s|'t|'re|'ve|'m|'ll|'d" at an apostrophe, or `at` where none of them is there. U+017F is an s to those
// who ignore case.
size_t contraction_end(std::string_view text, size_t at, bool ignore_case) {
  const auto letter = [&](size_t i) -> char {
    if (i >= text.size()) return 0;
    return ignore_case ? ascii_lower(text[i]) : text[i];
  };
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
    return at + 3;
  if (ignore_case && text.substr(at + 1).starts_with("\u017F")) return at + 3;
  return at;
}

// "\s+(?!\S)|\s+" at a space: all the white space, less its last character where a word follows.
size_t spaces_end(Cursor at) {
  size_t last = at.at();
  const size_t first = last;
  for (; at.is_space(); at.next()) last = at.at();
  return at.done() || last == first ? at.at() : last;
}

// Patterns that match at every place: their matches stand side by side.
class SeamlessPattern : public SplitPattern {
 public:
  bool find(std::string_view text, size_t from, Span& match) const final {
    if (from >= text.size()) return false;
    match = {from, end_of(text, from)};
    return true;
  }

 protected:
  // The end of the match at `from`, which lies inside the text.
  virtual size_t end_of(std::string_view text, size_t from) const = 0;

  const uint8_t* classes_ = char_classes();
};

class Gpt2Pattern final : public SeamlessPattern {
  size_t end_of(std::string_view text, size_t from) const override {
    if (text[from] == '\'') {
      const size_t end = contraction_end(text, from, /*ignore_case=*/false);
      if (end != from) return end;
    }
    Cursor at(text, from, classes_);
    if (at.point() == U' ') at.next();
    for (auto is : {&Cursor::is_letter, &Cursor::is_number, &Cursor::is_other}) {
      if (!(at.*is)()) continue;
      while ((at.*is)()) at.next();
      return at.at();
    }
    return spaces_end(Cursor(text, from, classes_));
  }
};

// Llama 3 and Qwen 2, which differ in the length of a group of digits.
class Llama3Pattern final : public SeamlessPattern {
 public:
  explicit Llama3Pattern(int digits) : digits_(digits) {}

 private:
  size_t end_of(std::string_view text, size_t from) const override {
    if (text[from] == '\'') {
      const size_t end = contraction_end(text, from, /*ignore_case=*/true);
      if (end != from) return end;
    }
    const Cursor first(text, from, classes_);
    Cursor at = first;
    if (first.is_number()) {
      for (int n = 0; n < digits_ && at.is_number(); ++n) at.next();
      return at.at();
    }
    if (!first.is_letter()) at.next();
    if (at.is_letter() && !first.is_line_end()) {
      while (at.is_letter()) at.next();
      return at.at();
    }
    if (first.point() != U' ') at = first;
    if (at.is_other()) {
      while (at.is_other()) at.next();
      while (at.is_line_end()) at.next();
      return at.at();
    }
    return white_space_end(first);
  }

  // "\s*[\r\n]+|\s+(?!\S)|\s+": through the last line end of the white space, where it has one.
  static size_t white_space_end(const Cursor& first) {
    size_t end = 0;
    for (Cursor at = first; at.is_space();) {
      const bool line_end = at.is_line_end();
      at.next();
      if (line_end) end = at.at();
    }
    return end ? end : spaces_end(first);
  }

  int digits_;
};

}  // namespace

std::unique_ptr<const SplitPattern> make_split_pattern(const SplitStep& step) {
  if (step.kind == SplitStep::Kind::kLiteral) return std::make_unique<LiteralPattern>(step.pattern);
  if (step.kind == SplitStep::Kind::kDigits) return std::make_unique<DigitsPattern>();
  if (step.pattern == kGpt2Split) return std::make_unique<Gpt2Pattern>();
  if (step.pattern == kLlama3Split) return std::make_unique<Llama3Pattern>(3);
  if (step.pattern == kQwen2Split) return std::make_unique<Llama3Pattern>(1);
  return make_regex_pattern(step.pattern);
}

}  // namespace usam::text
