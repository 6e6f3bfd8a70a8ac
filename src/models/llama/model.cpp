#include "src/models/llama/model.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/nn/swiglu.h"

namespace usam::llama {

AttentionImpl::AttentionImpl(const Sizes& s, const Family& family, int64_t layer)
    : layer_(layer),
      head_dim_(s.head_dim),
      has_window_(!s.has_window.empty() && s.has_window[static_cast<size_t>(layer)]),
      q_proj_(s.hidden, s.heads * s.head_dim, s.has_qkv_bias),
      k_proj_(s.hidden, s.kv_heads * s.head_dim, s.has_qkv_bias),
      v_proj_(s.hidden, s.kv_heads * s.head_dim, s.has_qkv_bias),
      o_proj_(s.heads * s.head_dim, s.hidden, s.has_output_bias) {
  register_module("q_proj", q_proj_);
  register_module("k_proj", k_proj_);
  register_module("v_proj", v_proj_);
  register_module("o_proj", o_proj_);
  if (!family.has_qk_norm) return;
  q_norm_ = register_module("q_norm", nn::RmsNorm(s.head_dim, s.norm_eps));
  k_norm_ = register_module("k_norm", nn::RmsNorm(s.head_dim, s.norm_eps));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x_BTD, const Pass& pass) {
  auto split = [this](const torch::Tensor& y) { return y.unflatten(-1, {-1, head_dim_}); };
  auto queries = split(q_proj_(x_BTD)), keys = split(k_proj_(x_BTD)), values = split(v_proj_(x_BTD));
  if (q_norm_) {
    queries = q_norm_(queries).to(values.scalar_type());  // under autocast the norm's fp32 weight widens them
    keys = k_norm_(keys).to(values.scalar_type());
  }
  std::tie(queries, keys) = nn::rotate(queries, keys, pass.rotation);
  if (pass.packing) {
    if (pass.cache) pass.cache->fill(layer_, keys, values);
    return o_proj_(nn::packed_attention(queries, keys, values, has_window_ ? *pass.sliding_packing : *pass.packing));
  }
  queries = queries.transpose(1, 2), keys = keys.transpose(1, 2), values = values.transpose(1, 2);
  if (pass.cache) std::tie(keys, values) = pass.cache->append(layer_, keys, values);
  return o_proj_(nn::grouped_attention(queries, keys, values, has_window_ ? pass.sliding_mask : pass.mask));
}

FeedForwardImpl::FeedForwardImpl(const Sizes& s)
    : gate_proj_(s.hidden, s.intermediate, s.has_mlp_bias),
      up_proj_(s.hidden, s.intermediate, s.has_mlp_bias),
      down_proj_(s.intermediate, s.hidden, s.has_mlp_bias) {
  register_module("gate_proj", gate_proj_);
  register_module("up_proj", up_proj_);
  register_module("down_proj", down_proj_);
}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& x_BTD) {
  return down_proj_(nn::swiglu(gate_proj_(x_BTD), up_proj_(x_BTD)));
}

BlockImpl::BlockImpl(const Sizes& s, const Family& family, int64_t layer)
    : input_layernorm_(s.hidden, s.norm_eps),
      post_attention_layernorm_(s.hidden, s.norm_eps),
      self_attn_(s, family, layer),
      mlp_(s) {
  register_module("input_layernorm", input_layernorm_);
  register_module("self_attn", self_attn_);
  register_module("post_attention_layernorm", post_attention_layernorm_);
  register_module("mlp", mlp_);
}

torch::Tensor BlockImpl::forward(const torch::Tensor& x_BTD, const Pass& pass) {
  return wrapped(x_BTD, [this, pass](const torch::Tensor& in_BTD) {
    const auto [attended_BTD, normed_BTD] =
        post_attention_layernorm_->add(in_BTD, self_attn_(input_layernorm_(in_BTD), pass));
    return attended_BTD + mlp_(normed_BTD);
  });
}

TrunkImpl::TrunkImpl(const Sizes& s, const Family& family)
    : embed_tokens(s.vocab, s.hidden), norm(s.hidden, s.norm_eps) {
  register_module("embed_tokens", embed_tokens);
  register_module("layers", layers);
  register_module("norm", norm);
  for (int64_t i = 0; i < s.layers; ++i) layers->push_back(Block(s, family, i));
}

Decoder::Decoder(const Sizes& sizes, const Family& family)
    : sizes_(sizes),
      trunk_(sizes, family),
      frequencies_(nn::rope_frequencies(sizes.head_dim, sizes.rope_theta, sizes.rope_scaling)) {
  register_module("model", trunk_);
  if (!sizes.is_tied) lm_head_ = register_module("lm_head", nn::Linear(sizes.hidden, sizes.vocab, false));
}

Cache* Decoder::own(KvCache* cache) {
  auto* own = dynamic_cast<Cache*>(cache);
  if (cache && !own) internal_error("the cache given was made by another language model");
  return own;
}

Pass Decoder::prepare(const torch::Tensor& positions_BT, const torch::Tensor& segments_BT, Cache* cache) const {
  auto all_segments_BS = cache ? cache->append_segments(segments_BT) : segments_BT;
  const int64_t queries = segments_BT.size(1);
  Pass pass{nn::rotation(frequencies_, positions_BT), nn::causal_mask(all_segments_BS, queries), {}, cache};
  if (!sizes_.has_window.empty()) pass.sliding_mask = nn::causal_mask(all_segments_BS, queries, sizes_.window);
  return pass;
}

