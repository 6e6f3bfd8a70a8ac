// What a recipe's config refuses, word by word.
#include "recipes/usam/config.h"

#include "recipes/run.h"
#include "src/base/error.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::operator+;

class UsamConfigTest : public testing::Test {
 protected:
  // The message for the tiny config with overrides, without the place in front of it.
  std::string refusal(const std::vector<std::string>& overrides, bool builds = false) const {
    return test::message_of([&] {
      const auto config = test::tiny_config("run", overrides);
      if (builds) build_recipe(config, *data::open_manifests(config.data.train));
    });
  }
  test::Corpus corpus_;
};

TEST_F(UsamConfigTest, IsRead) {
  const auto config = test::tiny_config("run").recipe;
  ASSERT_EQ(config.type, "usam");
  const auto& usam = config.as<UsamConfig>();
  ASSERT_EQ(usam.encoders.size(), 3U);
  EXPECT_EQ(usam.encoders[0].first, "whisper");
  EXPECT_EQ(usam.encoders[0].second.train, Train::kFrozen);
  EXPECT_EQ(usam.llm.train, Train::kLora);
  EXPECT_EQ(usam.llm.lora.rank, 4);
  ASSERT_TRUE(usam.loss.saclm.has_value());
  EXPECT_EQ(usam.loss.saclm->slots, 2);
  EXPECT_FALSE(usam.loss.balance.weight.has_value());
}

TEST_F(UsamConfigTest, Refusals) {
  EXPECT_NE(refusal({"recipe.fusion.reference=piano"})
                .find("'recipe.fusion.reference' is 'piano', which is none of the encoders; name one of them or give "
                      "'hz'."),
            std::string::npos);
  EXPECT_EQ(refusal({"recipe.fusion.reference=piano", "recipe.fusion.hz=25"}), "");
  EXPECT_NE(refusal({"recipe.prompts.ASR=Now"})
                .find("'recipe.prompts.ASR' must hold <audio> where the audio goes, got 'Now'."),
            std::string::npos);
  EXPECT_TRUE(refusal({"recipe.loss.saclm=null", "recipe.bridge.prune={keep: 0.5}"})
                  .ends_with("'recipe.bridge.prune' chooses audio tokens by the contrastive loss's scores; give "
                             "'recipe.loss.saclm' too."));
  EXPECT_TRUE(refusal({"recipe.bridge.window=6"})
                  .ends_with("'recipe.bridge.window' is 6, but the frames of 'ced' stand in fours, the bands of one "
                             "time step: below 16 give a multiple of 4, or give the encoder 'bands: fold'."));
  for (const std::string fine : {"recipe.bridge.window=17", "recipe.encoders.ced.bands=fold",
                                 "recipe.fusion.reference=whisper", "recipe.fusion.hz=25"})
    EXPECT_EQ(refusal({"recipe.bridge.window=6", fine}), "");
  EXPECT_TRUE(refusal({"recipe.projector.top_k=null", "recipe.loss.balance.weight=0.01"})
                  .ends_with("'recipe.loss.balance.weight' draws experts level where few of them run: give "
                             "'recipe.projector.top_k' too."));
  for (const std::string part : {"recipe.encoders.ced", "recipe.llm"}) {
    EXPECT_TRUE(
        refusal({part + ".train=full", part + ".dtype=bfloat16"}).ends_with("'train: full' needs 'dtype: float32'"));
    EXPECT_TRUE(refusal({part + ".train=full", part + ".store=nf4"})
                    .ends_with("'store: nf4' keeps weights that are not trained; 'train: full' needs 'store: dtype'"));
    for (const std::string key :
         {".dtype=bfloat16", ".store=int8", ".store=int8_dynamic", ".store=bfloat16", ".store=bfloat16_dynamic"})
      EXPECT_EQ(refusal({part + ".train=lora", part + ".lora.targets=[q_proj]", part + key}), "");
  }
}

TEST_F(UsamConfigTest, RefusalsOfTheCache) {
  const std::vector<std::string> plain = {"data.augment.spec={time_masks: 0, frequency_masks: 0}",
                                          "recipe.cache.dir=cache"};
  const auto expect = [&](const std::vector<std::string>& more, const std::string& message) {
    const std::string got = refusal(plain + more);
    EXPECT_TRUE(got.ends_with(message)) << got;
  };
  EXPECT_EQ(refusal(plain), "");
  EXPECT_EQ(refusal(plain + std::vector<std::string>{"recipe.cache.encoders=[ced, mert]"}), "");
  expect({"recipe.cache.encoders=[ced, piano]"},
         "'recipe.cache.encoders' names 'piano', which is none of the encoders");
  expect({"recipe.cache.encoders=[]"}, "'recipe.cache.encoders' names no encoder: remove the key or 'recipe.cache'");
  expect({"recipe.cache.encoders=[ced]", "recipe.encoders.ced.train=lora", "recipe.encoders.ced.lora.targets=[q_proj]"},
         "'recipe.cache' keeps what frozen encoders make, but 'ced' is trained: freeze it, or leave it out of "
         "'recipe.cache.encoders'");
  expect({"recipe.encoders.ced.train=full", "recipe.encoders.whisper.train=full", "recipe.encoders.mert.train=full"},
         "'recipe.cache' has nothing to keep: no encoder is frozen");
  const std::string augmented =
      "'recipe.cache' keeps what encoders make of a clip, but 'data.augment' changes clips anew in every epoch: use "
      "one of them";
  expect({"data.augment.spec.time_masks=1"}, augmented);
  expect({"data.augment.gain_db=3"}, augmented);
  expect({"parallel.strategy=fsdp"},
         "'recipe.cache' lets a micro-batch decide how often an encoder runs, but with 'parallel.strategy: fsdp' all "
         "ranks must run it together: choose ddp or zero1");
  EXPECT_TRUE(refusal({"data.long_audio=window", "data.window={max_seconds: 9, long_audio: drop, overlap: 1}",
                       "parallel.strategy=fsdp"})
                  .ends_with("'data.long_audio: window' lets a micro-batch decide how often an encoder runs, but with "
                             "'parallel.strategy: fsdp' all ranks must run it together: choose ddp or zero1"));
}

