#include "src/tensor/rng.h"

namespace usam {

torch::Generator generator(DrawKey key) {
  return at::detail::createCPUGenerator(key.value());
}

void seed_default_generators(DrawKey key) {
  torch::manual_seed(key.value());
}

}  // namespace usam
