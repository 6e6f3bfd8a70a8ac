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

// Error rate of a corpus: jiwer's WER (words) or CER (characters, spaces between words included), and beside it
// its MER: the share of hits, errors and insertions together that are errors.
struct ErrorRate {
  Edits edits;                          // summed over the samples scored
  double mean_of_utterances = 0;        // mean of each sample's own rate, as some papers report
  double match_mean_of_utterances = 0;  // the same of the match error rate
  int64_t scored = 0;                   // samples with a reference that is not empty
  int64_t empty_references = 0;         // left out: a rate over no words is not defined

  // Errors over reference units; NaN when nothing was scored.
  double value() const;
};

// How each hypothesis differs from the reference with the lowest rate; a reference length of 0 where all its references
// are empty, which leaves the sample out of every rate.
std::vector<Edits> sample_edits(const std::vector<TextPair>& pairs, Unit unit);
ErrorRate error_rate(const std::vector<Edits>& samples);
ErrorRate error_rate(const std::vector<TextPair>& pairs, Unit unit);

}  // namespace usam::text
