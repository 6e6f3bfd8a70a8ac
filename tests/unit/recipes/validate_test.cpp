// What --validate says of a run and refuses, and which config a checkpoint is evaluated with.
#include "recipes/validate.h"

#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::operator+;

class Validation : public testing::Test {
 protected:
  RunConfig config(const std::vector<std::string>& overrides = {}) const {
    return test::tiny_config(folder_.path() / "run", std::vector<std::string>{"trainer.max_steps=2"} + overrides);
  }
  std::string refusal(const std::vector<std::string>& overrides) const {
    return test::message_of([&] { validate(config(overrides)); });
  }
  // data.train with `bad` more rows than the corpus has, whose recordings are not there.
  std::string train_with(int bad) const {
    std::string rows = test::bytes_of(corpus_.path("train.jsonl"));
    for (int i = 0; i < bad; ++i) {
      Json row = {{"key", fmt::format("bad{:02}", i)}, {"wav", "gone.wav"}, {"label", "one"}, {"task", "ASR"}};
      row["dur"] = 1;
      rows += row.dump() + "\n";
    }
    return corpus_.write("bad.jsonl", rows);
  }
  // The line that --validate has for the n-th of them.
  std::string problem(int i) const {
    return fmt::format("\n  {}:{}: bad{:02}: {}: the audio file does not exist", corpus_.path("bad.jsonl"), 14 + i, i,
                       corpus_.path("gone.wav"));
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(Validation, NothingToTrainOnIsRefusedFirst) {
  EXPECT_EQ(refusal({"data.train=[]"}),
            "data.train names nothing to train on: name a manifest in the config, or give data.train=FILE.");
}

TEST_F(Validation, UnreadableRecordingsAreCountedAndShown) {
  const std::string train = "data.train=" + train_with(22);
  std::string shown;
  for (int i = 0; i < 20; ++i) shown += problem(i);
  shown += "\n  ... and 2 more";
  EXPECT_EQ(refusal({train}),
            "data.train: 22 of an epoch's 35 samples cannot be used, more than data.max_skipped = 0.01 allows. Mend or "
            "remove them, or raise data.max_skipped:" +
                shown);
  EXPECT_EQ(
      refusal({train, "data.max_skipped=1", "data.on_error=fail"}),
      "data.train: 22 of an epoch's 35 samples cannot be used, and `data.on_error: fail` ends a run at the first. "
      "Mend or remove them, or set data.on_error to skip:" +
          shown);
  // As often as an epoch sees them.
  const std::string weighted = "data.train=[{path: " + corpus_.path("bad.jsonl") + ", weight: 2}]";
  EXPECT_TRUE(refusal({weighted}).starts_with("data.train: 44 of an epoch's 70 samples cannot be used, "));
}

TEST_F(Validation, AFewOfThemAndWrongLengthsAreToldAndAllowed) {
  train_with(1);
  const Json row = {{"key", "wrong"}, {"wav", "train0.wav"}, {"label", "one"}, {"task", "ASR"}, {"dur", 1.5}};
  const std::string rows = test::bytes_of(corpus_.path("bad.jsonl")) + row.dump() + "\n";
  const std::string train = corpus_.write("bad.jsonl", rows);
  const std::string text = validate(config({"data.train=" + train, "data.max_skipped=0.1"}));
  EXPECT_TRUE(text.starts_with("data.train: 15 rows, 0.00 h, 8 micro-batches an epoch; ASR 7 MC 4 SEC 4" + problem(0) +
                               "\n  " + train + ":15: wrong: 'dur' is 1.5 s, but " + corpus_.path("train0.wav") +
                               " holds 0.50 s\ndata.valid: 4 rows"))
      << text;
}

TEST_F(Validation, MoreSlotsThanTheMedianClipHasFramesAreDoubted) {
  const auto warning_of = [&](const std::string& slots) {
    const std::string text = validate(config({"recipe.loss.saclm.slots=" + slots, "recipe.loss.saclm.rho=0.5"}));
    const size_t at = text.find("warning: ");
    return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(warning_of("1"), "");
  EXPECT_EQ(warning_of("7"),
            "warning: The median clip of 1.10 s has 6 audio tokens, of which the contrastive loss keeps 3 (rho 0.5): "
            "fewer than the 7 slots that it gathers them into. Lower recipe.loss.saclm.slots, or recipe.bridge.window "
            "for more tokens.");
}

class EvaluationConfig : public Validation {
 protected:
  // A checkpoint's config, evaluated with another.
  RunConfig evaluated(const std::string& trained, const std::vector<std::string>& asked,
                      const std::vector<std::string>& overrides = {}) const {
    RunConfig of_checkpoint = config({"evaluate.normalizer=" + trained});
    folder_.write("config.yaml", print_config(of_checkpoint));
    return evaluation_config(folder_.path(), config(asked + overrides), overrides);
  }
  std::string spelling() const { return "evaluate.spelling=" + folder_.write("n.json", R"({"colour": "color"})"); }
};

TEST_F(EvaluationConfig, ANormalizerThatIsNotUsedIsTold) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(evaluated("basic", {"evaluate.normalizer=none"}).evaluate.normalizer, "basic");
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("The config's evaluate.normalizer, none, is not used: texts are compared with the one of " +
                      folder_.path().string() +
                      ", basic; to score with none, give the override "
                      "evaluate.normalizer=none.\n"),
            std::string::npos)
      << told;

  testing::internal::CaptureStderr();
  EXPECT_EQ(evaluated("basic", {"evaluate.normalizer=whisper_en"}).evaluate.normalizer, "basic");  // the default
  EXPECT_EQ(evaluated("basic", {"evaluate.normalizer=basic"}).evaluate.normalizer, "basic");
  EXPECT_EQ(evaluated("basic", {}, {"evaluate.normalizer=none"}).evaluate.normalizer, "none");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(EvaluationConfig, ASpellingThatServesNothingIsRefused) {
  EXPECT_EQ(test::message_of([&] { evaluated("basic", {"evaluate.normalizer=whisper_en", spelling()}); }),
            "`evaluate.spelling` serves the normalizer whisper_en, but texts are compared with the one of " +
                folder_.path().string() +
                ", basic; to score with whisper_en, give the override evaluate.normalizer=whisper_en, or leave the "
                "spelling out.");
  EXPECT_EQ(evaluated("basic", {spelling()}, {"evaluate.normalizer=whisper_en"}).evaluate.normalizer, "whisper_en");
  const std::string of_task = "evaluate.tasks={ASR: {normalizer: whisper_en}}";
  EXPECT_EQ(evaluated("basic", {"evaluate.normalizer=whisper_en", spelling(), of_task}).evaluate.normalizer, "basic");
}

}  // namespace
}  // namespace usam::recipes
