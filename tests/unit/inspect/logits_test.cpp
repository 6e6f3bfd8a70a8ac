// usam-inspect logits against transformers and peft.
#include <fmt/ranges.h>

#include "src/io/peft.h"
#include "src/text/tokenizer_config.h"
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

constexpr double kLogits = 1e-4;

class Logits : public UsamInspect, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override { USAM_NEEDS_ORACLES(); }
  static std::string list(const torch::Tensor& ids) {
    return fmt::format("{}", fmt::join(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel(), ","));
  }
  void expect_logits(const std::string& folder, const std::string& options, const torch::Tensor& ids_T,
                     const torch::Tensor& logits_TV) {
    const std::string output = path("out.safetensors");
    const Outcome got =
        run("logits --llm " + oracle(folder) + " --ids " + list(ids_T) + options + " --output " + output);
    ASSERT_EQ(got.code, 0) << got.errors;
    const io::SafetensorsFile written(output);
    EXPECT_TRUE(written.get("ids").equal(ids_T.unsqueeze(0)));
    const auto logits = written.get("logits");
    ASSERT_EQ(logits.sizes(), logits_TV.unsqueeze(0).sizes());
    EXPECT_LT((logits[0] - logits_TV).abs().max().item<double>(), kLogits);
  }
};

TEST_P(Logits, EqualTheReference) {
  const auto file = golden(GetParam());
  expect_logits(GetParam(), "", file.get("long/input_ids")[0], file.get("long/logits")[0]);
}

TEST_P(Logits, WithAnAdapterOfPeft) {
  const auto file = golden(GetParam());
  if (!file.contains("lora/logits")) return;
  const auto ids = file.get("plain/input_ids")[0], expected = file.get("lora/logits")[0];
  expect_logits(GetParam(), " --adapter " + oracle(GetParam()) + "/lora", ids, expected);
  EXPECT_GT((file.get("plain/logits")[0] - expected).abs().max().item<double>(), 100 * kLogits);  // it does something
}

INSTANTIATE_TEST_SUITE_P(Folders, Logits, testing::Values("llama", "qwen2", "qwen3"),
                         [](const auto& info) { return info.param; });

class LogitsOfText : public UsamInspect {};

TEST_F(LogitsOfText, TokenisesWithTheFoldersTokenizer) {
  USAM_NEEDS_ORACLES();
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::create_symlink(oracle("llama") + "/" + name, path(name));
  const auto tokenizer = train_sentencepiece({"one two three", "four five six"}, {.vocab_size = 300});
  tokenizer->save(folder_.path());
  const Outcome got = run("logits --llm " + folder_.path().string() + " --text 'one</s> six' --output " + path("o"));
  ASSERT_EQ(got.code, 0) << got.errors;
  const auto ids = io::SafetensorsFile(path("o")).get("ids")[0];
  EXPECT_TRUE(ids.equal(torch::tensor(tokenizer->encode("one</s> six", Specials::kParse))));
  EXPECT_TRUE((ids == tokenizer->eos()).any().item<bool>());
  expect_user_error("logits --llm " + folder_.path().string() + " --text '' --output " + path("o"),
                    "There are no ids to run the language model on: the text is empty.");
}

TEST_F(LogitsOfText, UserErrors) {
  USAM_NEEDS_ORACLES();
  const std::string llama = "logits --llm " + oracle("llama") + " --output " + path("o");
  expect_user_error(llama + " --ids 1,9999",
                    "The id 9999 is not in the language model's vocabulary, which has 1216 entries from 0.");
  expect_user_error(llama + " --ids 1,2 --adapter " + path("none"),
                    message_of([&] { io::read_peft_adapter(path("none")); }));
  expect_user_error(
      "logits --ids 1 --llm " + oracle("ced") + " --output " + path("o"),
      oracle("ced") + "/config.json: model_type is 'ced'; this subcommand reads llama, mistral, qwen2 and qwen3.");
  EXPECT_EQ(run(llama).code, 2);                        // neither ids nor text
  EXPECT_EQ(run(llama + " --ids 1 --text a").code, 2);  // both
  EXPECT_EQ(run(llama + " --ids 1,x").code, 2);
}

}  // namespace
}  // namespace usam::test
