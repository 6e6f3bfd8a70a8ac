// Ids and texts equal to those of Hugging Face's tokenizers and transformers, for tokenizers of the styles that
// published models have (make_oracles.py, make_tokenizers.py).
#include "src/base/json.h"
#include "src/text/tokenizer_config.h"
#include "tests/json_lines.h"
#include "tests/support.h"

namespace usam {
namespace {

using Ids = std::vector<int64_t>;

// One message for all strings that differ, with the first of them.
class Differences {
 public:
  template <class T>
  void compare(const char* what, const Json& line, const T& expected, const T& got) {
    if (expected == got) return;
    if (count_++ == 0) {
      first_ << what << " of " << line.value("text", line["ids"].dump()).substr(0, 300) << "\n expected "
             << Json(expected).dump().substr(0, 1000) << "\n got      " << to_line(Json(got)).substr(0, 1000);
    }
  }
  int count() const { return count_; }
  std::string first() const { return first_.str(); }

 private:
  int count_ = 0;
  std::ostringstream first_;
};

class Oracles : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { USAM_NEEDS_ORACLES(); }
};

class TokenizerStyles : public Oracles {};

TEST_P(TokenizerStyles, EncodeAndDecodeAsTheReference) {
  const auto folder = test::oracle_folder() / "tokenizers" / GetParam();
  const auto tokenizer = open_tokenizer(folder.string());
  const auto lines = test::json_lines_of(folder / "golden.jsonl");
  ASSERT_GT(lines.size(), 1000u);
  Differences wrong;
  for (const Json& line : lines) {
    const auto text = line["text"].get<std::string>();
    const auto ids = line["ids"].get<Ids>();
    wrong.compare("ids", line, ids, tokenizer->encode(text, Specials::kParse));
    wrong.compare("plain ids", line, line["plain"].get<Ids>(), tokenizer->encode(text));
    wrong.compare("text", line, line["decoded"].get<std::string>(), tokenizer->decode(ids, SpecialText::kKept));
    wrong.compare("text without special tokens", line, line["decoded_skip_special"].get<std::string>(),
                  tokenizer->decode(ids));
  }
  EXPECT_EQ(wrong.count(), 0) << wrong.first();
}

TEST_P(TokenizerStyles, SavedAndOpenedIsEqual) {
  const auto folder = test::oracle_folder() / "tokenizers" / GetParam();
  const auto tokenizer = open_tokenizer(folder.string());
  test::TemporaryFolder copy;
  tokenizer->save(copy.path().string());
  const auto opened = open_tokenizer(copy.path().string());
  EXPECT_EQ(opened->vocab_size(), tokenizer->vocab_size());
  EXPECT_EQ(opened->eos(), tokenizer->eos());
  EXPECT_EQ(opened->bos(), tokenizer->bos());
  for (const char* text : {"A dog barks</s> <|im_end|><|endoftext|>.", " 12 été\n"})
    EXPECT_EQ(opened->encode(text, Specials::kParse), tokenizer->encode(text, Specials::kParse));
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerStyles,
                         testing::Values("gpt2", "whisper", "smollm2", "prefix_space", "regex", "llama2", "llama3",
                                         "qwen2", "llama_new", "llama_legacy", "llama_no_prefix"),
                         [](const auto& style) { return std::string(style.param); });

class OracleTokenizers : public Oracles {};

TEST_P(OracleTokenizers, EncodeAndDecodeAsTheReference) {
  const auto folder = test::oracle_folder() / GetParam();
  const auto lines = test::json_lines_of(folder / "golden_tokenizer.jsonl");
  ASSERT_EQ(lines.size(), 500u);
  for (const char* file : {"", "tokenizer.legacy_merges.json"}) {
    const auto tokenizer = open_tokenizer((folder / file).string());
    Differences wrong;
    for (const Json& line : lines) {
      const auto ids = line["ids"].get<Ids>();
      wrong.compare("ids", line, ids, tokenizer->encode(line["text"].get<std::string>(), Specials::kParse));
      wrong.compare("text", line, line["decoded"].get<std::string>(), tokenizer->decode(ids, SpecialText::kKept));
      wrong.compare("text without special tokens", line, line["decoded_skip_special"].get<std::string>(),
                    tokenizer->decode(ids));
    }
    EXPECT_EQ(wrong.count(), 0) << wrong.first();
  }
}

TEST_P(OracleTokenizers, DecodeRandomIdsAsTheReference) {
  const auto folder = test::oracle_folder() / GetParam();
  const auto lines = test::json_lines_of(folder / "golden_decode.jsonl");
  ASSERT_EQ(lines.size(), 200u);
  const auto tokenizer = open_tokenizer(folder.string());
  Differences wrong;
  for (const Json& line : lines) {
    const auto ids = line["ids"].get<Ids>();
    wrong.compare("text", line, line["decoded"].get<std::string>(), tokenizer->decode(ids, SpecialText::kKept));
    wrong.compare("text without special tokens", line, line["decoded_transformers"].get<std::string>(),
                  tokenizer->decode(ids));
  }
  EXPECT_EQ(wrong.count(), 0) << wrong.first();
}

TEST_P(OracleTokenizers, NoOtherTokenIsSpecialForPlainText) {
  const auto tokenizer = open_tokenizer((test::oracle_folder() / GetParam()).string());
  for (const char* text : {"<|im_end|>", "a<|eot_id|> <|begin_of_text|>b", "<|endoftext|><|end_of_text|>"}) {
    const Ids ids = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(ids), text);  // special tokens would be left out
    EXPECT_GT(ids.size(), 3u);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OracleTokenizers, testing::Values("tok-llama3", "tok-qwen2"));

TEST(TokenizerRoles, AreThoseOfTheFolder) {
  USAM_NEEDS_ORACLES();
  const auto llama = open_tokenizer((test::oracle_folder() / "tok-llama3").string());
  EXPECT_EQ(llama->bos(), 1196);
  EXPECT_EQ(llama->eos(), 1197);
  EXPECT_EQ(llama->vocab_size(), 1200);
  const auto qwen = open_tokenizer((test::oracle_folder() / "tok-qwen2").string());
  EXPECT_EQ(qwen->bos(), std::nullopt);
  EXPECT_EQ(qwen->eos(), 1199);
}

}  // namespace
}  // namespace usam
