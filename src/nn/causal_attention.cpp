#include "src/nn/causal_attention.h"

namespace usam::nn {
namespace {

bool is_one_segment_then_padding(const torch::Tensor& segments_BT) {
  auto first = segments_BT.narrow(1, 0, 1);
  auto in_first = segments_BT.eq(first);
  auto is_prefix = in_first.slice(1, 1).logical_not().logical_or(in_first.slice(1, 0, -1));
  return (is_prefix.all() & first.gt(0).all() & (in_first | segments_BT.eq(0)).all()).item<bool>();
}

// (B, G, S, K) -> (B, H, S, K): each key/value head repeated for the query heads of its group.
torch::Tensor repeat_heads(const torch::Tensor& x_BGSK, int64_t times) {
  if (times == 1) return x_BGSK;
  auto sizes = x_BGSK.sizes();
  return x_BGSK.unsqueeze(2)
      .expand({sizes[0], sizes[1], times, sizes[2], sizes[3]})
      .reshape({sizes[0], sizes[1] * times, sizes[2], sizes[3]});
}

}  // namespace

CausalMask causal_mask(const torch::Tensor& segments_BS, int64_t queries, std::optional<int64_t> window) {
  const int64_t keys = segments_BS.size(1);
  const bool is_cut = window && *window < keys;
  if (keys == queries && !is_cut && is_one_segment_then_padding(segments_BS)) return {};
  if (queries == 1 && segments_BS.is_cpu())
    return {false, {}, std::make_shared<const SeenKeys>(seen_keys(segments_BS, window))};
  auto same_segment = segments_BS.slice(1, keys - queries).unsqueeze(2) == segments_BS.unsqueeze(1);
  auto key_index = torch::arange(keys, segments_BS.options());
  auto not_later = key_index.unsqueeze(0) <= key_index.slice(0, keys - queries).unsqueeze(1);
  auto allowed_BTS = same_segment & not_later;
  if (is_cut) {
    auto order_BS = segments_BS.gt(0).cumsum(1);  // a row's segments follow each other: within one it counts its keys
    allowed_BTS = allowed_BTS & (order_BS.slice(1, keys - queries).unsqueeze(2) - order_BS.unsqueeze(1) < *window);
  }
  return {false, allowed_BTS.unsqueeze(1), {}};
}

torch::Tensor grouped_attention(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BGSK,
                                const torch::Tensor& values_BGSK, const CausalMask& mask) {
  const auto sizes = queries_BHTK.sizes();
  const int64_t batch = sizes[0], heads = sizes[1], steps = sizes[2], width = sizes[3], groups = keys_BGSK.size(1);
  if (mask.seen && can_attend_one_query(queries_BHTK, keys_BGSK, values_BGSK))
    return one_query_attention(queries_BHTK, keys_BGSK, values_BGSK, *mask.seen);
  std::optional<torch::Tensor> allowed;
  if (!mask.is_plain) allowed = mask.seen ? mask_of(*mask.seen) : mask.allowed_B1TS;
  torch::Tensor out;
  if (steps == 1) {  // incremental decoding: a group's heads are queries of one position, so that nothing is repeated
    auto queries = queries_BHTK.reshape({batch, groups, heads / groups, width});
    out = at::scaled_dot_product_attention(queries, keys_BGSK, values_BGSK, allowed);
    return out.reshape({batch, 1, heads * width});
  }
  // The CPU's kernel reads shared heads as they are; of CUDA's some do not, and the choice among them is torch's.
  const int64_t times = queries_BHTK.is_cpu() ? 1 : heads / groups;
  auto keys = repeat_heads(keys_BGSK, times), values = repeat_heads(values_BGSK, times);
  out = at::scaled_dot_product_attention(queries_BHTK, keys, values, allowed, 0.0, mask.is_plain, std::nullopt,
                                         keys.size(1) != heads);
  return out.transpose(1, 2).reshape({batch, steps, heads * width});
}

}  // namespace usam::nn
