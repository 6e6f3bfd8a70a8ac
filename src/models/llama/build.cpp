#include "src/models/llama/build.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "src/base/log.h"
#include "src/models/pretrained.h"
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

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

// Values that a model of these sizes has, at least.
double values_of(const Sizes& s) {
  const auto real = [](int64_t n) { return static_cast<double>(n); };
  const double layer = real(s.hidden) * (2 * real(s.heads + s.kv_heads) * real(s.head_dim) + 3 * real(s.intermediate));
  return real(s.layers) * layer + real(s.vocab) * real(s.hidden);
}

// Name in the file -> path in the model. A folder of the trunk alone leaves "model." out.
class Paths {
 public:
  explicit Paths(const io::WeightFiles& files) {
    const auto names = files.names();
    has_prefix_ = std::any_of(names.begin(), names.end(), [](auto& name) { return name.starts_with("model."); });
    has_embedding_ = files.contains(in_file(kEmbedding));
  }
  std::string in_file(const std::string& path) const { return has_prefix_ ? path : path.substr(6); }
  // The tensor that a tied table is read from.
  std::string tied_in_file() const { return has_embedding_ ? in_file(kEmbedding) : kHead; }
  std::string in_model(const std::string& name, bool is_tied) const {
    if (name.find(".rotary_emb.") != std::string::npos) return "";  // old exports hold buffers that are computed here
    if (name == kHead) return !is_tied ? name : has_embedding_ ? "" : kEmbedding;
    return has_prefix_ ? name : "model." + name;
  }

 private:
  bool has_prefix_ = true, has_embedding_ = true;
};

// Tied matrices may both stand in the file. Where they differ the config is taken to be wrong, as transformers does.
bool is_really_tied(const io::WeightFiles& files, const Paths& paths) {
  const std::string embedding = paths.in_file(kEmbedding);
  if (!files.contains(kHead) || !files.contains(embedding)) return true;
  if (torch::equal(files.get(kHead), files.get(embedding))) return true;
  log::warn("{}: config.json ties {} to {}, but both are in the weights and differ; they are not tied", files.source(),
            kHead, embedding);
  return false;
}

// A tied table is the output projection too: kept as linear layers are, where its rows can be read from that. Whether
// it was.
bool keep_head(Decoder& model, const Config& config) {
  if (!model.sizes().is_tied || config.store != KeptStore::kBFloat16Dynamic) return false;
  model.keep_table_in_bfloat16();
  return true;
}

std::shared_ptr<Decoder> read_model(const Config& config, const Family& family, Sizes sizes) {
  const auto files = open_weights(config, values_of(sizes));
  const Paths paths(files);
  if (sizes.is_tied) sizes.is_tied = is_really_tied(files, paths);
  auto model = std::make_shared<Decoder>(sizes, family);
  io::LoadOptions options;
  options.rename = [&](const std::string& name) { return paths.in_model(name, sizes.is_tied); };
  load_pretrained(*model, config, files, options);
  if (keep_head(*model, config)) files.drop(paths.tied_in_file());
  return model;
}

}  // namespace

std::shared_ptr<Decoder> build(const Config& config, const Family& family, const ModelInit& init) {
  const nn::UnsetParameters unset;
  const auto sizes = resolve_sizes(config, family, init.vocab_size);
  if (!config.is_random()) return read_model(config, family, sizes);
  auto model = std::make_shared<Decoder>(sizes, family);
  draw_weights(*model, init);
  keep_random(*model, config);
  keep_head(*model, config);
  return model;
}

}  // namespace usam::llama
