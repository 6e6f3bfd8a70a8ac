// Which prompt a row gets, and as which tokens.
#include "recipes/usam/prompts.h"

#include "recipes/usam/config.h"
#include "src/text/sentencepiece_tokenizer.h"
#include "tests/support.h"

namespace usam::recipes {
namespace {

std::shared_ptr<Tokenizer> tokenizer() {
  SentencepieceTraining training;
  training.type = SentencepieceType::kChar;
  training.byte_fallback = false;
  return train_sentencepiece({"Say it: Write it\nText <b/c>s now."}, training);
}

data::Row row(const std::string& task, const std::string& prompt = "") {
  data::Row row;
  row.key = "clip7";
  row.line = 7;
  row.task = task;
  row.prompt = prompt;
  return row;
}

TEST(Prompts, TheTasksTextAroundTheAudioWithItsBeginning) {
  const auto words = tokenizer();
  const Prompts prompts({{"ASR", "Say it:<audio>\nText: "}}, words);
  const auto ids = prompts.of(row("ASR"));
  ASSERT_TRUE(words->bos().has_value());
  EXPECT_EQ(ids.left.front(), *words->bos());
  EXPECT_EQ(std::vector<int64_t>(ids.left.begin() + 1, ids.left.end()), words->encode("Say it:"));
  EXPECT_EQ(ids.right, words->encode("\nText: "));
  EXPECT_EQ(words->decode(ids.right), "\nText: ");
}

TEST(Prompts, ARowsOwnPromptGoesFirstAndIsPlainText) {
  const auto words = tokenizer();
  const Prompts prompts({{"ASR", "Say it:<audio>"}}, words);
  const auto ids = prompts.of(row("none", "Write </s><audio>now"));
  EXPECT_EQ(words->decode(ids.left), "Write </s>");
  for (const int64_t id : ids.left) EXPECT_NE(id, words->eos());
  EXPECT_EQ(ids.right, words->encode("now"));
}

TEST(Prompts, AChatTemplateGoesAround) {
  const auto words = tokenizer();
  const Prompts prompts({{"ASR", " Say it:<audio>\nText: "}}, words, {ChatTemplate::kLlama2, {}});
  const auto ids = prompts.of(row("ASR"));
  EXPECT_EQ(words->decode(ids.left), words->decode(words->encode("[INST] Say it:")));
  EXPECT_EQ(ids.left.front(), *words->bos());
  EXPECT_EQ(ids.right, words->encode("\nText: [/INST]"));
  EXPECT_EQ(prompts.end_of_turn(), words->eos());
  EXPECT_EQ(test::message_of([&] { Prompts({{"ASR", "<audio>"}}, words, {ChatTemplate::kLlama3, {}}); }),
            "The chat template 'llama3' needs the token <|start_header_id|>, which the language model's tokenizer does "
            "not have.");
}

TEST(Prompts, Refusals) {
  EXPECT_EQ(prompt_problem("a<audio>b"), "");
  EXPECT_EQ(prompt_problem("ab"), "must hold <audio> where the audio goes, got 'ab'.");
  EXPECT_EQ(prompt_problem("<audio><audio>"), "must hold <audio> once, got '<audio><audio>'.");
  const Prompts prompts({{"ASR", "<audio>"}, {"SEC", "<audio>"}}, tokenizer());
  EXPECT_EQ(test::message_of([&] { prompts.of(row("MC")); }),
            "Sample 'clip7' is of task 'MC', for which there is no prompt; add 'recipe.prompts.MC' or use one of: ASR, "
            "SEC.");
  EXPECT_EQ(test::message_of([&] { prompts.of(row("ASR", "Now")); }),
            "The prompt of sample 'clip7' (line 7 of its manifest) must hold <audio> where the audio goes, got 'Now'.");
}

TEST(Prompts, ThePublishedOnesAreBuiltIn) {
  EXPECT_EQ(default_prompts().at("ASR"), "Transcribe this audio:<audio>\n---\nTranscription: ");
  for (const auto& [task, prompt] : default_prompts()) EXPECT_EQ(prompt_problem(prompt), "") << task;
  EXPECT_EQ(Prompts::sides({{"ASR", "a<audio>b"}, {"MC", "c<audio>"}}), (std::vector<std::string>{"a", "b", "c", ""}));
}

}  // namespace
}  // namespace usam::recipes
