#include "src/decode/prompt.h"

#include "src/base/error.h"
#include "src/tensor/frames.h"

namespace usam::decode {

ReadPrompts read_prompts(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B) {
  const int64_t batch = prompts_BTD.size(0), longest = prompts_BTD.size(1);
  if (lengths_B.numel() != batch || lengths_B.lt(1).any().item<bool>() || lengths_B.gt(longest).any().item<bool>())
    internal_error("{} prompts of at most {} positions do not go with lengths of shape ({}) out of 1 to {}", batch,
                   longest, lengths_B.numel(), longest);
  auto lengths = lengths_B.to(prompts_BTD.device(), torch::kLong);
  auto positions_BT = torch::arange(longest, lengths.options()).expand({batch, longest});
  auto cache = model.make_cache();
  auto hidden_BTD =
      model.forward(prompts_BTD, positions_BT, length_mask(lengths, longest).to(torch::kLong), cache.get());
  auto last_BD = hidden_BTD.index({torch::arange(batch, lengths.options()), lengths - 1});
  return {std::move(cache), last_BD, lengths};
}

}  // namespace usam::decode
