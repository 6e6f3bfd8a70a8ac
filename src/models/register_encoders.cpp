#include "src/models/ced/model.h"
#include "src/models/mert/model.h"
#include "src/models/model_registry.h"
#include "src/models/whisper/model.h"

namespace usam {

const EncoderRegistry& encoder_registry() {
  static const EncoderRegistry registry = [] {
    EncoderRegistry all;
    all.add<WhisperConfig>("whisper", {"whisper"}, make_whisper);
    all.add<CedConfig>("ced", {"ced"}, make_ced);
    all.add<MertConfig>("mert", {"mert_model"}, make_mert);
    all.add<HubertConfig>("hubert", {"hubert"}, make_mert);
    all.add<Wav2Vec2Config>("wav2vec2", {"wav2vec2"}, make_mert);
    return all;
  }();
  return registry;
}

}  // namespace usam
