#include "src/models/mert/model.h"
#include "tests/parity/encoders/golden.h"

namespace usam {
namespace {

using namespace test;

std::shared_ptr<MertEncoder> load_mert(const std::string& folder) {
  MertConfig config;
  config.source.path.value = folder;
  return make_mert(config, {});
}

void check_clips(const std::string& oracle_name) {
  const torch::NoGradGuard no_grad;
  const auto file = golden(oracle_name);
  const auto encoder = load_mert(oracle(oracle_name));
  for (const std::string clip : {"one", "odd", "tiny"}) {
    const auto wave = file.get(clip + "/input_values");
    const auto output = encoder->forward(wave, lengths({wave.size(1)}), /*all_states=*/true);
    EXPECT_EQ(output.states_BTD.size(), 4u);
    EXPECT_EQ(encoder->output_frames(wave.size(1)), output.last_BTD.size(1));
    expect_states(output, file, clip);
  }
}

// Defect 19: each clip of a padded batch must come out as it does alone.
void check_batch(const std::string& oracle_name) {
  const torch::NoGradGuard no_grad;
  const auto file = golden(oracle_name);
  const auto encoder = load_mert(oracle(oracle_name));
  const auto output =
      encoder->forward(file.get("batch/input_values"), file.get("batch/attention_mask").sum(1), /*all_states=*/false);
  EXPECT_TRUE(torch::equal(output.last().valid_BT(), file.get("batch/frame_mask").to(torch::kBool)));
  for (int64_t b = 0; b < 3; ++b) {
    const auto alone = file.get("batch/alone." + std::to_string(b));
    EXPECT_LT(relative_error(clip(output.last_BTD, b, alone.size(0)), alone), kStates) << b;
  }
}

TEST(MertParity, Clips) {
  USAM_NEEDS_ORACLES();
  check_clips("mert");
}

TEST(MertParity, PreNormWithLayerNormedConvolutions) {
  USAM_NEEDS_ORACLES();
  check_clips("hubert-layer");
}

TEST(MertParity, ABatchGivesWhatEachClipGivesAlone) {
  USAM_NEEDS_ORACLES();
  check_batch("mert");
  check_batch("hubert-layer");
  // The reference itself does not: its group norm sees the padding.
  const auto file = golden("mert");
  const auto alone = file.get("batch/alone.1");
  EXPECT_GT(relative_error(clip(file.get("batch/last_hidden"), 1, alone.size(0)), alone), 0.1);
}

TEST(MertParity, AllStatesOfABatch) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  const auto file = golden("usam", "golden_qwen2_perclip.safetensors");
  const auto output =
      load_mert(oracle("mert"))->forward(file.get("batch/mert_wav"), file.get("batch/mert_samples"), true);
  EXPECT_TRUE(torch::equal(output.lengths_B, file.get("enc/mert_len")));
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = file.get("enc/mert_len")[b].item<int64_t>();
    for (int64_t i = 0; i < 4; ++i) {
      const auto expected = file.get("enc/mert")[b][i].narrow(0, 0, n);
      EXPECT_LT(relative_error(clip(output.states_BTD[static_cast<size_t>(i)], b, n), expected), kStates);
    }
  }
}

TEST(MertParity, NamesOfThePublishedMert) {
  USAM_NEEDS_ORACLES();  // weight_g and weight_v, model_type mert_model
  const torch::NoGradGuard no_grad;
  const std::pair<std::string, std::string> renames[] = {{".parametrizations.weight.original0", ".weight_g"},
                                                         {".parametrizations.weight.original1", ".weight_v"}};
  io::SafetensorsFile file(oracle("mert") + "/model.safetensors");
  io::NamedTensors renamed;
  for (std::string name : file.names()) {
    const auto tensor = file.get(name);
    for (const auto& [from, to] : renames)
      if (const auto at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
    renamed.emplace_back(name, tensor);
  }
  TemporaryFolder folder;
  io::write_safetensors((folder.path() / "model.safetensors").string(), renamed);
  for (const char* name : {"config.json", "preprocessor_config.json"})
    std::filesystem::copy(oracle("mert-remote") + "/" + name, folder.path());
  const auto golden_file = golden("mert");
  const auto wave = golden_file.get("one/input_values");
  const auto output = load_mert(folder.path().string())->forward(wave, lengths({wave.size(1)}), true);
  expect_states(output, golden_file, "one");
}

}  // namespace
}  // namespace usam
