#pragma once
// From a batch's features to one stream of frames per encoder.
// B samples, W windows of a sample, T frames or feature steps, S states, D width.
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "recipes/usam/config.h"
#include "src/models/audio_encoder.h"
#include "src/nn/layer_mix.h"

namespace usam::recipes {

class FeatureCache;

// An encoder in its place: how it is trained and which of its states are used.
struct EncoderPart {
  std::string name;
  Train train = Train::kFrozen;
  std::shared_ptr<AudioEncoder> encoder;
  nn::LayerMix mix{nullptr};  // null: the last state

  int64_t states() const { return mix.is_empty() ? 1 : encoder->num_states(); }
};

// (N), int64; also of no ids.
inline torch::Tensor ids_tensor(const std::vector<int64_t>& ids) {
  return torch::tensor(ids, torch::kInt64);
}

// Steps of a clip's features that hold the clip itself: with Whisper's `pad: 30s` the rest is padding like any other.
int64_t valid_steps(const AudioEncoder& encoder, const torch::Tensor& features, int64_t samples);

// Fields of a batch that all encoders share: "seconds" of each clip (B, 1); "windows" (B, W, 3), float64: where a
// window begins, its seconds, and from when on in the clip its frames count (up to where the next one's do); and with a
// cache "memory" (B, 5), int64: a ClipKey, is_truncated, is_misdeclared, is_windowed.
// Of each encoder NAME: "audio.NAME" (B, T, ...), the windows' features one behind the other; "steps.NAME" and
// "sizes.NAME" (B, W), valid and all feature steps of each window; and, of an encoder that the cache keeps,
// "kept.NAME" (B, T, S, D): what was encoded before. Where that has frames, there are no features.
data::Example shared_fields(const data::Clip& clip, bool has_memory);
// `kept_as`: the type in which the cache keeps the encoder's frames; none where it does not.
data::Example encoder_fields(const EncoderPart& part, const data::Clip& clip, std::optional<torch::ScalarType> kept_as);

// Frames that encode() will give a clip.
int64_t encoded_frames(const EncoderPart& part, const data::Clip& clip);

// Each encoder's stream of a batch, in fp32. Windows go through an encoder in groups that take, padded, no more seconds
// than the micro-batch's clips, and their frames are put together where the next window's middle of the overlap begins.
// On a CPU encoders that are not trained run side by side, where that keeps all threads busy: which windows go together
// depends on the number of threads then, and values by rounding. `cache` may be null; what it keeps is computed in the
// weights' own type, whatever type the pass runs in.
std::vector<Frames> encode(std::span<EncoderPart> parts, const data::Batch& batch, FeatureCache* cache);

}  // namespace usam::recipes
