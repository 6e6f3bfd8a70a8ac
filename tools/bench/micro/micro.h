#pragma once
// Micro-benchmarks of the parts around the matrix products: run through tools/bench/run micro.
#include <string>

namespace usam::bench {

// Front ends and resampling, by seconds of audio.
void register_features();
// Tokenizer (of the folder, where one is given) and collation.
void register_text(const std::string& tokenizer_folder);
// Contrastive loss and cross-entropy, forward and backward.
void register_losses();
// Q-Former, a step of decoding, an update by the optimizer.
void register_model();

}  // namespace usam::bench
