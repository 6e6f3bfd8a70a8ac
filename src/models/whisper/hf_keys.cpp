// Reads Whisper folders as Hugging Face lays them out: WhisperForConditionalGeneration (tensors under `model.`, as
// published) and WhisperModel (without it).
#include "src/base/error.h"
#include "src/models/pretrained.h"
#include "src/models/whisper/model.h"
#include "src/nn/random_init.h"

namespace usam {
namespace {

WhisperSizes random_sizes(const WhisperConfig& c) {
  WhisperSizes sizes{c.mels.value_or(80), c.shape.width.value(), c.shape.layers.value(), c.shape.heads.value(), 0};
  sizes.ffn = c.shape.ffn.value_or(4 * sizes.width);
  return sizes;
}

// The front end has one rate, window and hop: those of every published Whisper.
void check_front_end(const std::string& folder, int64_t mels) {
  if (!FolderSizes::has_front_end(folder)) return;
  auto file = FolderSizes::front_end(folder);
  file.require("feature_size", mels);
  file.require("sampling_rate", 16000);
  file.require("n_fft", 400);
  file.require("hop_length", 160);
  file.require("chunk_length", 30);
  file.require("dither", 0);
  file.finish();
}

}  // namespace

WhisperSizes whisper_sizes(const WhisperConfig& c) {
  for (const auto& problem : {encoder_problem(c.source, c.shape), whisper_problem(c)})
    if (!problem.empty()) user_error("{}", problem);
  if (c.source.is_random()) return random_sizes(c);
  FolderSizes file(c.source.path.value, "config.json");
  file.expect_model_type({"whisper"});
  WhisperSizes sizes;
  sizes.mels = file.size("num_mel_bins", "mels", c.mels);
  sizes.width = file.size("d_model", "width", c.shape.width);
  sizes.layers = file.size("encoder_layers", "layers", c.shape.layers);
  sizes.heads = file.size("encoder_attention_heads", "heads", c.shape.heads);
  file.check_division(sizes.width, sizes.heads);
  sizes.ffn = file.size("encoder_ffn_dim", "ffn", c.shape.ffn);
  file.require("max_source_positions", kWhisperStates);
  file.require("activation_function", "gelu");
  file.require("scale_embedding", false);
  file.finish();
  check_front_end(c.source.path.value, sizes.mels);
  return sizes;
}

std::string whisper_module_path(const std::string& tensor) {
  std::string path = tensor.starts_with("model.") ? tensor.substr(6) : tensor;
  for (const char* other : {"decoder.", "proj_out.", "projector.", "classifier.", "layer_weights"})
    if (path.starts_with(other)) return "";
  return path.starts_with("encoder.") ? path.substr(8) : path;
}

std::shared_ptr<WhisperEncoder> make_whisper(const WhisperConfig& config, const ModelInit& init) {
  const nn::UnsetParameters unset;
  const auto sizes = whisper_sizes(config);
  if (config.source.is_random()) {
    auto encoder = std::make_shared<WhisperEncoder>(sizes, config.pad);
    nn::init_parameters(*encoder, draw_key(init.seed, init.name),
                        [](const auto& path, auto& value, auto& draws) { nn::scratch_rule(path, value, draws); });
    keep_random(*encoder, config.source);
    return encoder;
  }
  const auto files = open_weights(config.source, encoder_values(sizes.width, sizes.layers, sizes.ffn) +
                                                     static_cast<double>(sizes.width * (kWhisperStates + sizes.mels)));
  auto encoder = std::make_shared<WhisperEncoder>(sizes, config.pad);
  load_pretrained(*encoder, config.source, files, {.rename = whisper_module_path});
  return encoder;
}

}  // namespace usam
