// Reads MERT folders (model_type mert_model) and HuBERT folders (hubert) as Hugging Face lays them out.
#include <cmath>

#include "src/base/error.h"
#include "src/io/weights.h"
#include "src/models/mert/model.h"
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
  for (int64_t width : conv.widths) {
    if (!c.conv_width || *c.conv_width == width) continue;
    file.problem(fmt::format("'conv_width: {}' contradicts {}/config.json, where conv_dim holds {}; remove the key",
                             *c.conv_width, folder, width));
    break;
  }
  return conv;
}

void read_front_end(MertSizes& sizes, const MertConfig& c, const std::string& folder) {
  FolderSizes file(folder, "preprocessor_config.json");
  sizes.sample_rate = file.size("sampling_rate", "sample_rate", c.sample_rate);
  sizes.normalize = file.flag("do_normalize", "normalize", c.normalize, true);
  file.finish();
}

// w = gain * v / |v|, the norm taken for each position of the kernel.
torch::Tensor fold_weight_norm(const torch::Tensor& direction, const torch::Tensor& gain) {
  const auto v = direction.to(torch::kFloat);
  return gain.to(torch::kFloat) * v / v.square().sum({0, 1}, /*keepdim=*/true).sqrt();
}

void load(MertEncoder& encoder, const io::WeightFiles& files) {
  io::LoadOptions options;
  options.rename = mert_module_path;
  options.transform = [&files](const std::string& path, const torch::Tensor& tensor) {
    if (path != kPositionConv + ".weight" || files.contains(path)) return tensor;
    for (const auto& naming : kWeightNorms)
      if (files.contains(kPositionConv + naming.direction))
        return fold_weight_norm(tensor, files.get(kPositionConv + naming.gain));
    return tensor;
  };
  io::load_weights(encoder, files, options);
}

// Convolutions, which GELUs follow, as He et al.: normal, sqrt(2 / fan-in).
void init_rule(const std::string& path, torch::Tensor& value, torch::Generator& draws) {
  nn::scratch_rule(path, value, draws, value.dim() == 3 ? std::sqrt(2.0) : 1);
}

}  // namespace

MertSizes mert_sizes(const MertConfig& c) {
  for (const auto& problem : {source_problem(c.source, c.shape), mert_problem(c)})
    if (!problem.empty()) user_error("{}", problem);
  if (c.source.is_random()) return random_sizes(c);
  const std::string& folder = c.source.path.value;
  FolderSizes file(folder, "config.json");
  file.expect_model_type({"mert_model", "hubert"});
  MertSizes sizes;
  sizes.width = file.size("hidden_size", "width", c.shape.width);
  sizes.layers = file.size("num_hidden_layers", "layers", c.shape.layers);
  sizes.heads = file.size("num_attention_heads", "heads", c.shape.heads);
  file.check_heads(sizes.width, sizes.heads);
  sizes.ffn = file.size("intermediate_size", "ffn", c.shape.ffn);
  sizes.conv = conv_sizes(file, c, folder);
  sizes.has_projection_norm = file.flag("feat_proj_layer_norm", "feat_proj_layer_norm", {}, true);
  sizes.position_kernel = file.size("num_conv_pos_embeddings", "position_kernel", c.position_kernel);
  sizes.position_groups = file.size("num_conv_pos_embedding_groups", "position_groups", c.position_groups);
  sizes.pre_norm = file.flag("do_stable_layer_norm", "pre_norm", c.pre_norm, false);
  sizes.norm_epsilon = file.number("layer_norm_eps", 1e-5);
  for (const char* key : {"hidden_act", "feat_extract_activation"}) file.require(key, "gelu");
  // attention_relax needs no code: it shifts the scores of a row by a constant before the softmax.
  for (const char* key : {"conv_pos_batch_norm", "feature_extractor_cqt", "deepnorm"}) file.require(key, false);
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
  auto encoder = std::make_shared<MertEncoder>(mert_sizes(config));
  if (config.source.is_random()) {
    nn::init_parameters(*encoder, draw_key(how.seed, how.name), init_rule);
  } else {
    load(*encoder, io::WeightFiles(config.source.path.value));
  }
  return encoder;
}

}  // namespace usam
