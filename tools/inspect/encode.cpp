// B = 1 row, T steps in time, F bands.
#include <algorithm>

#include "data/audio/decode.h"
#include "data/audio/resample.h"
#include "data/features/front_end.h"
#include "src/io/safetensors.h"
#include "src/models/ced/model.h"
#include "src/models/model_registry.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/folder_part.h"

namespace usam::inspect {
namespace {

std::shared_ptr<AudioEncoder> open_encoder(const std::string& folder) {
  const auto& registry = encoder_registry();
  const Part part =
      part_of_folder(folder, registry.types_of_folders(), registry.choices(), {{"whisper", {{"pad", "30s"}}}});
  auto encoder = registry.build(part, {.name = part.type});
  encoder->eval();
  return encoder;
}

torch::Tensor read_samples(const std::string& path, const AudioEncoder& encoder, const data::FrontEnd& front_end) {
  const auto audio = data::audio::decode(path);
  const auto rate = static_cast<double>(sample_rate(encoder.front_end()));
  const auto samples = data::audio::resample(audio.samples, static_cast<double>(audio.sample_rate), rate);
  const int64_t missing = std::max(encoder.min_samples(), front_end.min_samples()) - samples.numel();
  return missing > 0 ? torch::constant_pad_nd(samples, {0, missing}) : samples;
}

EncoderOutput run(AudioEncoder& encoder, const torch::Tensor& features) {
  // In training CED's tokens follow each other in time; published, they are frequency-major.
  if (auto* ced = dynamic_cast<CedEncoder*>(&encoder)) return ced->forward_published(features, true);
  return encoder.forward(features, torch::tensor({features.size(1)}), true);
}

}  // namespace

int encode(const EncodeArguments& arguments) {
  torch::NoGradGuard no_grad;
  const auto encoder = open_encoder(arguments.encoder);
  const auto front_end = data::make_front_end(encoder->front_end());
  const auto features = (*front_end)(read_samples(arguments.audio, *encoder, *front_end)).unsqueeze(0);
  const auto output = run(*encoder, features);
  // The reference classes keep spectrograms as (B, F, T).
  const auto reference_features = front_end->is_spectrogram() ? features.transpose(1, 2) : features;
  io::NamedTensors tensors = {{"input_features", reference_features}, {"last_hidden_state", output.last_BTD}};
  for (size_t i = 0; i < output.states_BTD.size(); ++i)
    tensors.emplace_back("hidden_states." + std::to_string(i), output.states_BTD[i]);
  io::write_safetensors(arguments.output, tensors);
  return 0;
}

}  // namespace usam::inspect
