// Every front end: a spec in src/tensor/front_end_spec.h and the class that computes it.
#include "data/features/ced_mel.h"
#include "data/features/front_end.h"
#include "data/features/wave.h"
#include "data/features/whisper_mel.h"

namespace usam::data {
namespace {

std::shared_ptr<const FrontEnd> make(const WhisperMelSpec& spec) {
  return std::make_shared<WhisperMel>(spec);
}
std::shared_ptr<const FrontEnd> make(const CedMelSpec& spec) {
  return std::make_shared<CedMel>(spec);
}
std::shared_ptr<const FrontEnd> make(const WaveSpec& spec) {
  return std::make_shared<Wave>(spec);
}

}  // namespace

std::shared_ptr<const FrontEnd> make_front_end(const FrontEndSpec& spec) {
  return std::visit([](const auto& s) { return make(s); }, spec);
}

}  // namespace usam::data
