// N positions of all sequences, T of one, H query heads, G key/value heads, K head width.
#include "src/nn/packed_attention.h"

#include <ATen/SDPBackend.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/nn/cpu_kernel.h"
#include "src/tensor/to_device.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A sequence's rows of (N, heads, K) as a kernel of attention takes them, (1, heads, T, K), without a copy.
torch::Tensor one_sequence(const torch::Tensor& x_NHK, int64_t first, int64_t length) {
  const int64_t heads = x_NHK.size(1), width = x_NHK.size(2), row = heads * width;
  return x_NHK.as_strided({1, heads, length, width}, {length * row, width, row, 1},
                          x_NHK.storage_offset() + first * row);
}

std::optional<torch::Tensor> added_mask(const torch::Tensor& mask_TT) {
  if (!mask_TT.defined()) return std::nullopt;
  return torch::zeros(mask_TT.sizes()).masked_fill_(mask_TT.logical_not(), -INFINITY);
}

// What a pass keeps for its backward pass beside the operands and the result.
struct KeptAttention : torch::CustomClassHolder {
  Packing packing;
  std::vector<torch::Tensor> log_sums;  // of the softmax, of each sequence
};

// The kernel of torch for the CPU, sequence by sequence: one node for all of them.
class OnCpu : public torch::autograd::Function<OnCpu> {
 public:
  static torch::Tensor run(const torch::Tensor& queries, const torch::Tensor& keys, const torch::Tensor& values,
                           const Packing& packing, std::vector<torch::Tensor>* log_sums) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto out_NHK = torch::empty(queries.sizes(), queries.options());
    int64_t first = 0;
    for (size_t i = 0; i < packing.lengths.size(); ++i) {
      const int64_t length = packing.lengths[i];
      if (length == 0) continue;
      const auto& mask_TT = packing.masks_TT[i];
      auto [out, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
          one_sequence(queries, first, length), one_sequence(keys, first, length), one_sequence(values, first, length),
          0.0, !mask_TT.defined(), added_mask(mask_TT));
      one_sequence(out_NHK, first, length).copy_(out);
      if (log_sums) log_sums->push_back(log_sum);
      first += length;
    }
    return out_NHK.flatten(1);
  }

  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& queries, const torch::Tensor& keys,
                               const torch::Tensor& values, const Packing& packing) {
    auto kept = c10::make_intrusive<KeptAttention>();
    kept->packing = packing;
    auto out = run(queries, keys, values, packing, &kept->log_sums);
    ctx->save_for_backward({queries, keys, values, out});
    ctx->saved_data["kept"] = torch::IValue::make_capsule(std::move(kept));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    const auto saved = ctx->get_saved_variables();
    const auto &queries = saved[0], &keys = saved[1], &values = saved[2];
    const auto capsule = ctx->saved_data["kept"].toCapsule();
    const auto& kept = static_cast<const KeptAttention&>(*capsule);
    const auto out = saved[3].view_as(queries), dout = grads[0].contiguous().view_as(queries);
    auto dqueries = torch::empty_like(queries), dkeys = torch::empty_like(keys), dvalues = torch::empty_like(values);
    int64_t first = 0;
    for (size_t i = 0, k = 0; i < kept.packing.lengths.size(); ++i) {
      const int64_t length = kept.packing.lengths[i];
      if (length == 0) continue;
      const auto part = [&](const torch::Tensor& x) { return one_sequence(x, first, length); };
      const auto& mask_TT = kept.packing.masks_TT[i];
      const auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          part(dout), part(queries), part(keys), part(values), part(out), kept.log_sums[k++], 0.0, !mask_TT.defined(),
          added_mask(mask_TT));
      part(dqueries).copy_(dq);
      part(dkeys).copy_(dk);
      part(dvalues).copy_(dv);
      first += length;
    }
    return {dqueries, dkeys, dvalues, {}};
  }
};

bool goes_to_cpu_kernel(const torch::Tensor& queries, const torch::Tensor& keys, const torch::Tensor& values) {
  return is_plain_fp32(queries) && is_plain_fp32(keys) && is_plain_fp32(values);
}

