#pragma once
// Counter-based randomness (src/base/draw.h) for torch's own random functions.
#include <torch/torch.h>

#include "src/base/draw.h"

namespace usam {

// A CPU generator seeded by the key.
torch::Generator generator(DrawKey key);
// Seeds torch's default generators (CPU, and CUDA where there is one): what dropout draws from in one micro-batch.
void seed_default_generators(DrawKey key);

}  // namespace usam
