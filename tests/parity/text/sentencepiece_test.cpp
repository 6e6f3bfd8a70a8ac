// Ids and texts equal to the sentencepiece package's, for a byte-fallback BPE and a normalising unigram model.
#include "src/base/json.h"
#include "src/text/tokenizer_config.h"
#include "tests/json_lines.h"
#include "tests/support.h"

namespace usam {
namespace {

class SentencepieceParity : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    USAM_NEEDS_ORACLES();
    folder_ = test::oracle_folder() / "sentencepiece";
    tokenizer_ = open_tokenizer((folder_ / (std::string(GetParam()) + ".model")).string());
  }
  std::filesystem::path folder_;
  std::shared_ptr<Tokenizer> tokenizer_;
};

TEST_P(SentencepieceParity, EncodesAndDecodesAsThePackage) {
  const auto lines = test::json_lines_of(folder_ / ("golden_" + std::string(GetParam()) + ".jsonl"));
  ASSERT_GT(lines.size(), 400u);
  for (const Json& line : lines) {
    const auto text = line["text"].get<std::string>();
    EXPECT_EQ(tokenizer_->encode(text), line["ids"].get<std::vector<int64_t>>()) << text;
    EXPECT_EQ(tokenizer_->decode(line["ids"].get<std::vector<int64_t>>()), line["decoded"].get<std::string>());
  }
}

TEST_P(SentencepieceParity, DecodesRandomIdsAsThePackage) {
  const auto lines = test::json_lines_of(folder_ / ("golden_" + std::string(GetParam()) + "_decode.jsonl"));
  ASSERT_EQ(lines.size(), 200u);
  for (const Json& line : lines)
    EXPECT_EQ(tokenizer_->decode(line["ids"].get<std::vector<int64_t>>()), line["decoded"].get<std::string>())
        << line["ids"];
}

INSTANTIATE_TEST_SUITE_P(Models, SentencepieceParity, testing::Values("llama2_bpe", "unigram_nmt_nfkc"));

}  // namespace
}  // namespace usam
