#include "src/models/ced/model.h"
#include "src/models/mert/model.h"
#include "src/models/model_registry.h"
#include "src/models/whisper/model.h"

namespace usam {

const EncoderRegistry& encoder_registry() {
  static const EncoderRegistry registry = [] {
    EncoderRegistry all;
    all.add<WhisperConfig>("whisper", make_whisper);
    all.add<CedConfig>("ced", make_ced);
    all.add<MertConfig>("mert", make_mert);
    return all;
  }();
  return registry;
}

}  // namespace usam
