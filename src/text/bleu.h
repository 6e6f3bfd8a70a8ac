#pragma once
#include <array>
#include <string>
#include <vector>

#include "src/text/error_rate.h"

namespace usam::text {

// How BLEU cuts text into words: sacrebleu's tokenizers of the same names (13a: Western languages; zh: every Chinese
// character alone; char: every character alone).
enum class BleuTokens { k13a, kZh, kChar };
const char* name_of(BleuTokens tokens);

// Corpus BLEU-4 as sacrebleu computes it with its defaults (exponential smoothing, mixed case, closest reference
// length).
struct Bleu {
  double value = 0;                       // a fraction; sacrebleu prints 100 times this
  std::array<double, 4> precisions = {};  // of 1- to 4-grams, fractions
  double brevity_penalty = 0;
  int64_t hypothesis_length = 0, reference_length = 0;
};

// What a corpus' BLEU is computed from, to be summed over samples: of 1- to 4-grams how many are right, how many there
// are; the words of the hypothesis, of the reference nearest in length.
using BleuStatistics = std::array<double, 10>;
BleuStatistics bleu_statistics(const TextPair& pair, BleuTokens tokens);
Bleu bleu(const BleuStatistics& sums);

// Texts as they are: BLEU is computed on unnormalised text.
Bleu bleu(const std::vector<TextPair>& pairs, BleuTokens tokens = BleuTokens::k13a);

// The words that BLEU compares.
std::vector<std::string> bleu_words(const std::string& text, BleuTokens tokens);

}  // namespace usam::text
