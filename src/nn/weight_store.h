#pragma once
// What the weight of a linear layer is kept in, and products with it. M rows of activations, O outputs, I inputs.
#include <torch/torch.h>

namespace usam::nn {

enum class WeightStore {
  kPlain,            // a floating type
  kInt8,             // codes and a scale for each output; multiplied as the values that they stand for
  kInt8Dynamic,      // the same codes; rows of activations become int8 too, and the product is one of whole numbers
  kNf4,              // blocks of 4-bit codes (quantise.h)
  kBFloat16Dynamic,  // bfloat16; rows of activations become bfloat16 too
};

// Whether rows of activations are rounded too.
inline bool rounds_activations(WeightStore store) {
  return store == WeightStore::kInt8Dynamic || store == WeightStore::kBFloat16Dynamic;
}

// W (O, I). A quantised one takes no gradient.
struct StoredWeight {
  WeightStore store = WeightStore::kPlain;
  int64_t outputs = 0, inputs = 0;
  torch::Tensor values;  // kPlain, bfloat16: (O, I); int8: codes (O, I); nf4: packed codes
  torch::Tensor scales;  // int8: (O); nf4: of blocks; else undefined
};

// x W^T + b: torch's, or in inference mode, where x has few rows, the product of few_rows.h, or that of wide_product.h.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O = {});

StoredWeight store_weight(const torch::Tensor& weight_OI, WeightStore store);
// Puts what was stored into the parameters `weight` and `scales` of a layer, frozen and where its weight lies; `scales`
// becomes a parameter with the first codes.
void put_stored(torch::nn::Module& layer, const StoredWeight& kept, torch::Tensor& weight, torch::Tensor& scales);
// The values, as (O, I) of a floating type.
torch::Tensor dense_weight(const StoredWeight& weight, torch::ScalarType type);

// x W^T + b for x (..., I), in x's type; the graph reaches x, and b (which may be undefined). No more than some rows of
// W are there in x's type at a time on a processor. Autocast has no say.
torch::Tensor stored_product(const torch::Tensor& x, const StoredWeight& weight, const torch::Tensor& bias_O);
// dy W for dy (..., O), in dy's type, without a graph.
torch::Tensor stored_input_gradient(const torch::Tensor& dy, const StoredWeight& weight);

}  // namespace usam::nn
