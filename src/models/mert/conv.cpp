// B batch, C channels, T steps, G groups, O outputs, K kernel, W values of a window.
#include "src/models/mert/conv.h"

#include <algorithm>
#include <cmath>

#include "src/nn/cpu_kernel.h"
#include "src/nn/random_init.h"
#include "src/nn/weight_store.h"
#include "src/tensor/autocast.h"

namespace usam {

int64_t conv_length(int64_t length, int64_t kernel, int64_t stride) {
  return length < kernel ? 0 : (length - kernel) / stride + 1;
}

MertConvImpl::MertConvImpl(const MertConvOptions& options) : options_(options) {
  weight = register_parameter("weight", nn::parameter_memory(value_sizes()));
  if (options.bias) bias = register_parameter("bias", nn::parameter_memory({options.out}));
  if (nn::UnsetParameters::is_on()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(options.in / options.groups * options.kernel));
  torch::nn::init::uniform_(weight, -bound, bound);
  if (options.bias) torch::nn::init::uniform_(bias, -bound, bound);
}

void MertConvImpl::take_values(const torch::Tensor& weight_OCK) {
  const torch::NoGradGuard no_grad;
  // A window's values come step by step: its channels lie beside each other.
  const auto values_OI = weight_OCK.transpose(1, 2).flatten(1);
  nn::put_stored(*this, nn::store_weight(values_OI, nn::WeightStore::kInt8Dynamic), weight, scales);
}

torch::Tensor MertConvImpl::forward(const torch::Tensor& x_BCT) const {
  const auto& o = options_;
  if (!scales.defined() && !can_take_rows(x_BCT))
    return torch::conv1d(x_BCT, weight, bias, o.stride, o.padding, /*dilation=*/1, o.groups);
  std::vector<torch::Tensor> clips;
  for (const auto& clip_CT : x_BCT.unbind(0))
    clips.push_back(scales.defined() ? convolve_codes(clip_CT.t()) : convolve_rows(clip_CT.t()));
  return (clips.size() == 1 ? clips[0].unsqueeze(0) : torch::stack(clips)).transpose(1, 2);
}

// A clip's steps one after the other, as the first layer leaves them: torch's convolution would turn them around first,
// which takes as long as two fifths of the largest layer's products. A graph is left to it.
bool MertConvImpl::can_take_rows(const torch::Tensor& x_BCT) const {
  const auto& o = options_;
  return o.in > 1 && o.groups == 1 && o.padding == 0 && x_BCT.is_cpu() && x_BCT.scalar_type() == torch::kFloat &&
         weight.scalar_type() == torch::kFloat && x_BCT.transpose(1, 2).is_contiguous() && x_BCT.size(2) >= o.kernel &&
         !nn::makes_graph(x_BCT, weight) && !autocast_type(x_BCT.device());
}

// (T, C) -> (T', O). As many steps of a window as the stride lie in rows that do not overlap: a product each, added.
torch::Tensor MertConvImpl::convolve_rows(const torch::Tensor& x_TC) const {
  const auto& o = options_;
  const int64_t steps = conv_length(x_TC.size(0), o.kernel, o.stride);
  torch::Tensor y_TO;
  for (int64_t first = 0; first < o.kernel; first += o.stride) {
    const int64_t count = std::min(o.stride, o.kernel - first), width = count * o.in;
    const auto rows_TW = x_TC.narrow(0, first, x_TC.size(0) - first).as_strided({steps, width}, {o.stride * o.in, 1});
    const auto weight_OW = weight.narrow(2, first, count).transpose(1, 2).flatten(1);
    if (first == 0)
      y_TO = nn::linear(rows_TW, weight_OW, bias);
    else
      at::addmm_out(y_TO, y_TO, rows_TW, weight_OW.t());
  }
  return y_TO;
}

// (T, C) -> (T', O).
torch::Tensor MertConvImpl::convolve_codes(const torch::Tensor& given_TC) const {
  const auto& o = options_;
  const auto x_TC = o.padding > 0 ? torch::constant_pad_nd(given_TC, {0, 0, o.padding, o.padding}) : given_TC;
  const int64_t channels = o.in / o.groups, outputs = o.out / o.groups, width = o.kernel * channels;
  const int64_t steps = conv_length(x_TC.size(0), o.kernel, o.stride);
  const auto x_GTC = x_TC.unflatten(1, {o.groups, channels}).transpose(0, 1).contiguous();
  std::vector<torch::Tensor> groups;
  for (int64_t g = 0; g < o.groups; ++g) {
    const nn::StoredWeight codes{nn::WeightStore::kInt8Dynamic, outputs, width, weight.narrow(0, g * outputs, outputs),
                                 scales.narrow(0, g * outputs, outputs)};
    const auto windows_TW = x_GTC[g].as_strided({steps, width}, {o.stride * channels, 1});
    groups.push_back(
        nn::stored_product(windows_TW, codes, bias.defined() ? bias.narrow(0, g * outputs, outputs) : bias));
  }
  return groups.size() == 1 ? groups[0] : torch::cat(groups, 1);
}

}  // namespace usam
