// From encoder states to audio tokens and contrastive scores, against the first micro-batch that the Python peer
// dumped. B rows, T frames, W text tokens or width of the language model, L encoder layers, D width.
#include "losses/saclm.h"
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "src/nn/align.h"
#include "src/nn/layer_mix.h"
#include "src/nn/qformer.h"
#include "src/nn/task_moe.h"
#include "tests/support.h"

namespace usam {
namespace {

struct Setting {
  std::string llm;
  int64_t queries;
  std::optional<int64_t> expert_hidden;
};

void PrintTo(const Setting& s, std::ostream* out) {
  *out << s.llm;
}

void expect_close(const torch::Tensor& ours, const torch::Tensor& theirs, const std::string& what) {
  ASSERT_EQ(ours.sizes(), theirs.sizes()) << what;
  EXPECT_LE((ours - theirs).abs().max().item<double>(), 5e-5) << what;
}

class BridgeParity : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    USAM_NEEDS_ORACLES();
    const auto folder = usam::test::oracle_folder();
    const auto& llm = GetParam().llm;
    golden_ =
        std::make_unique<io::SafetensorsFile>((folder / "usam" / ("golden_" + llm + "_perclip.safetensors")).string());
    start_ = std::make_unique<io::SafetensorsFile>(
        (folder / "usam" / "named" / ("trainables_" + llm + ".safetensors")).string());
    embedding_ =
        io::SafetensorsFile((folder / llm / "model.safetensors").string()).get("model.embed_tokens.weight").clone();
  }
  torch::Tensor golden(const std::string& name) const { return golden_->get(name).clone(); }
  torch::Tensor mask(const std::string& name) const { return golden(name).to(torch::kBool); }
  torch::Tensor embed(const std::string& name) const { return embedding_.index_select(0, golden(name)); }

  // Copies the peer's parameters under `prefix` into a module; every parameter must be met, and every tensor used.
  void load(torch::nn::Module& module, const std::string& prefix) const {
    const torch::NoGradGuard no_grad;
    auto parameters = module.named_parameters();
    size_t loaded = 0;
    for (const auto& name : start_->names()) {
      if (!name.starts_with(prefix)) continue;
      auto* parameter = parameters.find(name.substr(prefix.size()));
      ASSERT_NE(parameter, nullptr) << name;
      parameter->copy_(start_->get(name));
      ++loaded;
    }
    EXPECT_EQ(loaded, parameters.size());
  }

  // The encoders' streams as the recipe fuses them: CED, Whisper, MERT.
  Frames fused() const {
    const auto ced_B = mask("enc/valid").sum(1);
    const auto whisper = golden("enc/whisper"), mert = golden("enc/mert");
    nn::LayerMix mix(mert.size(1));
    load(*mix, "mixes.mert.");
    const Frames mixed{mix->forward(mert.unbind(1)), golden("enc/mert_len"), 75};
    const Frames speech{whisper, golden("enc/whisper_len"), 50};
    return nn::fuse({{golden("enc/ced"), ced_B, 25}, speech, mixed}, ced_B, 25);
  }

  std::unique_ptr<io::SafetensorsFile> golden_, start_;
  torch::Tensor embedding_;
};

TEST_P(BridgeParity, FromStreamsToAudioTokensAndScores) {
  const auto B = golden("enc/valid").size(0);
  const auto frames = fused();
  expect_close(frames.x_BTD, golden("fwd/concat"), "concat");
  EXPECT_TRUE(frames.valid_BT().equal(mask("fwd/valid")));

  nn::WindowQFormerConfig window;
  window.queries = GetParam().queries;
  window.hidden = 64;
  window.heads = 1;
  window.dropout = 0;
  nn::WindowQFormer qformer(window, frames.x_BTD.size(2));
  load(*qformer, "bridge.");
  const auto tokens = qformer->forward(frames);
  expect_close(tokens.x_BTD, golden("fwd/qformer"), "qformer");
  EXPECT_TRUE(tokens.valid_BT().equal(mask("fwd/audio_mask")));

  std::vector<torch::Tensor> prompts, texts;
  std::vector<int64_t> words;
  for (int64_t i = 0; i < B; ++i) {
    const auto index = "." + std::to_string(i);
    prompts.push_back(torch::cat({embed("batch/left" + index), embed("batch/right" + index)}).mean(0));
    texts.push_back(embed("batch/text" + index).slice(0, 0, -1));  // without the end token
    words.push_back(texts.back().size(0));
  }
  nn::TaskMoeConfig moe;
  moe.expert_hidden = GetParam().expert_hidden;
  nn::TaskMoe projector(moe, 64, embedding_.size(1));
  load(*projector, "projector.");
  const auto projected = projector->forward(tokens, torch::stack(prompts));
  const auto valid_BT1 = tokens.valid_BT().unsqueeze(2);
  expect_close(projected.gates_BTE, golden("fwd/gate").masked_fill(~valid_BT1, 0), "gates");
  expect_close(projected.audio.x_BTD, golden("fwd/audio").masked_fill(~valid_BT1, 0), "audio");

  losses::SaclmConfig config;
  config.score_hidden = 32;
  losses::Saclm saclm(config, embedding_.size(1));
  load(*saclm, "saclm.");
  const auto text_BWD = torch::nn::utils::rnn::pad_sequence(texts, /*batch_first=*/true);
  const auto words_BW = length_mask(torch::tensor(words), text_BWD.size(1));
  const auto out = saclm->forward(projected.audio, {text_BWD, words_BW}, torch::eye(B, torch::kBool));
  expect_close(out.similarity_NN, golden("fwd/saclm_similarity"), "similarity");
  for (int64_t i = 0; i < B; ++i) {
    const auto T = tokens.lengths_B[i].item<int64_t>();
    expect_close(out.selection.scores_BT[i].narrow(0, 0, T), golden("fwd/saclm_scores." + std::to_string(i)), "scores");
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, BridgeParity,
                         testing::Values(Setting{"qwen2", 1, std::nullopt}, Setting{"llama", 2, 48}),
                         [](const auto& setting) { return setting.param.llm; });

}  // namespace
}  // namespace usam
