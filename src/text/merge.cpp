#include "src/text/merge.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <span>
#include <utility>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

constexpr int kMatch = 2, kError = -1;

// A word, or a character of a script without spaces, with the punctuation that follows it.
struct Unit {
  size_t begin, end;  // bytes in the text
  bool is_character;
  std::string key;  // what is compared
};

bool is_unspaced(char32_t point) {
  static constexpr std::pair<char32_t, char32_t> kRanges[] = {{0x0E00, 0x0EFF},  // Thai, Lao
                                                              {0x1000, 0x109F},  // Myanmar
                                                              {0x1780, 0x17FF},  // Khmer
                                                              {0x3040, 0x30FF},  // Hiragana, Katakana
                                                              {0x31F0, 0x31FF}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF},
                                                              {0xF900, 0xFAFF}, {0xFF66, 0xFF9F}, {0x20000, 0x323AF}};
  return std::ranges::any_of(kRanges, [&](const auto& range) { return range.first <= point && point <= range.second; });
}

std::vector<Unit> units_of(const std::string& text) {
  std::vector<Unit> units;
  bool is_open = false;  // the latest unit may go on
  char32_t point = 0;
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    bytes = decode_point(text, at, point);
    if (is_space(point)) {
      is_open = false;
      continue;
    }
    const bool is_silent = is_mark_symbol_or_punctuation(point), is_character = !is_silent && is_unspaced(point);
    const bool goes_on = is_open && (is_silent || (!is_character && !units.back().is_character));
    if (!goes_on) units.push_back({at, at, is_character, ""});
    is_open = true;
    units.back().end = at + bytes;
    if (!is_silent) units.back().key.append(text, at, bytes);
  }
  // A dash between spaces is no word: it goes with the one before it.
  std::vector<Unit> voiced;
  for (Unit& unit : units) {
    if (!unit.key.empty()) {
      unit.key = lower(unit.key);
      voiced.push_back(std::move(unit));
    } else if (!voiced.empty()) {
      voiced.back().end = unit.end;
    }
  }
  return voiced;
}

// A pair of equal units and its place in the alignment.
struct Pair {
  size_t left, right;  // indices of units
  int64_t column;
};

// The alignment of some end of `left` with some beginning of `right` that has the most matches for its errors.
class Alignment {
 public:
  Alignment(std::span<const Unit> left, std::span<const Unit> right)
      : left_(left), right_(right), width_(right.size() + 1), scores_((left.size() + 1) * width_, 0) {
    for (size_t r = 1; r < width_; ++r) scores_[r] = kError * static_cast<int>(r);
    for (size_t l = 1; l <= left.size(); ++l) {
      for (size_t r = 1; r < width_; ++r)
        at(l, r) = std::max({at(l - 1, r - 1) + step(l, r), at(l - 1, r) + kError, at(l, r - 1) + kError});
    }
  }

  // The pair in the middle; none where the two have too little in common.
  std::optional<Pair> middle() {
    const auto last = scores_.end() - static_cast<std::ptrdiff_t>(width_);
    const auto best = std::max_element(last, scores_.end());
    if (*best <= 0) return std::nullopt;
    const std::vector<Pair> pairs = matches(left_.size(), static_cast<size_t>(best - last));
    int evidence = 0;  // one character alone says little
    for (const Pair& pair : pairs) evidence += left_[pair.left].is_character ? 1 : 2;
    if (evidence < 2) return std::nullopt;
    return *std::ranges::min_element(pairs, {}, [&](const Pair& p) { return std::abs(2 * p.column + 1 - columns_); });
  }

 private:
  int& at(size_t l, size_t r) { return scores_[l * width_ + r]; }
  int step(size_t l, size_t r) const { return left_[l - 1].key == right_[r - 1].key ? kMatch : kError; }

  // Walks back from a cell to where the right text begins.
  std::vector<Pair> matches(size_t l, size_t r) {
    std::vector<Pair> pairs;
    for (columns_ = 0; r > 0; ++columns_) {
      if (l > 0 && at(l, r) == at(l - 1, r - 1) + step(l, r)) {
        --l, --r;
        if (left_[l].key == right_[r].key) pairs.push_back({l, r, columns_});
      } else if (l > 0 && at(l, r) == at(l - 1, r) + kError) {
        --l;
      } else {
        --r;
      }
    }
    return pairs;
  }

  std::span<const Unit> left_, right_;
  size_t width_;
  std::vector<int> scores_;
  int64_t columns_ = 0;
};

// How many units of a window's text may lie in the overlap: speech is not even.
size_t most_units(size_t units, double share) {
  const double most = 2 * std::min(share, 1.0) * static_cast<double>(units) + 5;
  return std::min(units, static_cast<size_t>(std::ceil(most)));
}

// Where one text goes over to the other: bytes of the left text that stay and of the right text that go.
struct Seam {
  size_t left, right;
};
// The shares are those of the overlap in the windows.
std::optional<Seam> meet(const std::string& left, const std::string& right, double left_share, double right_share) {
  const auto left_units = units_of(left), right_units = units_of(right);
  const auto tail = std::span(left_units).last(most_units(left_units.size(), left_share));
  const auto head = std::span(right_units).first(most_units(right_units.size(), right_share));
  const auto pair = Alignment(tail, head).middle();
  if (!pair) return std::nullopt;
  return Seam{tail[pair->left].end, head[pair->right].end};
}

bool needs_space(const std::string& left, const std::string& right) {
  const auto ends = code_points(left), begins = code_points(right);
  return !is_unspaced(ends.back()) && !is_unspaced(begins.front());
}

}  // namespace

std::string merge_windows(const std::vector<WindowText>& windows, double overlap) {
  std::string result;
  size_t from = 0;                     // in `result`, of what the latest window has added
  const WindowText* before = nullptr;  // the window before, where it has a text
  for (const WindowText& window : windows) {
    const std::string text = strip(window.text);
    if (!text.empty()) {
      const auto seam = before && overlap > 0
                            ? meet(result.substr(from), text, overlap / before->seconds, overlap / window.seconds)
                            : std::nullopt;
      if (seam) result.resize(from + seam->left);
      if (!seam && !result.empty() && needs_space(result, text)) result += " ";
      from = result.size();
      result += text.substr(seam ? seam->right : 0);
    }
    before = text.empty() ? nullptr : &window;
  }
  return result;
}

}  // namespace usam::text
