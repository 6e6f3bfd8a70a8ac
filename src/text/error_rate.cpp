#include "src/text/error_rate.h"

#include <limits>
#include <optional>

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

}  // namespace

double ErrorRate::value() const {
  return scored ? rate(edits) : std::numeric_limits<double>::quiet_NaN();
}

ErrorRate error_rate(const std::vector<TextPair>& pairs, Unit unit) {
  ErrorRate result;
  for (const TextPair& pair : pairs) {
    std::optional<Edits> best;
    for (const std::string& reference : pair.references) {
      const Edits edits = edits_of(reference, pair.hypothesis, unit);
      if (edits.reference_length() > 0 && (!best || rate(edits) < rate(*best))) best = edits;
    }
    if (!best) {
      ++result.empty_references;
      continue;
    }
    ++result.scored;
    result.empty_hypotheses += strip(pair.hypothesis).empty();
    result.edits += *best;
    result.mean_of_utterances += rate(*best);
  }
  result.mean_of_utterances = result.scored ? result.mean_of_utterances / static_cast<double>(result.scored)
                                            : std::numeric_limits<double>::quiet_NaN();
  return result;
}

}  // namespace usam::text
