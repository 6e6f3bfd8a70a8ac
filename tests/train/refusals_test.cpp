// What the programs refuse, word by word.
#include "tests/train/process.h"

namespace usam::test {
namespace {

class Refusals : public ProgramTest {};

TEST_F(Refusals, AllMistakesOfAConfigAtOnceBeforeAnythingIsRead) {
  const auto config = write_config("wrong.yaml",
                                   "data:\n"
                                   "  train: nowhere.jsonl\n"
                                   "  thread: 2\n"
                                   "  max_seconds: ten\n"
                                   "recipe:\n"
                                   "  llm: {trian: full}\n"
                                   "  encoders:\n"
                                   "    whisper: {type: wisper, path: nowhere}\n"
                                   "trainer: {max_steps: 0}\n");
  const auto ended = train(config + " run.dir=" + path("run"));
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.errors,
            "DIR/wrong.yaml:3:10: 'data.train.path': 'DIR/nowhere.jsonl' does not exist\n"
            "DIR/wrong.yaml:4:3: unknown key 'thread' in 'data' (did you mean 'threads'?)\n"
            "DIR/wrong.yaml:5:16: 'data.max_seconds' must be a number, got 'ten'\n"
            "DIR/wrong.yaml:7:9: unknown key 'trian' in 'recipe.llm' (did you mean 'train'?)\n"
            "DIR/wrong.yaml:9:21: 'recipe.encoders.whisper.type' is the unknown type 'wisper' (did you mean 'whisper'? "
            "known: ced, hubert, mert, wav2vec2 and whisper)\n"
            "DIR/wrong.yaml:10:22: 'trainer.max_steps' must be at least 1, got '0'\n");
  EXPECT_FALSE(std::filesystem::exists(path("run")));
}

TEST_F(Refusals, FilesThatAreNotThere) {
  EXPECT_EQ(train("nowhere.yaml").errors, "The config file 'nowhere.yaml' does not exist.\n");
  unsetenv("USAM_CORPUS");
  const auto unset = train("configs/tests/tiny.yaml");
  EXPECT_EQ(unset.code, 2);
  EXPECT_TRUE(
      unset.errors.starts_with("configs/tests/tiny.yaml:7:10: the environment variable USAM_CORPUS is not set, which "
                               "'${env:USAM_CORPUS}/train.jsonl' needs\n"))
      << unset.errors;
}

TEST_F(Refusals, ATaskWithoutAPrompt) {
  corpus_.add_row("train", "odd", sound(200, 0.5), {}, {{"task", "XYZ"}, {"label", "one"}, {"dur", 0.5}});
  const auto ended = train_tiny();
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.errors,
            "CORPUS/train.jsonl:14: unknown task 'XYZ'; the recipe has prompts for: AAC, ASR, MC, S2TT, SEC\n");
  EXPECT_FALSE(std::filesystem::exists(path("run")));
}

TEST_F(Refusals, PromptsWithoutAPlaceForTheAudio) {
  const auto config = write_config("prompts.yaml", "recipe:\n  prompts: {ASR: 'Write this down'}\n");
  EXPECT_EQ(
      train(config).errors,
      "DIR/prompts.yaml:3:3: 'recipe.prompts.ASR' must hold <audio> where the audio goes, got 'Write this down'.\n");
}

TEST_F(Refusals, EvaluationOfAnotherModel) {
  ASSERT_EQ(train_tiny().code, 0);
  const auto config = write_config("other.yaml",
                                   "recipe:\n"
                                   "  bridge: {window: 8}\n"
                                   "  prompts: {ASR: 'Say it:<audio>'}\n"
                                   "evaluate: {max_new_tokens: 4}\n");
  const auto ended = evaluate(config + " --checkpoint " + path("run/best") + " --output " + path("evaluation"));
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.errors,
            "DIR/run/best was trained with another model than the config describes; give its own config, or name a key "
            "as an override to change it on purpose:\n"
            "  recipe.bridge.window: 4 in the checkpoint, 8 asked for\n"
            "  recipe.prompts.ASR: \"Write what is said:<audio>\\n---\\nText: \" in the checkpoint, "
            "\"Say it:<audio>\" asked for\n");
  EXPECT_FALSE(std::filesystem::exists(path("evaluation")));
  // Named on purpose, a prompt may differ.
  const auto asked =
      evaluate("configs/tests/tiny.yaml 'recipe.prompts.ASR=Say it:<audio>' evaluate.max_new_tokens=4 --checkpoint " +
               path("run/best") + " --output " + path("evaluation"));
  EXPECT_EQ(asked.code, 0) << asked.errors;
}

TEST_F(Refusals, NothingToTrainOnOrToEvaluate) {
  const auto trained = train_tiny("'data.train=[]'");
  EXPECT_EQ(trained.code, 2);
  EXPECT_EQ(trained.errors,
            "data.train names nothing to train on: name a manifest in the config, or give data.train=FILE.\n");
  EXPECT_FALSE(std::filesystem::exists(path("run")));
  const auto evaluated = evaluate("configs/tests/tiny.yaml 'data.test=[]' --checkpoint " + path("run/best") +
                                  " --output " + path("evaluation"));
  EXPECT_EQ(evaluated.code, 2);
  EXPECT_EQ(evaluated.errors,
            "data.test names no test set: name one in configs/tests/tiny.yaml, or give the override data.test=FILE.\n");
  EXPECT_FALSE(std::filesystem::exists(path("evaluation")));
}

TEST_F(Refusals, WhatIsNoCheckpoint) {
  const auto ended = run(USAM_GENERATE, "--checkpoint " + path("nowhere") + " --task ASR " + corpus_.path("test0.wav"));
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.errors,
            "DIR/nowhere is no checkpoint: it holds no config.yaml. Give a folder like RUN/best or "
            "RUN/checkpoint-1000.\n");
}

}  // namespace
}  // namespace usam::test
