// Evaluation: whole clips, answers as long as the config says, without special tokens. B samples.
#include <thread>

#include "data/loader.h"
#include "recipes/evaluation.h"
#include "tests/train/tiny_run.h"
#include "trainer/checkpoint.h"

namespace usam::recipes {
namespace {

using test::TinyRun;
using test::operator+;

const std::vector<std::string> kUntied = {"recipe.llm.tied=false"};

class AnswersTest : public testing::Test {
 protected:
  TinyRun tiny(const std::vector<std::string>& overrides = {}) const {
    TinyRun run(folder_.path() / "run", overrides);
    run.recipe->train(false);
    return run;
  }
  // Makes the language model say one of two tokens, whatever it heard: their logits are opposite, all others 0.
  static void say(const TinyRun& run, int64_t one, int64_t other) {
    const torch::NoGradGuard no_grad;
    auto head = run.model().llm->named_parameters()["lm_head.weight"];
    const auto direction = torch::linspace(-1, 1, head.size(1)) + 0.01;
    head.zero_();
    head[one].copy_(direction);
    head[other].copy_(-direction);
  }
  static std::vector<std::string> texts(const TinyRun& run) {
    std::vector<std::string> all;
    for (const auto& hypothesis : answer(*run.recipe, run.config.data.test, run.config).hypotheses) {
      all.push_back(*hypothesis.answer);
    }
    return all;
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

// Two tokens whose texts are one letter each.
std::vector<int64_t> letters(const Tokenizer& tokenizer) {
  std::vector<int64_t> found;
  for (int64_t id = 3; id < tokenizer.vocab_size() && found.size() < 2; ++id) {
    const auto text = tokenizer.decode({id});
    if (text.size() == 1 && std::isalpha(static_cast<unsigned char>(text[0]))) found.push_back(id);
  }
  return found;
}

TEST_F(AnswersTest, TasksOfLabelsAndNumbersAreNamed) {
  EXPECT_TRUE(constrained_tasks(tiny().config.evaluate).empty());
  const auto with =
      tiny({"evaluate.tasks={SER: {answer: likelihood}, QUA: {answer: number}, ASR: {max_new_tokens: 9}}"});
  EXPECT_EQ(constrained_tasks(with.config.evaluate), (std::vector<std::string>{"QUA", "SER"}));
}

TEST_F(AnswersTest, RanksWithOtherRowsAreRefused) {
  const auto ranks = dist::thread_ranks(2);
  const std::vector<TinyRun> runs = {tiny(), tiny()};
  std::vector<std::string> messages(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      const auto& config = runs[i].config;
      AnswerOptions options;
      options.ranks = ranks[i];
      messages[i] = test::message_of(
          [&] { answer(*runs[i].recipe, i == 0 ? config.data.test : config.data.valid, config, options); });
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(messages[0], "Rank 1 has 4 rows to answer, rank 0 has 6: all ranks need the same manifests.");
  EXPECT_EQ(messages[1], "Rank 0 has 6 rows to answer, rank 1 has 4: all ranks need the same manifests.");
}

TEST_F(AnswersTest, AllRanksHearThatOneGaveUp) {
  const auto ranks = dist::thread_ranks(2);
  const std::vector<TinyRun> runs = {tiny(), tiny()};
  std::vector<AnsweredSet> sets(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      AnswerOptions options;
      options.ranks = ranks[i];
      options.stops = [i, asked = 0]() mutable { return i == 1 && ++asked == 3; };
      sets[i] = answer(*runs[i].recipe, runs[i].config.data.test, runs[i].config, options);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& set : sets) {
    EXPECT_TRUE(set.is_cut);
    EXPECT_TRUE(set.hypotheses.empty());
  }
}

// 30 new tokens at most in every test of the published code (defect 20).
TEST_F(AnswersTest, AreAsLongAsTheConfigSays) {
  for (const int64_t limit : {3, 45}) {
    auto run = tiny(kUntied + std::vector<std::string>{"evaluate.max_new_tokens=" + std::to_string(limit)});
    const auto ids = letters(*run.recipe->tokenizer());
    ASSERT_EQ(ids.size(), 2U);
    say(run, ids[0], ids[1]);
    const auto all = texts(run);
    ASSERT_EQ(std::ssize(all), test::Corpus::kTest);
    for (const auto& text : all) {
      EXPECT_EQ(std::count_if(text.begin(), text.end(), [](unsigned char c) { return std::isalpha(c); }), limit)
          << text;
    }
  }
}

TEST_F(AnswersTest, AreSearchedForAsTheConfigSays) {
  const auto texts_with = [&](const std::string& decoding) {
    auto run = tiny(kUntied + std::vector<std::string>{"evaluate.max_new_tokens=12", "evaluate.decoding=" + decoding});
    const auto ids = letters(*run.recipe->tokenizer());
    say(run, ids[0], ids[1]);
    return texts(run);
  };
  const auto free = texts_with("{}");
  const auto stop = free[0].substr(4, 3);
  const auto stopped = texts_with("{stop: ['" + stop + "']}");
  EXPECT_LT(stopped[0].size(), free[0].size());
  for (size_t i = 0; i < free.size(); ++i) EXPECT_EQ(stopped[i], free[i].substr(0, free[i].find(stop)));
  const auto drawn = texts_with("{temperature: 100}");
  EXPECT_NE(drawn, free);
  EXPECT_EQ(drawn, texts_with("{temperature: 100}"));
  EXPECT_NE(drawn, texts_with("{temperature: 100, seed: 3}"));
}

// Special tokens stayed in the hypotheses of the published code (defect 24).
TEST_F(AnswersTest, HoldNoSpecialTokens) {
  auto run = tiny(kUntied);
  const auto& tokenizer = *run.recipe->tokenizer();
  ASSERT_TRUE(tokenizer.bos().has_value());
  say(run, *tokenizer.bos(), tokenizer.eos());
  for (const auto& text : texts(run)) EXPECT_EQ(text, "");
  const auto word = tokenizer.encode("one");
  std::vector<int64_t> ids = {*tokenizer.bos()};
  ids.insert(ids.end(), word.begin(), word.end());
  ids.push_back(tokenizer.eos());
  EXPECT_EQ(tokenizer.decode(ids), "one");
}

// Test clips were cropped at random to 10 s (defect 20).
TEST_F(AnswersTest, ComeFromWholeClips) {
  const auto run = tiny();
  data::Loader loader(run.data_set(run.config.data.test, false), {});
  int64_t clip = 0;
  while (const auto batch = loader.next()) {
    for (int64_t i = 0; i < batch->size(); ++i, ++clip) {
      const double seconds = 0.65 + 0.25 * static_cast<double>(clip);
      EXPECT_NEAR(batch->field("seconds").data[i].item<double>(), seconds, 1e-4);
      const auto samples = static_cast<int64_t>(std::llround(seconds * 16000));
      EXPECT_EQ(batch->field("audio_tokens").data[i].item<int64_t>(),
                run.model().audio_tokens(run.model().encoders.front().encoder->output_frames(samples), seconds));
    }
  }
  EXPECT_EQ(clip, test::Corpus::kTest);
  EXPECT_EQ(loader.counts().truncated, 0);
}

// The first channel alone was heard (defect 26).
TEST_F(AnswersTest, HearTheMeanOfTheChannels) {
  const auto left = test::sound(400, 0.5), right = test::sound(0, 0.5);
  std::vector<double> stereo, mean;
  for (size_t i = 0; i < left.size(); ++i) {
    // 16-bit values whose mean is one too
    const double a = std::lround(left[i] * 8000) * 2.0 / 32767, b = std::lround(right[i] * 8000) * 2.0 / 32767;
    stereo.push_back(a), stereo.push_back(b);
    mean.push_back((a + b) / 2);
  }
  const Json row = {{"task", "ASR"}, {"label", "one"}, {"dur", 0.5}};
  corpus_.add_row("channels", "stereo", stereo, {16000, 2}, row);
  corpus_.add_row("channels", "mean", mean, {16000, 1}, row);
  const auto run = tiny();
  data::Loader loader(run.data_set({{Path{corpus_.path("channels.jsonl")}}}, false), {});
  const auto batch = *loader.next();
  ASSERT_EQ(batch.size(), 2);
  for (const char* name : {"audio.whisper", "audio.ced", "audio.mert"}) {
    const auto& x = batch.field(name).data;
    EXPECT_TRUE(x[0].allclose(x[1], 1e-5, 1e-5)) << name;
  }
}

TEST_F(AnswersTest, PromptsAndTokenizerComeFromTheCheckpoint) {
  const TinyRun trained(folder_.path() / "run",
                        {"trainer.max_steps=2", "recipe.prompts.ASR='Now say: <audio> Write it: '"});
  trained.train();
  const std::string checkpoint = folder_.path() / "run/last";
  corpus_.damage("train0");
  std::filesystem::remove(corpus_.path("train.jsonl"));  // what the tokenizer was trained on
  const auto config = checkpoint_config(checkpoint, {"evaluate.max_new_tokens=8"});
  const auto recipe = std::dynamic_pointer_cast<UsamRecipe>(open_checkpoint(checkpoint, config));
  EXPECT_EQ(recipe->tokenizer()->vocab_size(), trained.recipe->tokenizer()->vocab_size());
  data::Loader loader(make_data_set(data::open_manifests(config.data.test), *recipe, config, false, nullptr), {});
  const auto batch = *loader.next();
  ASSERT_EQ(batch.keys[0], "test0");
  const auto ids = [&](const char* name) {
    const auto& field = batch.field(name);
    const auto row = field.data[0].narrow(0, 0, field.lengths_B[0].item<int64_t>()).contiguous();
    return std::vector<int64_t>(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel());
  };
  EXPECT_EQ(recipe->tokenizer()->decode(ids("left")), "Now say: ");
  EXPECT_EQ(recipe->tokenizer()->decode(ids("right")), " Write it: ");
  trained.recipe->train(false);
  const auto answers = answer(*recipe, config.data.test, config).hypotheses;
  const auto expected = answer(*trained.recipe, config.data.test, config).hypotheses;
  ASSERT_EQ(answers.size(), expected.size());
  for (size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].answer, expected[i].answer);
}

// Weights that a checkpoint was trained on and does not hold may not change under it.
TEST_F(AnswersTest, AChangedOverlayIsRefused) {
  TinyRun(folder_.path() / "first", {"trainer.max_steps=1"}).train();
  const auto first = folder_.path() / "first/last";
  TinyRun(folder_.path() / "second", {"trainer.max_steps=1", "init_from=" + first.string()}).train();
  const std::string second = folder_.path() / "second/last";
  const auto config = checkpoint_config(second);
  open_checkpoint(second, config);
  const std::string file = std::filesystem::canonical(first) / "model.safetensors";
  std::ofstream(file, std::ios::app) << "x";
  const auto message = test::message_of([&] { open_checkpoint(second, config); });
  EXPECT_TRUE(message.starts_with(second + " was trained on values that it does not hold:\n  init_from: ")) << message;
  EXPECT_NE(message.find("model.safetensors has SHA-256 "), std::string::npos) << message;
}

}  // namespace
}  // namespace usam::recipes
