#include "src/text/bleu.h"

#include <cmath>
#include <cstdlib>
#include <map>

#include "src/base/error.h"
#include "src/text/regex.h"
#include "src/text/unicode.h"

namespace usam::text {
namespace {

constexpr size_t kBleuOrders = 4;
using NgramCounts = std::map<std::vector<std::string>, int64_t>;

// Punctuation apart from words; periods and commas stay inside numbers. (mteval-v13a's language-dependent part)
std::string punctuation_apart(const std::string& text) {
  static const Regex symbols(R"(([{-~\[-` -&(-+:-@/]))"), after_other(R"(([^0-9])([.,]))"),
      before_other(R"(([.,])([^0-9]))"), dash("([0-9])(-)");
  std::string result = after_other.replace(symbols.replace(text, " ${1} "), "${1} ${2} ");
  return dash.replace(before_other.replace(result, " ${1} ${2}"), "${1} ${2} ");
}

// What sacrebleu's zh tokenizer takes for a Chinese character. Its list writes two planes-2 ranges in UTF-16 notation,
// which Python reads as U+2000 '0' ... and U+2F80 '0' ...: the two ranges marked below are what that amounts to.
bool is_chinese(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range ranges[] = {{0x3400, 0x4DB5},
                                     {0x4E00, 0x9FA5},
                                     {0x9FA6, 0x9FBB},
                                     {0xF900, 0xFA2D},
                                     {0xFA30, 0xFA6A},
                                     {0xFA70, 0xFAD9},
                                     {0x2001, 0x2A6D} /* marked */,
                                     {0x2F81, 0x2FA1} /* marked */,
                                     {0xFF00, 0xFFEF},
                                     {0x2E80, 0x2EFF},
                                     {0x3000, 0x303F},
                                     {0x31C0, 0x31EF},
                                     {0x2F00, 0x2FDF},
                                     {0x2FF0, 0x2FFF},
                                     {0x3100, 0x312F},
                                     {0x31A0, 0x31BF},
                                     {0xFE10, 0xFE1F},
                                     {0xFE30, 0xFE4F},
                                     {0x2600, 0x26FF},
                                     {0x3200, 0x32FF},
                                     {0x3300, 0x33FF}};
  for (const Range& range : ranges)
    if (c >= range.first && c <= range.last) return true;
  return false;
}

// Puts spaces around the characters that are words of their own.
template <class IsWord>
std::string characters_apart(const std::string& text, IsWord is_word) {
  std::u32string apart;
  for (char32_t c : code_points(text)) {
    if (is_word(c)) {
      apart += U' ';
      apart += c;
      apart += U' ';
    } else {
      apart += c;
    }
  }
  return to_utf8(apart);
}

std::string western(std::string text) {
  text = replaced(replaced(replaced(text, "<skipped>", ""), "-\n", ""), "\n", " ");
  if (text.find('&') != std::string::npos) {
    text = replaced(replaced(text, "&quot;", "\""), "&amp;", "&");
    text = replaced(replaced(text, "&lt;", "<"), "&gt;", ">");
  }
  return punctuation_apart(" " + text + " ");
}

NgramCounts ngrams(const std::vector<std::string>& words) {
  NgramCounts counts;
  for (size_t n = 1; n <= kBleuOrders; ++n)
    for (size_t at = 0; at + n <= words.size(); ++at)
      ++counts[{words.begin() + static_cast<std::ptrdiff_t>(at), words.begin() + static_cast<std::ptrdiff_t>(at + n)}];
  return counts;
}

// Where each part of the statistics begins.
constexpr size_t kCorrect = 0, kTotal = kBleuOrders, kHypothesisLength = 2 * kBleuOrders,
                 kReferenceLength = 2 * kBleuOrders + 1;

}  // namespace

const char* name_of(BleuTokens tokens) {
  switch (tokens) {
    case BleuTokens::k13a:
      return "13a";
    case BleuTokens::kZh:
      return "zh";
    case BleuTokens::kChar:
      return "char";
  }
  internal_error("unknown BLEU tokenizer");
}

std::vector<std::string> bleu_words(const std::string& text, BleuTokens tokens) {
  switch (tokens) {
    case BleuTokens::k13a: {
      const std::string stripped = strip("." + text);  // white space at the end alone is dropped before tokenising
      return split_words(western(stripped.substr(1)));
    }
    case BleuTokens::kZh:
      return split_words(punctuation_apart(characters_apart(strip(text), is_chinese)));
    case BleuTokens::kChar:
      return split_words(characters_apart(text, [](char32_t) { return true; }));
  }
  return {};
}

BleuStatistics bleu_statistics(const TextPair& pair, BleuTokens tokens) {
  const auto words = bleu_words(pair.hypothesis, tokens);
  const auto length = static_cast<int64_t>(words.size());
  NgramCounts allowed;
  int64_t closest = -1;
  for (const std::string& reference : pair.references) {
    const auto reference_words = bleu_words(reference, tokens);
    const auto reference_length = static_cast<int64_t>(reference_words.size());
    const int64_t distance = std::abs(length - reference_length), best = std::abs(length - closest);
    if (closest < 0 || distance < best || (distance == best && reference_length < closest)) closest = reference_length;
    for (const auto& [ngram, count] : ngrams(reference_words)) {
      int64_t& most = allowed[ngram];
      most = std::max(most, count);
    }
  }
  BleuStatistics result = {};
  result[kHypothesisLength] = static_cast<double>(length);
  result[kReferenceLength] = static_cast<double>(closest);
  for (const auto& [ngram, count] : ngrams(words)) {
    const size_t order = ngram.size() - 1;
    result[kTotal + order] += static_cast<double>(count);
    if (const auto found = allowed.find(ngram); found != allowed.end())
      result[kCorrect + order] += static_cast<double>(std::min(count, found->second));
  }
  return result;
}

Bleu bleu(const BleuStatistics& sums) {
  const double length = sums[kHypothesisLength], reference_length = sums[kReferenceLength];
  Bleu result;
  result.hypothesis_length = static_cast<int64_t>(length);
  result.reference_length = static_cast<int64_t>(reference_length);
  result.brevity_penalty = length >= reference_length ? 1 : length == 0 ? 0 : std::exp(1 - reference_length / length);
  double any = 0;
  for (size_t n = 0; n < kBleuOrders; ++n) any += sums[kCorrect + n];
  if (any == 0) return result;
  double smoothing = 1, log_sum = 0;
  for (size_t n = 0; n < kBleuOrders; ++n) {
    if (sums[kTotal + n] == 0) return result;  // no hypothesis is this long
    if (sums[kCorrect + n] == 0) smoothing *= 2;
    const double correct = sums[kCorrect + n] == 0 ? 1 / smoothing : sums[kCorrect + n];
    result.precisions[n] = correct / sums[kTotal + n];
    log_sum += std::log(result.precisions[n]);
  }
  result.value = result.brevity_penalty * std::exp(log_sum / kBleuOrders);
  return result;
}

Bleu bleu(const std::vector<TextPair>& pairs, BleuTokens tokens) {
  BleuStatistics sums = {};
  for (const TextPair& pair : pairs) {
    const BleuStatistics one = bleu_statistics(pair, tokens);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += one[i];
  }
  return bleu(sums);
}

}  // namespace usam::text
