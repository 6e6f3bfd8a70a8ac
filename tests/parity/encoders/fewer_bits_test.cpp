// How far encoders whose weights are kept in fewer bits are from the references.
#include "src/models/ced/model.h"
#include "src/models/mert/model.h"
#include "src/models/whisper/model.h"
#include "tests/parity/encoders/golden.h"

namespace usam {
namespace {

using namespace test;

struct Case {
  KeptStore store;
  const char* name;
  double tolerance;  // relative root mean square of the last states
};
// A product's error is a third to a half of these (docs/precision.md): those of three layers add up.
constexpr Case kCases[] = {
    {KeptStore::kBFloat16, "bfloat16", 5e-3},        {KeptStore::kBFloat16Dynamic, "bfloat16_dynamic", 1e-2},
    {KeptStore::kFloat16, "float16", 1e-3},          {KeptStore::kInt8, "int8", 2e-2},
    {KeptStore::kInt8Dynamic, "int8_dynamic", 3e-2}, {KeptStore::kNf4, "nf4", 0.3}};

double relative_rms(const torch::Tensor& got, const torch::Tensor& expected) {
  return ((got - expected).pow(2).mean() / expected.pow(2).mean()).sqrt().item<double>();
}

template <class Config>
Config config_of(const std::string& name, KeptStore store) {
  Config config;
  config.source.path.value = oracle(name);
  config.source.store = store;
  return config;
}

void expect_close(const Case& c, const std::string& model, const torch::Tensor& got, const torch::Tensor& expected) {
  const double error = relative_rms(got, expected);
  std::printf("%s %s %.2e\n", model.c_str(), c.name, error);
  EXPECT_LT(error, c.tolerance) << model << " " << c.name;
  EXPECT_GT(error, 1e-6) << model << " " << c.name;
}

TEST(FewerBits, OfEncoders) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  const auto whisper = golden("whisper"), ced = golden("ced"), mert = golden("mert");
  for (const Case& c : kCases) {
    auto whisper_config = config_of<WhisperConfig>("whisper", c.store);
    whisper_config.pad = WhisperPad::kThirtySeconds;
    const auto features = whisper.get("odd/features").transpose(1, 2);
    const auto whisper_out = make_whisper(whisper_config, {})->forward(features, lengths({514}), false);
    expect_close(c, "whisper", whisper_out.last_BTD, whisper.get("odd/last_hidden"));
    const auto ced_out = make_ced(config_of<CedConfig>("ced", c.store), {})
                             ->forward_published(ced.get("one/mel").transpose(1, 2), false);
    expect_close(c, "ced", ced_out.last_BTD, ced.get("one/last_hidden"));
    const auto wave = mert.get("one/input_values");
    const auto mert_out =
        make_mert(config_of<MertConfig>("mert", c.store), {})->forward(wave, lengths({wave.size(1)}), false);
    expect_close(c, "mert", mert_out.last_BTD, mert.get("one/last_hidden"));
  }
}

TEST(FewerBits, AreAllThatIsKept) {
  USAM_NEEDS_ORACLES();
  const auto encoder = make_whisper(config_of<WhisperConfig>("whisper", KeptStore::kInt8Dynamic), {});
  int64_t codes = 0;
  for (const auto& parameter : encoder->named_parameters()) {
    const bool is_linear =
        parameter.key().find("_proj.weight") != std::string::npos || parameter.key().find(".fc") != std::string::npos;
    if (!is_linear || !parameter.key().ends_with("weight")) continue;
    EXPECT_EQ(parameter.value().scalar_type(), torch::kChar) << parameter.key();
    EXPECT_FALSE(parameter.value().requires_grad());
    ++codes;
  }
  EXPECT_EQ(codes, 3 * 6);
}

}  // namespace
}  // namespace usam
