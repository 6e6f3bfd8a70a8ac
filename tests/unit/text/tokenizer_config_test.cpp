#include "src/text/tokenizer_config.h"

#include "src/base/config_yaml.h"
#include "src/base/error.h"
#include "tests/support.h"

namespace usam {
namespace {

struct Holder {
  TokenizerConfig tokenizer;
};
void describe(Fields& f, Holder& c) {
  f("tokenizer", c.tokenizer, "tokenizer");
}

TokenizerConfig parsed(const test::TemporaryFolder& folder, const std::string& yaml) {
  Holder holder;
  load_config(folder.write("c.yaml", "tokenizer: " + yaml + "\n"), {}, holder);
  return holder.tokenizer;
}

TEST(TokenizerConfig, TrainsOrOpens) {
  test::TemporaryFolder folder;
  const TokenizerConfig trained = parsed(folder, "{train: {type: char, vocab_size: 500, byte_fallback: false}}");
  ASSERT_TRUE(trained.train.has_value());
  EXPECT_EQ(trained.train->type, SentencepieceType::kChar);
  EXPECT_EQ(trained.train->vocab_size, 500);
  const auto tokenizer = make_tokenizer(trained, {"dog barks"});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("bark")), "bark");

  tokenizer->save(folder.path().string());
  for (const char* yaml : {"{path: .}", "tokenizer.model"}) {
    const auto opened = make_tokenizer(parsed(folder, yaml), {});
    EXPECT_EQ(opened->encode("dog"), tokenizer->encode("dog"));
  }
}

TEST(TokenizerConfig, NeedsExactlyOneOrigin) {
  test::TemporaryFolder folder;
  EXPECT_NE(test::message_of([&] { parsed(folder, "{}"); }).find("A tokenizer needs `path` or `train`."),
            std::string::npos);
  EXPECT_NE(test::message_of([&] {
              parsed(folder, "{path: ., train: {}}");
            }).find("A tokenizer has either `path` or `train`, not both."),
            std::string::npos);
}

TEST(OpenTokenizer, SaysWhatIsMissing) {
  test::TemporaryFolder folder;
  const std::string path = folder.path().string();
  const auto message = [](const std::string& p) { return test::message_of([&] { open_tokenizer(p); }); };
  EXPECT_EQ(message(path + "/none"), path + "/none: there is no such file or folder to read a tokenizer from.");
  EXPECT_EQ(message(path), path + ": the folder holds neither a tokenizer.json nor a tokenizer.model.");
  folder.write("tokenizer.json", "{}");
  EXPECT_EQ(message(path),
            path + "/tokenizer.json: 'model' is of type '', which is not supported; supported are: BPE.");
}

TEST(OpenTokenizer, RefusesHugeFilesUnread) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("tokenizer.json", "{}");
  std::filesystem::resize_file(file, uintmax_t{1} << 30);  // takes no space on disk
  EXPECT_EQ(test::message_of([&] { open_tokenizer(file); }),
            file + ": the file has 1073741824 bytes; a tokenizer has at most 268435456.");
}

TEST(OpenTokenizer, OfTwoFilesTakesTheOneThatItCanRead) {
  test::TemporaryFolder folder;
  const auto trained = train_sentencepiece({"dog barks"}, {.vocab_size = 300});
  trained->save(folder.path().string());
  folder.write("tokenizer.json", R"({"model": {"type": "Unigram", "vocab": [["a", -1.5]], "unk_id": 0}})");
  EXPECT_EQ(open_tokenizer(folder.path().string())->encode("dog"), trained->encode("dog"));
  folder.write("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"d": 0, "o": 1}, "merges": []},
                                     "decoder": {"type": "Fuse"}})");
  EXPECT_EQ(open_tokenizer(folder.path().string())->encode("dog"), (std::vector<int64_t>{0, 1}));
  folder.write("tokenizer.json", "{");
  EXPECT_NE(test::message_of([&] { open_tokenizer(folder.path().string()); }), "");
}

}  // namespace
}  // namespace usam