// MERT's states are mixed by learned weights unless the config says otherwise (docs/model.md).
TEST_F(UsamConfigTest, MertsStatesAreMixedAndTheMixIsTrained) {
  const auto trained = [](const std::vector<std::string>& overrides) {
    std::set<std::string> names;
    for (const auto& entry : test::TinyRun("run", overrides).parameters()) {
      if (entry.first.starts_with("mixes.")) names.insert(entry.first);
    }
    return names;
  };
  EXPECT_EQ(trained({}), (std::set<std::string>{"mixes.mert.bias", "mixes.mert.weight"}));
  EXPECT_EQ(trained({"recipe.encoders.mert.states=last"}), std::set<std::string>{});
  EXPECT_EQ(trained({"recipe.encoders.mert.states=last", "recipe.encoders.whisper.states=mix"}),
            (std::set<std::string>{"mixes.whisper.bias", "mixes.whisper.weight"}));
}

// The path as a whole runs with every choice of the parts: fewer streams, a fixed rate, pruning, no contrastive loss.
TEST_F(UsamConfigTest, OtherPathsRun) {
  const test::TemporaryFolder folder;
  const std::vector<std::vector<std::string>> paths = {
      {"recipe.fusion.hz=20"},
      {"recipe.fusion.reference=mert"},
      {"recipe.encoders.mert.states=last"},
      {"recipe.encoders.ced.bands=fold"},
      {"recipe.bridge.prune={keep: 0.5}", "recipe.bridge.queries=2"},
      {"recipe.loss.saclm=null", "recipe.projector.top_k=null"},
      {"recipe.freeze=[bridge.*]"},
      {"recipe.encoders.whisper.dtype=float16", "recipe.encoders.ced.dtype=bfloat16",
       "recipe.encoders.mert.dtype=bfloat16", "recipe.llm.dtype=bfloat16"},
  };
  for (size_t i = 0; i < paths.size(); ++i) {
    const auto run = folder.path() / std::to_string(i);
    EXPECT_EQ(test::TinyRun(run, std::vector<std::string>{"trainer.max_steps=2"} + paths[i]).train(),
              Outcome::kFinished);
    EXPECT_TRUE(std::filesystem::exists(run / "checkpoint-2/manifest.json")) << paths[i].front();
    EXPECT_TRUE(test::rows_of(run / "metrics.jsonl").at(1).at("loss").is_number()) << paths[i].front();
  }
}

// Streams may be absent: the same code, narrower.
TEST_F(UsamConfigTest, OneStreamIsEnoughAndNoneIsRefused) {
  const test::TemporaryFolder folder;
  std::ifstream in(test::kTinyConfig);
  std::string all, none;
  for (std::string line; std::getline(in, line);) {
    const bool is_encoder = line.starts_with("    whisper:") || line.starts_with("    ced:");
    if (line.starts_with("  encoders:")) none += "  encoders: {}\n";
    if (!is_encoder) all += line + "\n";
    if (!is_encoder && !line.starts_with("    mert:") && !line.starts_with("  encoders:")) none += line + "\n";
  }
  RunConfig config;
  load_config(
      folder.write("one.yaml", all),
      {{"run.dir=" + (folder.path() / "run").string(), "recipe.fusion.reference=mert", "trainer.max_steps=2"}, false},
      config);
  const test::TinyRun run(config);
  EXPECT_EQ(run.model().encoders.size(), 1U);
  EXPECT_EQ(run.train(), Outcome::kFinished);
  const auto message = test::message_of([&] { load_config(folder.write("none.yaml", none), {}, config); });
  EXPECT_TRUE(message.ends_with("'recipe.encoders' names no encoder; give at least one.")) << message;
  all.replace(all.find("    mert:"), 9, "    mert.2:");
  const auto dotted = test::message_of([&] { load_config(folder.write("dotted.yaml", all), {}, config); });
  EXPECT_TRUE(
      dotted.ends_with("'recipe.encoders' names 'mert.2', but names are parts of parameter paths: use letters, "
                       "digits, '_' and '-'."))
      << dotted;
}

// By recipe.freeze as by `train`: what rests draws no dropout.
TEST_F(UsamConfigTest, WhatIsFrozenIsInEvaluationMode) {
  const test::TinyRun run(test::tiny_config(
      "run", {"recipe.freeze=[bridge.*]", "recipe.llm.train=lora", "recipe.llm.lora.targets=[q_proj]"}));
  auto& model = run.model();
  model.set_training(true);
  EXPECT_FALSE(model.bridge->is_training());
  EXPECT_FALSE(model.encoders[0].encoder->is_training());
  EXPECT_TRUE(model.projector->is_training());
  EXPECT_TRUE(model.llm->is_training());
  EXPECT_TRUE(model.is_training());
}

}  // namespace
}  // namespace usam::recipes
