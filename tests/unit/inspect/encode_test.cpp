// usam-inspect encode against the reference classes, from an audio file on disk to the tensors in the file.
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

constexpr double kFeatures = 2e-5;  // of scale

class Encode : public UsamInspect {
 protected:
  // Encodes the clip of a golden case and compares every tensor; `states` are those after the input, 0: none there.
  void expect_golden(const std::string& folder, const std::string& name, const std::string& features, int32_t rate) {
    const auto file = golden(folder);
    const std::string audio = write_wav("clip.wav", file.get(name + "/waveform"), rate),
                      output = path("out.safetensors");
    const Outcome got = run("encode --encoder " + oracle(folder) + " --audio " + audio + " --output " + output);
    ASSERT_EQ(got.code, 0) << got.errors;
    EXPECT_EQ(got.output, "");
    const io::SafetensorsFile written(output);
    EXPECT_LT(relative_error(written.get("input_features"), file.get(name + "/" + features)), kFeatures) << name;
    EXPECT_LT(relative_error(written.get("last_hidden_state"), file.get(name + "/last_hidden")), kStates) << name;
    if (!file.contains(name + "/hidden.0")) return;
    EXPECT_EQ(written.names().size(), 6u) << "input_features, four states, the last";
    for (const char* state : {"0", "1", "2", "3"}) {
      const auto expected = file.get(name + "/hidden." + state);
      EXPECT_LT(relative_error(written.get(std::string("hidden_states.") + state), expected), kStates) << name << state;
    }
  }
};

TEST_F(Encode, WhisperPadsToThirtySeconds) {
  USAM_NEEDS_ORACLES();
  expect_golden("whisper", "odd", "features", 16000);
  const io::SafetensorsFile written(path("out.safetensors"));
  EXPECT_EQ(written.get("input_features").sizes(), (std::vector<int64_t>{1, 80, 3000}));
  EXPECT_EQ(written.get("last_hidden_state").size(1), 1500);
}

TEST_F(Encode, WhisperCutsAtThirtySeconds) {
  USAM_NEEDS_ORACLES();
  expect_golden("whisper", "over", "features", 16000);
}

TEST_F(Encode, CedIsFrequencyMajor) {
  USAM_NEEDS_ORACLES();
  expect_golden("ced", "odd", "mel", 16000);
}

TEST_F(Encode, CedChunksLongClips) {
  USAM_NEEDS_ORACLES();
  const auto file = golden("ced");
  const std::string audio = write_wav("clip.wav", file.get("long/waveform"), 16000), output = path("out.safetensors");
  ASSERT_EQ(run("encode --encoder " + oracle("ced") + " --audio " + audio + " --output " + output).code, 0);
  const auto last = io::SafetensorsFile(output).get("last_hidden_state");
  EXPECT_LT(relative_error(last, file.get("long/last_hidden")), kStates);
}

TEST_F(Encode, MertTakesTheNormalisedWave) {
  USAM_NEEDS_ORACLES();
  expect_golden("mert", "odd", "input_values", 24000);
}

TEST_F(Encode, HubertWithNormsBeforeItsBlocks) {
  USAM_NEEDS_ORACLES();
  expect_golden("hubert-layer", "odd", "input_values", 16000);
}

TEST_F(Encode, ResamplesToTheEncodersRate) {
  USAM_NEEDS_ORACLES();
  const std::string audio = write_wav("clip.wav", torch::randn({8000}), 16000), output = path("out.safetensors");
  ASSERT_EQ(run("encode --encoder " + oracle("mert") + " --audio " + audio + " --output " + output).code, 0);
  EXPECT_EQ(io::SafetensorsFile(output).get("input_features").size(1), 12000);
}

TEST_F(Encode, ShortClipsArePadded) {
  USAM_NEEDS_ORACLES();
  const std::string audio = write_wav("clip.wav", torch::randn({100}), 16000), output = path("out.safetensors");
  ASSERT_EQ(run("encode --encoder " + oracle("ced") + " --audio " + audio + " --output " + output).code, 0);
  EXPECT_EQ(io::SafetensorsFile(output).get("last_hidden_state").size(1), 4);
}

TEST_F(Encode, UserErrors) {
  USAM_NEEDS_ORACLES();
  const std::string rest = " --audio " + path("none.wav") + " --output " + path("out.safetensors");
  expect_user_error("encode --encoder " + path("none") + rest, path("none") + ": there is no such folder.");
  expect_user_error(
      "encode --encoder " + oracle("llama") + rest,
      oracle("llama") +
          "/config.json: model_type is 'llama'; this subcommand reads ced, hubert, mert_model, wav2vec2 and whisper.");
  expect_user_error("encode --encoder " + oracle("ced") + rest, path("none.wav") + ": the audio file does not exist");
  EXPECT_EQ(run("encode --encoder x").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("out.safetensors")));
}

TEST_F(UsamInspect, HelpVersionAndMissingSubcommand) {
  const Outcome help = run("--help"), version = run("--version");
  EXPECT_EQ(help.code, 0);
  for (const char* command : {"encode", "logits", "tokens", "data", "checkpoint"})
    EXPECT_NE(help.output.find(command), std::string::npos) << command;
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.output.substr(0, 5), "usam ");
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("no-such-command").code, 2);
}

}  // namespace
}  // namespace usam::test
