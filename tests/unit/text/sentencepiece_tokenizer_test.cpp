#include "src/text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "src/text/tokenizer_config.h"
#include "tests/support.h"

namespace usam {
namespace {

using Ids = std::vector<int64_t>;

// Left and right of <audio> in every prompt of the published recipes (docs/model.md), and labels that go with them.
const std::vector<std::string>& prompt_parts() {
  static const std::vector<std::string> parts = {"Describe the detail of this audio:",
                                                 "\n---\nDetailed: ",
                                                 "Transcribe this audio:",
                                                 "\n---\nTranscription: ",
                                                 "Translate this audio into Chinese text:\n",
                                                 "\n---\nTranslation:",
                                                 "Provide a short description of this music: ",
                                                 "\n---\nDescription: ",
                                                 "What sound is this?",
                                                 "\n---\nSound: "};
  return parts;
}

std::vector<std::string> texts() {
  std::vector<std::string> all = prompt_parts();
  for (const char* label :
       {"three seven nine", "dog barking", "piano, hit", "今天天气很好", "two words\nand a second line"})
    all.push_back(label);
  return all;
}

SentencepieceTraining training(SentencepieceType type, int64_t vocab_size, bool byte_fallback) {
  SentencepieceTraining options;
  options.type = type;
  options.vocab_size = vocab_size;
  options.byte_fallback = byte_fallback;
  return options;
}

std::string saved_bytes(const Tokenizer& tokenizer) {
  test::TemporaryFolder folder;
  tokenizer.save(folder.path().string());
  std::ifstream in(folder.path() / "tokenizer.model", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TrainedTokenizer : public testing::TestWithParam<std::tuple<SentencepieceType, bool>> {
 protected:
  std::shared_ptr<Tokenizer> train() const {
    return train_sentencepiece(texts(), training(std::get<0>(GetParam()), 2000, std::get<1>(GetParam())));
  }
};

TEST_P(TrainedTokenizer, KeepsEveryTrainingTextLetterForLetter) {
  const auto tokenizer = train();
  const bool is_lossy = std::get<0>(GetParam()) == SentencepieceType::kWord && !std::get<1>(GetParam());
  for (const std::string& text : texts()) {
    const std::string back = tokenizer->decode(tokenizer->encode(text));
    if (!is_lossy) EXPECT_EQ(back, text);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(back)), back);
  }
}

TEST_P(TrainedTokenizer, IsAPureFunctionOfItsTexts) {
  EXPECT_EQ(saved_bytes(*train()), saved_bytes(*train()));
}

TEST_P(TrainedTokenizer, HasTheUsualSpecialTokens) {
  const auto tokenizer = train();
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_LE(tokenizer->vocab_size(), 2000);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, TrainedTokenizer,
                         testing::Combine(testing::Values(SentencepieceType::kBpe, SentencepieceType::kUnigram,
                                                          SentencepieceType::kWord, SentencepieceType::kChar),
                                          testing::Bool()));

TEST(SentencepieceTokenizer, SpellsUnknownCharactersInBytes) {
  for (auto type :
       {SentencepieceType::kBpe, SentencepieceType::kUnigram, SentencepieceType::kWord, SentencepieceType::kChar}) {
    const auto tokenizer = train_sentencepiece(texts(), training(type, 2000, true));
    for (const char* unseen : {"Ünïcödé €5", "zebra\tquilt  twice", " leading", "trailing ", "dog 🐕 barking", "\n\n"})
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(unseen)), unseen);
  }
}

TEST(SentencepieceTokenizer, GivesUnknownTokenWithoutByteFallback) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kChar, 2000, false));
  const Ids ids = tokenizer->encode("dog €");
  EXPECT_EQ(ids.back(), 0);
}

