// Reads CED folders: the Hugging Face layout (`encoder.*`, `outputlayer.*`) and the names of the checkpoints published
// with the paper (flat, `init_bn.1.*`, `front_end.*`).
#include "src/base/error.h"
#include "src/models/ced/model.h"
#include "src/models/pretrained.h"
#include "src/nn/random_init.h"

namespace usam {
namespace {

CedSizes random_sizes(const CedConfig& c) {
  CedSizes sizes{c.shape.width.value(), c.shape.layers.value(), c.shape.heads.value(), 0};
  sizes.ffn = c.shape.ffn.value_or(4 * sizes.width);
  sizes.target_length = c.target_length.value_or(1012);
  return sizes;
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

// What the front end and the patches of usam's CED are built for: the values of every published model.
void require_front_end(FolderSizes& file) {
  file.require("n_fft", 512);
  file.require("win_size", 512);
  file.require("hop_size", 160);
  file.require("f_min", 0);
  file.require("f_max", 8000);
  file.require("center", true);
}

// The file holds queries, keys and values in one matrix, which goes to three.
constexpr const char* kPacked = ".attn.qkv.";
constexpr const char* kShares[] = {".attn.q_proj.", ".attn.k_proj.", ".attn.v_proj."};

io::LoadOptions load_options() {
  io::LoadOptions options;
  options.rename = ced_module_path;
  options.also = [](const std::string& name) {
    std::vector<std::string> paths;
    if (name.find(kPacked) == std::string::npos) return paths;
    for (size_t i : {1, 2}) {
      paths.push_back(ced_module_path(name));
      replace(paths.back(), kShares[0], kShares[i]);
    }
    return paths;
  };
  options.transform = [](const std::string& path, const torch::Tensor& tensor) {
    for (size_t i : {0, 1, 2})
      if (path.find(kShares[i]) != std::string::npos && tensor.size(0) % 3 == 0) return tensor.chunk(3)[i];
    return tensor;
  };
  return options;
}

void init(CedEncoder& encoder, const CedConfig& config, const ModelInit& how) {
  nn::init_parameters(encoder, draw_key(how.seed, how.name),
                      [](const auto& path, auto& value, auto& draws) { nn::scratch_rule(path, value, draws); });
  auto buffers = encoder.named_buffers();
  const double std = config.feature_std.value_or(30);
  buffers["init_bn.running_mean"].fill_(config.feature_mean.value_or(-30));
  buffers["init_bn.running_var"].fill_(std * std);
}

}  // namespace

CedSizes ced_sizes(const CedConfig& c) {
  for (const auto& problem : {encoder_problem(c.source, c.shape), ced_problem(c)})
    if (!problem.empty()) user_error("{}", problem);
  if (c.source.is_random()) return random_sizes(c);
  FolderSizes file(c.source.path.value, "config.json");
  file.expect_model_type({"ced"});
  CedSizes sizes;
  sizes.width = file.size("embed_dim", "width", c.shape.width);
  sizes.layers = file.size("depth", "layers", c.shape.layers);
  sizes.heads = file.size("num_heads", "heads", c.shape.heads);
  file.check_division(sizes.width, sizes.heads);
  const double ratio = file.number("mlp_ratio", 4);
  if (!(ratio > 0 && ratio <= 1000)) file.problem(file.path() + ": mlp_ratio must be between 0 and 1000");
  sizes.ffn = static_cast<int64_t>(static_cast<double>(sizes.width) * std::clamp(ratio, 0.0, 1000.0));
  if (c.shape.ffn && *c.shape.ffn != sizes.ffn)
    file.problem(fmt::format("'ffn: {}' contradicts {}/config.json, where embed_dim x mlp_ratio is {}; remove the key",
                             *c.shape.ffn, c.source.path.value, sizes.ffn));
  sizes.target_length = file.size("target_length", "target_length", c.target_length, 1012);
  if (sizes.target_length < CedEncoder::kPatch)
    file.problem(fmt::format("{}: target_length is {}, but must be at least 16", file.path(), sizes.target_length));
  sizes.qkv_bias = file.flag("qkv_bias", "qkv_bias", {}, true);
  for (const char* key : {"patch_size", "patch_stride"}) file.require(key, 16);
  file.require("n_mels", 64);
  require_front_end(file);
  file.finish();
  if (FolderSizes::has_front_end(c.source.path.value)) {
    auto features = FolderSizes::front_end(c.source.path.value);
    features.require("feature_size", 64);
    features.require("sampling_rate", 16000);
    require_front_end(features);
    features.finish();
  }
  return sizes;
}

std::string ced_module_path(const std::string& tensor) {
  if (tensor.starts_with("outputlayer.") || tensor.starts_with("front_end.")) return "";
  if (tensor.ends_with(".num_batches_tracked")) return "";
  std::string path = tensor.starts_with("encoder.") ? tensor.substr(8) : tensor;
  if (path.starts_with("init_bn.1.")) replace(path, "init_bn.1.", "init_bn.");
  replace(path, kPacked, kShares[0]);
  replace(path, ".attn.proj.", ".attn.out_proj.");
  return path;
}

std::shared_ptr<CedEncoder> make_ced(const CedConfig& config, const ModelInit& how) {
  const nn::UnsetParameters unset;
  const auto sizes = ced_sizes(config);
  if (config.source.is_random()) {
    auto encoder = std::make_shared<CedEncoder>(sizes, config.bands);
    init(*encoder, config, how);
    keep_random(*encoder, config.source);
    return encoder;
  }
  const auto files = open_weights(config.source, encoder_values(sizes.width, sizes.layers, sizes.ffn) +
                                                     static_cast<double>(sizes.width * sizes.target_length / 16));
  auto encoder = std::make_shared<CedEncoder>(sizes, config.bands);
  load_pretrained(*encoder, config.source, files, load_options());
  return encoder;
}

}  // namespace usam
