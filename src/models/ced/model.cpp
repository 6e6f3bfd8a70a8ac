// B batch, T mel frames, M mel bands, N tokens, D width.
#include "src/models/ced/model.h"

#include "src/nn/gelu.h"

namespace usam {

CedBatchNormImpl::CedBatchNormImpl() {
  weight = register_parameter("weight", torch::ones(CedEncoder::kMels));
  bias = register_parameter("bias", torch::zeros(CedEncoder::kMels));
  running_mean = register_buffer("running_mean", torch::zeros(CedEncoder::kMels));
  running_var = register_buffer("running_var", torch::ones(CedEncoder::kMels));
}

torch::Tensor CedBatchNormImpl::forward(const torch::Tensor& features_BTM) {
  const auto full = [](const torch::Tensor& x) { return x.to(torch::kFloat); };
  const auto scale_M = full(weight) * (full(running_var) + 1e-5).rsqrt();
  return (full(features_BTM) - full(running_mean)) * scale_M + full(bias);
}

CedMlpImpl::CedMlpImpl(int64_t width, int64_t hidden) {
  fc1_ = register_module("fc1", nn::Linear(width, hidden));
  fc2_ = register_module("fc2", nn::Linear(hidden, width));
}

torch::Tensor CedMlpImpl::forward(const torch::Tensor& x_BND) {
  return fc2_(nn::gelu(fc1_(x_BND)));
}

CedBlockImpl::CedBlockImpl(const CedSizes& sizes) {
  const auto norm = torch::nn::LayerNormOptions({sizes.width}).eps(1e-6);
  norm1_ = register_module("norm1", torch::nn::LayerNorm(norm));
  attn_ = register_module(
      "attn", nn::SelfAttention(nn::SelfAttentionOptions{sizes.width, sizes.heads, sizes.qkv_bias, sizes.qkv_bias}));
  norm2_ = register_module("norm2", torch::nn::LayerNorm(norm));
  mlp_ = register_module("mlp", CedMlp(sizes.width, sizes.ffn));
}

torch::Tensor CedBlockImpl::forward(const torch::Tensor& x_BND, const torch::Tensor& key_mask_B11N) {
  const auto attended_BND = x_BND + attn_(norm1_(x_BND), key_mask_B11N);
  return attended_BND + mlp_(norm2_(attended_BND));
}

CedEncoder::CedEncoder(const CedSizes& sizes, CedBands bands) : sizes_(sizes), bands_(bands) {
  const int64_t width = sizes.width;
  init_bn_ = register_module("init_bn", CedBatchNorm());
  auto patch_embed = register_module("patch_embed", std::make_shared<torch::nn::Module>("patch_embed"));
  patch_ = torch::nn::Conv2d(torch::nn::Conv2dOptions(1, width, kPatch).stride(kPatch));
  patch_embed->register_module("proj", patch_);
  time_pos_embed_ = register_parameter("time_pos_embed", torch::zeros({1, width, 1, sizes.target_length / kPatch}));
  freq_pos_embed_ = register_parameter("freq_pos_embed", torch::zeros({1, width, kBands, 1}));
  torch::nn::ModuleList blocks;
  for (int64_t i = 0; i < sizes.layers; ++i) blocks->push_back(blocks_.emplace_back(CedBlock(sizes)));
  register_module("blocks", blocks);
  norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(1e-6)));
}

torch::Tensor CedEncoder::embed(const torch::Tensor& chunk_BTM) {
  const auto patches = patch_(chunk_BTM.transpose(1, 2).unsqueeze(1));  // (B, D, bands, steps)
  return patches + time_pos_embed_.narrow(3, 0, patches.size(3)) + freq_pos_embed_;
}

CedEncoder::States CedEncoder::run_blocks(torch::Tensor x_BND, const torch::Tensor& key_mask_B11N, bool all_states) {
  States states;
  for (auto& block : blocks_) {
    if (all_states) states.push_back(x_BND);
    x_BND = block(x_BND, key_mask_B11N);
  }
  if (all_states) states.push_back(x_BND);
  states.push_back(norm_(x_BND));
  return states;
}

CedEncoder::States CedEncoder::encode_chunk(const torch::Tensor& chunk_BTM, const torch::Tensor& steps_B,
                                            bool all_states) {
  const auto host_R = steps_B.nonzero().squeeze(1);
  const bool is_whole = host_R.size(0) == chunk_BTM.size(0);
  const auto rows_R = is_whole ? torch::Tensor() : to_device(host_R, chunk_BTM.device());
  const auto grid = embed(is_whole ? chunk_BTM : chunk_BTM.index_select(0, rows_R));
  const auto x_RND = grid.permute({0, 3, 2, 1}).flatten(1, 2);  // token 4 t + band
  torch::Tensor key_mask_R11N;
  if (host_R.size(0) > 0)
    key_mask_R11N = nn::key_padding_mask(steps_B.index_select(0, host_R) * kBands, x_RND.size(1), chunk_BTM.device());
  auto states = run_blocks(x_RND, key_mask_R11N, all_states);
  if (is_whole) return states;
  for (auto& state : states)
    state = state.new_zeros({chunk_BTM.size(0), state.size(1), state.size(2)}).index_copy(0, rows_R, state);
  return states;
}