// Another class than LlamaTokenizer, whose further tokens the model does not have.
TEST(SentencepieceTokenizer, RefusesFilesBesideItThatSayOtherwise) {
  const test::TemporaryFolder folder;
  train_sentencepiece(texts(), training(SentencepieceType::kBpe, 2000, true))->save(folder.path());
  const std::string model = folder.path() / "tokenizer.model";
  const std::string remedy =
      " Open the folder once with transformers' AutoTokenizer and save it with save_pretrained, which writes a "
      "tokenizer.json, and name that folder.";
  folder.write("tokenizer_config.json", R"({"eos_token": "</s>", "added_tokens_decoder": {"2": {"content": "</s>"}}})");
  EXPECT_EQ(open_tokenizer(folder.path())->eos(), 2);
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"2000": {"content": "<|im_end|>"}}})");
  EXPECT_EQ(
      test::message_of([&] { open_tokenizer(folder.path()); }),
      model + ": the files beside it give the token '<|im_end|>' the id 2000, which the model does not." + remedy);
  folder.write("tokenizer_config.json", R"({"eos_token": "<s>"})");
  EXPECT_EQ(test::message_of([&] { open_tokenizer(folder.path()); }),
            model + ": the files beside it name the end token '<s>', the model another one." + remedy);
}

TEST(SentencepieceTokenizer, LineBreakIsATokenOfItsOwn) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kBpe, 2000, true));
  const Ids prompt = tokenizer->encode("\n---\nSound:"), line_break = tokenizer->encode("\n");
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), line_break.back()), 2);
}

TEST(SentencepieceTokenizer, LargeVocabularyMakesWholeWords) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kBpe, 2000, true));
  EXPECT_EQ(tokenizer->encode("three seven nine").size(), 3u);
}

TEST(SentencepieceTokenizer, SplitsDigitsWhereAsked) {
  SentencepieceTraining options = training(SentencepieceType::kBpe, 2000, false);
  options.split_digits = true;
  const std::vector<std::string> numbers = {"123 123 123", "45 123"};
  EXPECT_GE(train_sentencepiece(numbers, options)->encode("123").size(), 3u);
  options.split_digits = false;
  EXPECT_EQ(train_sentencepiece(numbers, options)->encode("123").size(), 1u);
}

TEST(SentencepieceTokenizer, ParsesSpecialTokensOnlyWhereAsked) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kBpe, 2000, true));
  const Ids plain = tokenizer->encode("dog</s>");
  EXPECT_EQ(std::count(plain.begin(), plain.end(), tokenizer->eos()), 0);
  EXPECT_EQ(tokenizer->decode(plain), "dog</s>");

  Ids expected = {1};
  const Ids dog = tokenizer->encode("dog"), bark = tokenizer->encode(" barking");
  expected.insert(expected.end(), dog.begin(), dog.end());
  expected.push_back(2);
  expected.insert(expected.end(), bark.begin(), bark.end());
  EXPECT_EQ(tokenizer->encode("<s>dog</s> barking", Specials::kParse), expected);
  EXPECT_EQ(tokenizer->encode("<s", Specials::kParse), tokenizer->encode("<s"));
}

TEST(SentencepieceTokenizer, LeavesSpecialTokensOutOfTheText) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kBpe, 2000, true));
  Ids ids = tokenizer->encode("dog barking");
  ids.insert(ids.begin(), 1);
  ids.push_back(2);
  EXPECT_EQ(tokenizer->decode(ids), "dog barking");
  EXPECT_EQ(tokenizer->decode({}), "");
  EXPECT_EQ(tokenizer->encode(""), Ids{});
}

TEST(SentencepieceTokenizer, KeepsSpecialTokensWhereAsked) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kBpe, 2000, true));
  for (const char* text : {"one</s> two", "<s>dog barking</s>", "</s></s> dog"})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, Specials::kParse), SpecialText::kKept), text);
  const Ids mixed = tokenizer->encode_mixed("<s>dog</s>bark</s>", 3, 10);
  EXPECT_EQ(mixed.front(), 1);
  EXPECT_EQ(std::count(mixed.begin(), mixed.end(), 2), 1);
  EXPECT_EQ(tokenizer->decode({1, 999, mixed[1]}), tokenizer->decode({mixed[1]}));
  EXPECT_EQ(tokenizer->find("</s>"), 2);
  EXPECT_EQ(tokenizer->find("zebras"), std::nullopt);
}

