#include "src/base/json.h"
#include "src/text/sentencepiece_tokenizer.h"
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

class Tokens : public UsamInspect {
 protected:
  Tokens() { tokenizer_->save(folder_.path()); }
  std::shared_ptr<Tokenizer> tokenizer_ = train_sentencepiece({"one two three", "four five six"}, {.vocab_size = 300});
};

TEST_F(Tokens, AnswersEveryLine) {
  const std::string in = folder_.write("in", "{\"text\": \"one</s> two\"}\n\n{\"text\": \"\"}\n");
  const Outcome got = run("tokens --tokenizer " + folder_.path().string() + " <" + in);
  ASSERT_EQ(got.code, 0) << got.errors;
  const auto end = got.output.find('\n');
  const Json first = Json::parse(got.output.substr(0, end));
  const auto ids = tokenizer_->encode("one</s> two", Specials::kParse);
  EXPECT_EQ(first["ids"].get<std::vector<int64_t>>(), ids);
  EXPECT_NE(std::find(ids.begin(), ids.end(), tokenizer_->eos()), ids.end());
  EXPECT_EQ(first["decoded"], "one</s> two");
  EXPECT_EQ(first["decoded_skip_special"], tokenizer_->decode(ids));
  EXPECT_EQ(got.output.substr(end + 1), R"({"ids":[],"decoded":"","decoded_skip_special":""})"
                                        "\n");
}

TEST_F(Tokens, UserErrors) {
  const std::string in = folder_.write("in", "{\"text\": 1}\n");
  expect_user_error("tokens --tokenizer " + folder_.path().string() + " <" + in,
                    "Line 1 of standard input is not a JSON object like {\"text\": \"...\"}.");
  expect_user_error("tokens --tokenizer " + path("none") + " <" + in,
                    path("none") + ": there is no such file or folder to read a tokenizer from.");
}

}  // namespace
}  // namespace usam::test
