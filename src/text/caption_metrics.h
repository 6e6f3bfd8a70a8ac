#pragma once
// Scores of one caption, from 0 to 1; those of a corpus are their mean. Of several references the one with the highest
// score counts.
#include "src/text/error_rate.h"

namespace usam::text {

// ROUGE-L: F1 of the longest common subsequence of words, where words are what google-research's rouge_score takes for
// them without stemming: lower-cased stretches of ASCII letters and digits. Texts as they are.
double rouge_l(const TextPair& pair);

// METEOR of its exact stage alone, without stems and synonyms: words are aligned where they are equal, each of the
// hypothesis from the last with the last such word of the reference still free, as in NLTK's meteor_score; recall
// counts nine times precision, and up to half is taken off for matches in many pieces. Words are stretches between
// white space.
double meteor_exact(const TextPair& pair);

}  // namespace usam::text
