// Reads MERT (model_type mert_model), HuBERT and wav2vec 2.0 folders as Hugging Face lays them out.
#include <cmath>
#include <functional>
#include <numeric>

#include "src/base/error.h"
#include "src/models/mert/model.h"
#include "src/models/pretrained.h"
#include "src/nn/random_init.h"

namespace usam {
namespace {

// The two namings of the position convolution's weight norm: direction, gain.
struct WeightNorm {
  std::string direction, gain;
};
const WeightNorm kWeightNorms[] = {{".parametrizations.weight.original1", ".parametrizations.weight.original0"},
                                   {".weight_v", ".weight_g"}};
const std::string kPositionConv = "encoder.pos_conv_embed.conv";
// Models with a head (for CTC, classification, pre-training) hold the encoder under one of these.
constexpr const char* kPrefixes[] = {"wav2vec2.", "hubert."};
constexpr double kLargestHop = 1e6;  // samples

MertSizes random_sizes(const MertConfig& c) {
  MertSizes sizes;
  sizes.width = c.shape.width.value();
  sizes.layers = c.shape.layers.value();
  sizes.heads = c.shape.heads.value();
  sizes.ffn = c.shape.ffn.value_or(4 * sizes.width);
  sizes.conv.widths.assign(sizes.conv.kernels.size(), c.conv_width.value_or(sizes.width));
  sizes.position_kernel = c.position_kernel.value_or(128);
  sizes.position_groups = c.position_groups.value_or(16);
  sizes.pre_norm = c.pre_norm.value_or(false);
  sizes.sample_rate = c.sample_rate.value_or(24000);
  sizes.normalize = c.normalize.value_or(true);
  return sizes;
}

MertConvSizes conv_sizes(FolderSizes& file, const MertConfig& c, const std::string& folder) {
  MertConvSizes conv;
  conv.widths = file.sizes("conv_dim");
  conv.kernels = file.sizes("conv_kernel");
  conv.strides = file.sizes("conv_stride");
  conv.norm =
      file.text("feat_extract_norm", {"group", "layer"}) == "layer" ? MertConvNorm::kLayer : MertConvNorm::kGroup;
  conv.bias = file.flag("conv_bias", "conv_bias", {}, false);
  if (conv.widths.size() != conv.kernels.size() || conv.widths.size() != conv.strides.size())
    file.problem(fmt::format("{}/config.json: conv_dim, conv_kernel and conv_stride differ in length", folder));
  if (std::accumulate(conv.strides.begin(), conv.strides.end(), 1.0, std::multiplies<>()) > kLargestHop)
    file.problem(
        fmt::format("{}/config.json: conv_stride leaves less than one frame in {:.0f} samples", folder, kLargestHop));
  for (int64_t width : conv.widths) {
    if (!c.conv_width || *c.conv_width == width) continue;
    file.problem(fmt::format("'conv_width: {}' contradicts {}/config.json, where conv_dim holds {}; remove the key",
                             *c.conv_width, folder, width));
    break;
  }
  return conv;
}

void read_front_end(MertSizes& sizes, const MertConfig& c, const std::string& folder) {
  auto file = FolderSizes::front_end(folder);
  sizes.sample_rate = file.size("sampling_rate", "sample_rate", c.sample_rate);
  sizes.normalize = file.flag("do_normalize", "normalize", c.normalize, true);
  file.finish();
}

// w = gain * v / |v|, the norm taken for each position of the kernel.
torch::Tensor fold_weight_norm(const torch::Tensor& direction, const torch::Tensor& gain) {
  const auto v = direction.to(torch::kFloat);
  return gain.to(torch::kFloat) * v / v.square().sum({0, 1}, /*keepdim=*/true).sqrt();
}

// What stands before the encoder's tensors in a folder; "" for a folder of the encoder alone.
std::string prefix_of(const io::WeightFiles& files) {
  for (const std::string prefix : kPrefixes)
    for (const auto& name : files.names())
      if (name.starts_with(prefix)) return prefix;
  return "";
}

io::LoadOptions load_options(const io::WeightFiles& files) {
  const std::string prefix = prefix_of(files);
  io::LoadOptions options;
  options.rename = [prefix](const std::string& name) {
    return name.starts_with(prefix) ? mert_module_path(name.substr(prefix.size())) : "";  // the rest is a head
  };
  options.transform = [prefix, &files](const std::string& path, const torch::Tensor& tensor) {
    const std::string conv = prefix + kPositionConv;
    if (path != kPositionConv + ".weight" || files.contains(conv + ".weight")) return tensor;
    for (const auto& naming : kWeightNorms)
      if (files.contains(conv + naming.direction)) return fold_weight_norm(tensor, files.get(conv + naming.gain));
    return tensor;
  };
  return options;
}

// Values that a model of these sizes has, at least.
double values_of(const MertSizes& sizes) {
  const auto width = static_cast<double>(sizes.width);
  double values =
      encoder_values(sizes.width, sizes.layers, sizes.ffn) +
      width * width / static_cast<double>(sizes.position_groups) * static_cast<double>(sizes.position_kernel);
  for (size_t i = 0; i < sizes.conv.widths.size(); ++i)
    values += static_cast<double>(sizes.conv.widths[i] * (i == 0 ? 1 : sizes.conv.widths[i - 1])) *
              static_cast<double>(sizes.conv.kernels[i]);
  return values;
}

// Of the stores in fewer bits, the convolutions gain by products of whole numbers alone: their weights are few.
void keep_convolutions(MertEncoder& encoder, const ModelSource& source) {
  if (source.store == KeptStore::kInt8Dynamic) encoder.quantise_convolutions();
}

// Convolutions, which GELUs follow, as He et al.: normal, sqrt(2 / fan-in).
void init_rule(const std::string& path, torch::Tensor& value, torch::Generator& draws) {
  nn::scratch_rule(path, value, draws, value.dim() == 3 ? std::sqrt(2.0) : 1);
}

}  // namespace

MertSizes mert_sizes(const MertConfig& c) {
  for (const auto& problem : {encoder_problem(c.source, c.shape), mert_problem(c)})
    if (!problem.empty()) user_error("{}", problem);
  if (c.source.is_random()) return random_sizes(c);
  const std::string& folder = c.source.path.value;
  FolderSizes file(folder, "config.json");
  file.expect_model_type({"mert_model", "hubert", "wav2vec2"});
  MertSizes sizes;
  sizes.width = file.size("hidden_size", "width", c.shape.width);
  sizes.layers = file.size("num_hidden_layers", "layers", c.shape.layers);
  sizes.heads = file.size("num_attention_heads", "heads", c.shape.heads);
  file.check_division(sizes.width, sizes.heads);
  sizes.ffn = file.size("intermediate_size", "ffn", c.shape.ffn);
  sizes.conv = conv_sizes(file, c, folder);
  sizes.has_projection_norm = file.flag("feat_proj_layer_norm", "feat_proj_layer_norm", {}, true);
  sizes.position_kernel = file.size("num_conv_pos_embeddings", "position_kernel", c.position_kernel);
  sizes.position_groups = file.size("num_conv_pos_embedding_groups", "position_groups", c.position_groups);
  file.check_division(sizes.width, sizes.position_groups, "groups of the position convolution");
  sizes.pre_norm = file.flag("do_stable_layer_norm", "pre_norm", c.pre_norm, false);
  sizes.norm_epsilon = file.number("layer_norm_eps", 1e-5);
  for (const char* key : {"hidden_act", "feat_extract_activation"}) file.require(key, "gelu");
  // attention_relax (MERT 330M has it) needs no code: it shifts the scores of a row by a constant before the softmax.
  for (const char* key : {"conv_pos_batch_norm", "feature_extractor_cqt", "deepnorm", "add_adapter"})
    file.require(key, false);
  file.require("adapter_attn_dim", {});
  file.finish();
  read_front_end(sizes, c, folder);
  return sizes;
}

std::string mert_module_path(const std::string& tensor) {
  if (tensor == "masked_spec_embed") return "";
  for (const auto& naming : kWeightNorms) {
    if (tensor == kPositionConv + naming.direction) return kPositionConv + ".weight";
    if (tensor == kPositionConv + naming.gain) return "";
  }
  return tensor;
}

std::shared_ptr<MertEncoder> make_mert(const MertConfig& config, const ModelInit& how) {
  const nn::UnsetParameters unset;
  const auto sizes = mert_sizes(config);
  if (config.source.is_random()) {
    auto encoder = std::make_shared<MertEncoder>(sizes);
    nn::init_parameters(*encoder, draw_key(how.seed, how.name), init_rule);
    keep_random(*encoder, config.source);
    keep_convolutions(*encoder, config.source);
    return encoder;
  }
  const auto files = open_weights(config.source, values_of(sizes));
  auto encoder = std::make_shared<MertEncoder>(sizes);
  load_pretrained(*encoder, config.source, files, load_options(files));
  keep_convolutions(*encoder, config.source);
  return encoder;
}

}  // namespace usam