TEST(SentencepieceTokenizer, SavedAndOpenedIsEqual) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kUnigram, 300, true));
  test::TemporaryFolder folder;
  tokenizer->save(folder.path().string());
  const auto opened = open_tokenizer(folder.path().string());
  EXPECT_EQ(saved_bytes(*opened), saved_bytes(*tokenizer));
  EXPECT_EQ(opened->encode("a dog, a piano"), tokenizer->encode("a dog, a piano"));
}

TEST(SentencepieceTokenizer, ReservedCharactersDoNotCostATextItsPlace) {
  // The trainer would drop a text that holds one of these characters.
  const auto tokenizer =
      train_sentencepiece({"left\tright \xE2\x81\x87 \xE2\x96\x85"}, training(SentencepieceType::kBpe, 2000, true));
  EXPECT_EQ(tokenizer->encode("right").size(), 1u);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("left\tright")), "left\tright");
}

TEST(SentencepieceTokenizer, ServesSeveralThreads) {
  const auto tokenizer = train_sentencepiece(texts(), training(SentencepieceType::kBpe, 400, true));
  const Ids expected = tokenizer->encode("Transcribe this audio:");
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        if (tokenizer->encode("Transcribe this audio:") != expected || tokenizer->decode(expected).empty()) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(SentencepieceTokenizer, TrainingErrors) {
  const auto train = [](const std::vector<std::string>& lines, int64_t size) {
    return test::message_of([&] { train_sentencepiece(lines, training(SentencepieceType::kBpe, size, true)); });
  };
  EXPECT_EQ(train({}, 300), "There is no text to train a tokenizer from: all labels and prompts are empty.");
  EXPECT_EQ(train({"", " \n"}, 300), "There is no text to train a tokenizer from: all labels and prompts are empty.");
  EXPECT_EQ(train({"a\xFFz"}, 300), "A text to train the tokenizer from is not valid UTF-8: 'a?z'.");
  EXPECT_EQ(
      train({"abc"}, 260),
      "A tokenizer of vocab_size 260 has no room for text: the special tokens and the bytes of byte_fallback take "
      "260 pieces. Raise vocab_size.");
  EXPECT_EQ(train({"abc"}, 263),
            "The tokenizer cannot be trained with type bpe and vocab_size 263: the special tokens, the bytes of "
            "byte_fallback and the characters of the texts need 264 pieces. Raise vocab_size, or lower "
            "character_coverage.");
}

TEST(SentencepieceTokenizer, InputErrors) {
  const auto tokenizer = train_sentencepiece({"abc"}, training(SentencepieceType::kChar, 2000, false));
  EXPECT_EQ(test::message_of([&] { tokenizer->encode("ab\xFF"); }), "A text to tokenize is not valid UTF-8: 'ab?'.");
  EXPECT_EQ(test::message_of([&] { tokenizer->decode({-1}); }), "Token id -1 is negative.");
  EXPECT_EQ(test::message_of([&] { tokenizer->save("/nonexistent"); }),
            "Cannot write '/nonexistent/tokenizer.model': No such file or directory.");
}

TEST(SentencepieceTokenizer, FileErrors) {
  test::TemporaryFolder folder;
  const std::string damaged = folder.write("tokenizer.model", "not a model");
  const std::string empty = folder.write("empty.model", "");
  // <unk>, and a piece of one character 0.
  const std::string zero = folder.write("zero.model", std::string("\n\x09\n\x05<unk>\x18\x02\n\x03\n\x01\0", 16));
  EXPECT_EQ(test::message_of([&] { open_sentencepiece(damaged); }),
            damaged + ": this is not a sentencepiece model, or it is damaged.");
  EXPECT_EQ(test::message_of([&] { open_sentencepiece(empty); }),
            empty + ": this is not a sentencepiece model, or it is damaged.");
  EXPECT_EQ(test::message_of([&] { open_sentencepiece(zero); }),
            zero + ": this is not a sentencepiece model, or it is damaged.");
  EXPECT_EQ(test::message_of([&] { open_sentencepiece("/nonexistent.model"); }),
            "Cannot read '/nonexistent.model': No such file or directory.");
}

}  // namespace
}  // namespace usam
