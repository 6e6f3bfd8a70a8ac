#include "src/models/llama/build.h"

#include <cmath>
#include <string>

#include "src/io/weights.h"
#include "src/nn/random_init.h"
#include "src/tensor/rng.h"

namespace usam::llama {
namespace {

// Matrices that write to the residual stream are smaller by the square root of their number (Radford et al. 2019,
// section 2.3).
void draw_weights(Decoder& model, const ModelInit& init) {
  const double to_stream = 1 / std::sqrt(2.0 * static_cast<double>(model.sizes().layers));
  // Tokens start as loud as what the blocks add to them; a tied table also writes logits, which must start near 0.
  const double table = model.sizes().is_tied ? 1 / std::sqrt(static_cast<double>(model.sizes().hidden)) : 1;
  auto rule = [to_stream, table](const std::string& path, torch::Tensor& parameter, torch::Generator& draws) {
    const bool writes = path.ends_with("o_proj.weight") || path.ends_with("down_proj.weight");
    nn::scratch_rule(path, parameter, draws, writes ? to_stream : 1);
    if (path == "model.embed_tokens.weight") parameter.normal_(0, table, draws);
  };
  nn::init_parameters(model, draw_key(init.seed, init.name), rule);
}

void read_weights(Decoder& model, const std::string& folder) {
  io::LoadOptions options;
  options.rename = [tied = model.sizes().is_tied](const std::string& name) -> std::string {
    if (name.ends_with(".rotary_emb.inv_freq")) return "";  // old exports hold this buffer; it is computed here
    if (tied && name == "lm_head.weight") return "";        // some exports write the shared matrix twice
    return name;
  };
  io::load_weights(model, io::WeightFiles(folder), options);
}

}  // namespace

std::shared_ptr<Decoder> build(const Config& config, const Family& family, const ModelInit& init) {
  auto model = std::make_shared<Decoder>(resolve_sizes(config, family, init.vocab_size), family);
  if (config.init == Init::kRandom) {
    draw_weights(*model, init);
  } else {
    read_weights(*model, config.path.value);
  }
  return model;
}

}  // namespace usam::llama