EncoderOutput CedEncoder::forward(const torch::Tensor& features_BTM, const torch::Tensor& lengths_B, bool all_states) {
  const int64_t size = sizes_.target_length, frames = features_BTM.size(1);
  // No masking of the features: patches do not overlap, and a step counts only when it lies inside the clip.
  const auto x_BTM = init_bn_(features_BTM).to(patch_->weight.scalar_type());
  auto total_B = torch::zeros_like(lengths_B);
  std::vector<States> chunks;
  for (int64_t start = 0; start + kPatch <= frames; start += size) {
    const int64_t length = std::min(size, frames - start);
    const auto steps_B = torch::div((lengths_B - start).clamp(0, length), kPatch, "floor");
    chunks.push_back(encode_chunk(x_BTM.narrow(1, start, length), steps_B, all_states));
    total_B += steps_B;
  }
  TORCH_CHECK(!chunks.empty(), "CED needs at least ", kPatch, " frames; min_samples() tells callers");
  return assemble(chunks, total_B);
}

EncoderOutput CedEncoder::assemble(const std::vector<States>& chunks, const torch::Tensor& steps_B) const {
  const bool is_folded = bands_ == CedBands::kFold;
  EncoderOutput output;
  for (size_t layer = 0; layer < chunks[0].size(); ++layer) {
    std::vector<torch::Tensor> parts;
    for (const auto& states : chunks) parts.push_back(states[layer]);
    auto x_BND = parts.size() == 1 ? parts[0] : torch::cat(parts, 1);
    if (is_folded) x_BND = x_BND.reshape({x_BND.size(0), -1, width()});
    output.states_BTD.push_back(x_BND);
  }
  output.last_BTD = output.states_BTD.back();
  if (output.states_BTD.size() > 1) output.states_BTD.pop_back();
  output.lengths_B = is_folded ? steps_B : steps_B * kBands;
  output.hz = hz();
  return output;
}

EncoderOutput CedEncoder::forward_published(const torch::Tensor& features_BTM, bool all_states) {
  const int64_t size = sizes_.target_length, frames = features_BTM.size(1);
  auto x_BTM = init_bn_(features_BTM).to(patch_->weight.scalar_type());
  if (frames > size) x_BTM = torch::constant_pad_nd(x_BTM, {0, 0, 0, (size - frames % size) % size});
  EncoderOutput output;
  for (const auto& chunk_BTM : x_BTM.split(size, 1)) {
    const auto states = run_blocks(embed(chunk_BTM).flatten(2).transpose(1, 2), {}, all_states);
    output.states_BTD.resize(states.size());
    for (size_t i = 0; i < states.size(); ++i) {
      auto& joined = output.states_BTD[i];
      joined = joined.defined() ? torch::cat({joined, states[i]}, 1) : states[i];
    }
  }
  output.last_BTD = output.states_BTD.back();
  if (output.states_BTD.size() > 1) output.states_BTD.pop_back();
  output.lengths_B = torch::full({features_BTM.size(0)}, output.last_BTD.size(1), torch::kInt64);
  output.hz = 25;
  return output;
}

int64_t CedEncoder::output_frames(int64_t samples) const {
  const int64_t frames = samples / kHop + 1, size = sizes_.target_length;
  const int64_t steps = frames / size * (size / kPatch) + frames % size / kPatch;
  return bands_ == CedBands::kFold ? steps : steps * kBands;
}

double CedEncoder::hz() const {
  const double steps = 16000.0 / (kHop * kPatch);
  return bands_ == CedBands::kFold ? steps : steps * kBands;
}

// Chunk by chunk: each but the last ends with frames that fill no patch. A step's bands are at one time.
double CedEncoder::frame_time(int64_t index) const {
  const int64_t step = bands_ == CedBands::kFold ? index : index / kBands;
  const int64_t size = sizes_.target_length, chunk = step / (size / kPatch), place = step % (size / kPatch);
  const double frames = static_cast<double>(chunk * size + place * kPatch) + 0.5 * kPatch;
  return frames * kHop / 16000.0;
}

std::string CedEncoder::path_of(const std::string& tensor) const {
  // Queries, keys and values are one tensor there.
  return tensor.find(".attn.qkv.") == tensor.npos ? ced_module_path(tensor) : "";
}

}  // namespace usam
