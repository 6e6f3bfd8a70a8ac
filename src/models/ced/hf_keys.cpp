// Reads CED folders: the Hugging Face layout (`encoder.*`, `outputlayer.*`) and the names of the checkpoints published
// with the paper (flat, `init_bn.1.*`, `front_end.*`).
#include "src/base/error.h"
#include "src/io/weights.h"
#include "src/models/ced/model.h"
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
void require_layout(FolderSizes& file) {
  for (const char* key : {"patch_size", "patch_stride"}) file.require(key, 16);
  file.require("n_mels", 64);
  file.require("n_fft", 512);
  file.require("win_size", 512);
  file.require("hop_size", 160);
  file.require("f_min", 0);
  file.require("f_max", 8000);
  file.require("center", true);
}

constexpr const char* kQuery = ".attn.q_proj.";

// The file holds q, k and v in one matrix.
void load(CedEncoder& encoder, const io::WeightFiles& files) {
  io::LoadOptions options;
  options.rename = ced_module_path;
  options.optional = [](const std::string& path) {
    return path.find(".attn.k_proj.") != std::string::npos || path.find(".attn.v_proj.") != std::string::npos;
  };
  options.transform = [](const std::string& path, const torch::Tensor& tensor) {
    const bool is_packed = path.find(kQuery) != std::string::npos && tensor.size(0) % 3 == 0;
    return is_packed ? tensor.chunk(3)[0] : tensor;
  };
  io::load_weights(encoder, files, options);  // checks the shape of the query third, and so of the others
  torch::NoGradGuard no_grad;
  auto parameters = encoder.named_parameters();
  for (const auto& name : files.names()) {
    const std::string query = ced_module_path(name);
    if (query.find(kQuery) == std::string::npos) continue;
    const auto thirds = files.get(name).chunk(3);
    for (size_t i : {1, 2}) {
      std::string path = query;
      replace(path, kQuery, i == 1 ? ".attn.k_proj." : ".attn.v_proj.");
      parameters[path].copy_(thirds[i]);
    }
  }
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
  for (const auto& problem : {source_problem(c.source, c.shape), ced_problem(c)})
    if (!problem.empty()) user_error("{}", problem);
  if (c.source.is_random()) return random_sizes(c);
  FolderSizes file(c.source.path.value, "config.json");
  file.expect_model_type({"ced"});
  CedSizes sizes;
  sizes.width = file.size("embed_dim", "width", c.shape.width);
  sizes.layers = file.size("depth", "layers", c.shape.layers);
  sizes.heads = file.size("num_heads", "heads", c.shape.heads);
  file.check_heads(sizes.width, sizes.heads);
  const double ratio = file.number("mlp_ratio", 4);
  sizes.ffn = static_cast<int64_t>(static_cast<double>(sizes.width) * ratio);
  if (c.shape.ffn && *c.shape.ffn != sizes.ffn)
    file.problem(fmt::format("'ffn: {}' contradicts {}/config.json, where embed_dim x mlp_ratio is {}; remove the key",
                             *c.shape.ffn, c.source.path.value, sizes.ffn));
  sizes.target_length = file.size("target_length", "target_length", c.target_length, 1012);
  sizes.qkv_bias = file.flag("qkv_bias", "qkv_bias", {}, true);
  require_layout(file);
  file.finish();
  return sizes;
}

std::string ced_module_path(const std::string& tensor) {
  if (tensor.starts_with("outputlayer.") || tensor.starts_with("front_end.")) return "";
  if (tensor.ends_with(".num_batches_tracked")) return "";
  std::string path = tensor.starts_with("encoder.") ? tensor.substr(8) : tensor;
  if (path.starts_with("init_bn.1.")) replace(path, "init_bn.1.", "init_bn.");
  replace(path, ".attn.qkv.", kQuery);
  replace(path, ".attn.proj.", ".attn.out_proj.");
  return path;
}

std::shared_ptr<CedEncoder> make_ced(const CedConfig& config, const ModelInit& how) {
  auto encoder = std::make_shared<CedEncoder>(ced_sizes(config), config.bands);
  if (config.source.is_random()) {
    init(*encoder, config, how);
  } else {
    load(*encoder, io::WeightFiles(config.source.path.value));
  }
  return encoder;
}

}  // namespace usam
