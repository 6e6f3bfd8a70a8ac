#pragma once
#include <vector>

#include "src/decode/options.h"
#include "src/decode/prompt.h"

namespace usam::decode {

// Beam search as transformers' `generate` with `early_stopping=False`: of each prompt's continuations the best
// options.beams go on, until as many have ended and none that goes on would at its present length beat them. Result:
// options.n_best a prompt, best first (fewer where there are no more).
std::vector<std::vector<Hypothesis>> beam_search(LanguageModel& model, ReadPrompts prompts, const Options& options);

}  // namespace usam::decode
