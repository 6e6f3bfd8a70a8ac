#include "src/text/error_rate.h"

#include <limits>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

Edits edits_of(const std::string& reference, const std::string& hypothesis, Unit unit) {
  if (unit == Unit::kWord) return edits_between(split_words(reference), split_words(hypothesis));
  return edits_between(code_points(strip(reference)), code_points(strip(hypothesis)));
}

double rate(const Edits& edits) {
  return static_cast<double>(edits.errors()) / static_cast<double>(edits.reference_length());
}

double match_rate(const Edits& edits) {
  return static_cast<double>(edits.errors()) / static_cast<double>(edits.hits + edits.errors());
}

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double ErrorRate::value() const {
  return scored ? rate(edits) : kUndefined;
}

std::vector<Edits> sample_edits(const std::vector<TextPair>& pairs, Unit unit) {
  std::vector<Edits> all;
  for (const TextPair& pair : pairs) {
    Edits best;
    for (const std::string& reference : pair.references) {
      const Edits edits = edits_of(reference, pair.hypothesis, unit);
      if (edits.reference_length() > 0 && (best.reference_length() == 0 || rate(edits) < rate(best))) best = edits;
    }
    all.push_back(best);
  }
  return all;
}

ErrorRate error_rate(const std::vector<Edits>& samples) {
  ErrorRate result;
  for (const Edits& edits : samples) {
    if (edits.reference_length() == 0) {
      ++result.empty_references;
      continue;
    }
    ++result.scored;
    result.edits += edits;
    result.mean_of_utterances += rate(edits);
    result.match_mean_of_utterances += match_rate(edits);
  }
  const double count = result.scored ? static_cast<double>(result.scored) : kUndefined;
  result.mean_of_utterances /= count;
  result.match_mean_of_utterances /= count;
  return result;
}

ErrorRate error_rate(const std::vector<TextPair>& pairs, Unit unit) {
  return error_rate(sample_edits(pairs, unit));
}

}  // namespace usam::text