// Whether torch would take flash attention for one of the sequences: it looks at device, type, width and settings.
bool goes_to_flash(const torch::Tensor& queries, const torch::Tensor& keys, const torch::Tensor& values) {
  if (!queries.is_cuda() || queries.scalar_type() == torch::kFloat || queries.size(2) % 8 != 0) return false;
  const auto one = [](const torch::Tensor& x_NHK) { return x_NHK.detach().transpose(0, 1).unsqueeze(0); };
  const auto choice = static_cast<at::SDPBackend>(at::_fused_sdp_choice(
      one(queries), one(keys), one(values), {}, 0.0, true, std::nullopt, queries.size(1) != keys.size(1)));
  return choice == at::SDPBackend::flash_attention || choice == at::SDPBackend::cudnn_attention;
}

}  // namespace

Packing packing(const std::vector<int64_t>& lengths, torch::Device device, std::optional<int64_t> window) {
  Packing p{lengths, 0, window, {}, std::vector<torch::Tensor>(lengths.size())};
  if (!lengths.empty()) p.longest = *std::max_element(lengths.begin(), lengths.end());
  if (!device.is_cpu()) {
    std::vector<int32_t> offsets(1, 0);
    for (const int64_t length : lengths) offsets.push_back(offsets.back() + static_cast<int32_t>(length));
    p.offsets = to_device(torch::tensor(offsets, torch::kInt32), device);
  }
  for (size_t i = 0; window && i < lengths.size(); ++i) {
    if (lengths[i] <= *window) continue;
    const auto all = torch::ones({lengths[i], lengths[i]}, torch::dtype(torch::kBool).device(device));
    p.masks_TT[i] = all.tril().triu(1 - *window);
  }
  return p;
}

torch::Tensor positions_of(const std::vector<int64_t>& lengths, torch::Device device) {
  std::vector<int64_t> positions(static_cast<size_t>(std::accumulate(lengths.begin(), lengths.end(), int64_t{0})));
  auto at = positions.begin();
  for (const int64_t length : lengths) {
    std::iota(at, at + length, 0);
    at += length;
  }
  return to_device(positions, device);
}

torch::Tensor composite_packed_attention(const torch::Tensor& queries_NHK, const torch::Tensor& keys_NGK,
                                         const torch::Tensor& values_NGK, const Packing& packing) {
  const auto parts = [&](const torch::Tensor& x_NHK) { return x_NHK.split_with_sizes(packing.lengths); };
  const auto queries = parts(queries_NHK), keys = parts(keys_NGK), values = parts(values_NGK);
  const bool is_grouped = queries_NHK.size(1) != keys_NGK.size(1);
  const auto heads_first = [](const torch::Tensor& x_THK) { return x_THK.transpose(0, 1).unsqueeze(0); };
  std::vector<torch::Tensor> out_THK;
  for (size_t i = 0; i < queries.size(); ++i) {
    std::optional<torch::Tensor> mask;
    if (packing.masks_TT[i].defined()) mask = packing.masks_TT[i];
    auto out = at::scaled_dot_product_attention(heads_first(queries[i]), heads_first(keys[i]), heads_first(values[i]),
                                                mask, 0.0, !mask, std::nullopt, is_grouped);
    out_THK.push_back(out.squeeze(0).transpose(0, 1));
  }
  return torch::cat(out_THK).flatten(1);
}

torch::Tensor packed_attention(const torch::Tensor& queries_NHK, const torch::Tensor& keys_NGK,
                               const torch::Tensor& values_NGK, const Packing& packing) {
  if (goes_to_cpu_kernel(queries_NHK, keys_NGK, values_NGK)) {
    if (makes_graph(queries_NHK, keys_NGK, values_NGK)) return OnCpu::apply(queries_NHK, keys_NGK, values_NGK, packing);
    return OnCpu::run(queries_NHK, keys_NGK, values_NGK, packing, nullptr);
  }
  if (goes_to_flash(queries_NHK, keys_NGK, values_NGK)) {
    std::optional<int64_t> left, right;
    if (packing.window) left = *packing.window - 1, right = 0;
    return std::get<0>(at::_flash_attention_forward(queries_NHK, keys_NGK, values_NGK, packing.offsets, packing.offsets,
                                                    packing.longest, packing.longest, 0.0, /*is_causal=*/true,
                                                    /*return_debug_mask=*/false, std::nullopt, left, right))
        .flatten(1);
  }
  return composite_packed_attention(queries_NHK, keys_NGK, values_NGK, packing);
}

}  // namespace usam::nn