torch::Tensor Decoder::in_type_of_weights(const torch::Tensor& x) const {
  const auto type = trunk_->norm->weight.scalar_type();
  return type == torch::kFloat ? x : x.to(type);
}

torch::Tensor Decoder::embed(const torch::Tensor& ids) {
  if (ids.device().is_cpu() && ids.numel() > 0) {  // elsewhere the kernel checks, in its own words
    const auto flat = ids.to(torch::kLong).contiguous();
    const auto* first = flat.const_data_ptr<int64_t>();
    const auto largest = *std::max_element(first, first + flat.numel());
    if (largest >= sizes_.vocab)
      user_error("the id {} has no embedding: the language model's vocabulary has {} entries from 0", largest,
                 sizes_.vocab);
  }
  const auto embeds = trunk_->embed_tokens(ids);
  return embeds.scalar_type() == torch::kFloat ? embeds : embeds.to(trunk_->norm->weight.scalar_type());
}

torch::Tensor Decoder::forward(const torch::Tensor& embeds_BTD, const torch::Tensor& positions_BT,
                               const torch::Tensor& segments_BT, KvCache* cache) {
  return run(embeds_BTD, prepare(positions_BT, segments_BT, own(cache)));
}

torch::Tensor Decoder::forward_packed(const torch::Tensor& embeds_ND, const std::vector<int64_t>& lengths,
                                      KvCache* cache) {
  const auto device = embeds_ND.device();
  Pass pass;
  pass.cache = own(cache);
  if (pass.cache) pass.cache->begin_rows(lengths, device);
  pass.rotation = nn::rotation(frequencies_, nn::positions_of(lengths, device));
  pass.packing = std::make_shared<nn::Packing>(nn::packing(lengths, device));
  if (!sizes_.has_window.empty())
    pass.sliding_packing = std::make_shared<nn::Packing>(nn::packing(lengths, device, sizes_.window));
  return run(embeds_ND, pass);
}

torch::Tensor Decoder::run(const torch::Tensor& embeds, const Pass& pass) {
  auto x = in_type_of_weights(embeds);
  for (const auto& layer : *trunk_->layers) x = layer->as<BlockImpl>()->forward(x, pass);
  return trunk_->norm(x);
}

std::vector<torch::Tensor> Decoder::states(const torch::Tensor& embeds_BTD, const torch::Tensor& positions_BT,
                                           const torch::Tensor& segments_BT) {
  const auto pass = prepare(positions_BT, segments_BT, nullptr);
  std::vector<torch::Tensor> states{in_type_of_weights(embeds_BTD)};
  for (const auto& layer : *trunk_->layers) states.push_back(layer->as<BlockImpl>()->forward(states.back(), pass));
  states.back() = trunk_->norm(states.back());
  return states;
}

torch::Tensor Decoder::logits(const torch::Tensor& hidden) {
  if (lm_head_) return lm_head_(hidden);
  const auto& table = trunk_->embed_tokens->weight;
  if (c10::InferenceMode::is_enabled() && keeps_int8()) return nn::stored_product(hidden, head_in_int8(), {});
  if (keeps_table_) {
    const nn::StoredWeight head{nn::WeightStore::kBFloat16Dynamic, table.size(0), table.size(1), table, {}};
    return nn::stored_product(hidden, head, {});
  }
  return nn::linear(hidden, table);
}

void Decoder::keep_table_in_bfloat16() {
  auto& table = trunk_->embed_tokens->weight;
  table.requires_grad_(false);
  table.set_data(table.to(torch::kBFloat16));
  keeps_table_ = true;
}

bool Decoder::keeps_int8() {
  const auto is_int8 = [](const auto& module) {
    const auto linear = std::dynamic_pointer_cast<nn::LinearImpl>(module);
    return linear && (linear->store() == nn::WeightStore::kInt8 || linear->store() == nn::WeightStore::kInt8Dynamic);
  };
  if (!keeps_int8_) {
    const auto all = modules(/*include_self=*/false);
    keeps_int8_ = std::any_of(all.begin(), all.end(), is_int8);
  }
  return *keeps_int8_;
}

const nn::StoredWeight& Decoder::head_in_int8() {
  const auto& table = trunk_->embed_tokens->weight;
  const std::pair<const void*, uint32_t> now{table.const_data_ptr(), table._version()};
  if (!head_.values.defined() || head_of_ != now) {
    head_ = nn::store_weight(table.detach(), nn::WeightStore::kInt8);
    head_of_ = now;
  }
  return head_;
}

void Decoder::untie() {
  if (lm_head_) return;
  const torch::NoGradGuard no_grad;
  const auto& table = trunk_->embed_tokens->weight;
  lm_head_ = register_module("lm_head", nn::Linear(sizes_.hidden, sizes_.vocab, false));
  lm_head_->to(table.device(), table.scalar_type());
  lm_head_->weight.copy_(table);
  sizes_.is_tied = false;
}

}  // namespace usam::llama
