#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/text/edit_distance.h"

namespace usam::text {

enum class Unit { kWord, kCharacter };

// References of one sample (at least one) and what was hypothesised for it, both normalised.
struct TextPair {
  std::vector<std::string> references;
  std::string hypothesis;
};

// Error rate of a corpus: jiwer's WER (words) or CER (characters, spaces between words included).
struct ErrorRate {
  Edits edits;                    // summed over the samples scored
  double mean_of_utterances = 0;  // mean of each sample's own rate, as some papers report
  int64_t scored = 0;             // samples with a reference that is not empty
  int64_t empty_references = 0;   // left out: a rate over no words is not defined
  int64_t empty_hypotheses = 0;   // among those scored

  // Errors over reference units; NaN when nothing was scored.
  double value() const;
};

// Of several references each sample is scored against the one with the lowest rate.
ErrorRate error_rate(const std::vector<TextPair>& pairs, Unit unit);

}  // namespace usam::text
