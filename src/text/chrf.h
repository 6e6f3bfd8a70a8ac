#pragma once
#include <array>
#include <string>
#include <vector>

#include "src/text/error_rate.h"

namespace usam::text {

// chrF2 as sacrebleu computes it with its defaults (characters in stretches of 1 to 6 without white space, no words,
// effective order). Of each length: how many stretches the hypothesis has, the reference has, both have.
using ChrfStatistics = std::array<double, 18>;

// Of one sample, against the reference with the highest score of its own. Texts as they are.
ChrfStatistics chrf_statistics(const TextPair& pair);
// The score of statistics summed over samples, as a fraction; sacrebleu prints 100 times this.
double chrf(const ChrfStatistics& sums);

}  // namespace usam::text
