#include "src/text/caption_metrics.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

using Words = std::vector<std::string>;

Words letters_and_digits(const std::string& text) {
  std::string kept = lower(text);
  for (char& c : kept)
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) c = ' ';
  return split_words(kept);
}

int64_t longest_common_subsequence(const Words& a, const Words& b) {
  std::vector<int64_t> before(b.size() + 1), now(b.size() + 1);
  for (const std::string& word : a) {
    for (size_t j = 1; j <= b.size(); ++j)
      now[j] = word == b[j - 1] ? before[j - 1] + 1 : std::max(before[j], now[j - 1]);
    std::swap(before, now);
  }
  return before.back();
}

double rouge_l(const Words& reference, const Words& hypothesis) {
  const auto common = static_cast<double>(longest_common_subsequence(reference, hypothesis));
  if (common == 0) return 0;
  const double precision = common / static_cast<double>(hypothesis.size());
  const double recall = common / static_cast<double>(reference.size());
  return 2 * precision * recall / (precision + recall);
}

struct Match {
  size_t hypothesis, reference;
};

// From the last word of the hypothesis to the first.
std::vector<Match> matches_of(const Words& reference, const Words& hypothesis) {
  std::map<std::string, std::vector<size_t>> free_places;
  for (size_t r = 0; r < reference.size(); ++r) free_places[reference[r]].push_back(r);
  std::vector<Match> matches;
  for (size_t h = hypothesis.size(); h-- > 0;) {
    const auto found = free_places.find(hypothesis[h]);
    if (found == free_places.end() || found->second.empty()) continue;
    matches.push_back({h, found->second.back()});
    found->second.pop_back();
  }
  return matches;
}

double meteor_exact(const Words& reference, const Words& hypothesis) {
  const auto matches = matches_of(reference, hypothesis);
  if (matches.empty()) return 0;
  const auto count = static_cast<double>(matches.size());
  double pieces = 1;
  for (size_t i = 1; i < matches.size(); ++i) {
    const bool goes_on =
        matches[i].hypothesis + 1 == matches[i - 1].hypothesis && matches[i].reference + 1 == matches[i - 1].reference;
    if (!goes_on) ++pieces;
  }
  const double precision = count / static_cast<double>(hypothesis.size());
  const double recall = count / static_cast<double>(reference.size());
  const double mean = precision * recall / (0.9 * precision + 0.1 * recall);
  return (1 - 0.5 * std::pow(pieces / count, 3)) * mean;
}

}  // namespace

double rouge_l(const TextPair& pair) {
  const Words hypothesis = letters_and_digits(pair.hypothesis);
  double best = 0;
  for (const std::string& reference : pair.references)
    best = std::max(best, rouge_l(letters_and_digits(reference), hypothesis));
  return best;
}

double meteor_exact(const TextPair& pair) {
  const Words hypothesis = split_words(lower(pair.hypothesis));
  double best = 0;
  for (const std::string& reference : pair.references)
    best = std::max(best, meteor_exact(split_words(lower(reference)), hypothesis));
  return best;
}

}  // namespace usam::text
