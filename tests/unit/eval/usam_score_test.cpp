// Runs the program as a user does.
#include <array>
#include <cstdio>

#include "src/base/json.h"
#include "tests/support.h"

namespace usam {
namespace {

struct Outcome {
  int code = 0;
  std::string output, errors;
};

class UsamScore : public testing::Test {
 protected:
  Outcome run(const std::string& arguments) {
    const std::string out = (folder_.path() / "out").string(), err = (folder_.path() / "err").string();
    const std::string command = std::string(USAM_SCORE) + " " + arguments + " >" + out + " 2>" + err;
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), text(out), text(err)};
  }

  static std::string text(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  test::TemporaryFolder folder_;
  std::string file_ = folder_.write("h.jsonl",
                                    R"({"key": "a", "ref": "Twenty five dogs", "hyp": "25 dogs"}
{"key": "b", "refs": ["one", "three cats"], "hyp": "three cat"}
{"key": "c", "tags": ["piano"], "scores": {"piano": 0.5, "drum": 0.1}}
{"key": "d", "tags": ["drum"], "scores": {"piano": 0.6, "drum": 0.2}}
)");
};

TEST_F(UsamScore, PrintsTheMetricsAskedFor) {
  const Outcome got = run(file_ + " --metrics wer,map --normalizer whisper_en");
  ASSERT_EQ(got.code, 0) << got.errors;
  const Json json = Json::parse(got.output);
  EXPECT_DOUBLE_EQ(json["wer"].get<double>(), 0.25);
  EXPECT_DOUBLE_EQ(json["map"].get<double>(), 0.75);
  EXPECT_EQ(json["normalizer"], "whisper_en/1");
  EXPECT_EQ(json["n"], 4);
  EXPECT_FALSE(json.contains("cer"));
  EXPECT_EQ(got.errors, "");
}

TEST_F(UsamScore, OptionsMayComeFirst) {
  const Outcome got = run("--metrics wer,cer " + file_);
  ASSERT_EQ(got.code, 0) << got.errors;
  EXPECT_TRUE(Json::parse(got.output).contains("cer"));
}

TEST_F(UsamScore, NormalizerMatters) {
  const Outcome got = run(file_ + " --metrics wer --normalizer none");
  EXPECT_DOUBLE_EQ(Json::parse(got.output)["wer"].get<double>(), 3.0 / 5);
}

TEST_F(UsamScore, WritesAFile) {
  const std::string output = (folder_.path() / "metrics.json").string();
  const Outcome got = run(file_ + " --metrics cer --output " + output);
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, "");
  EXPECT_TRUE(Json::parse(text(output)).contains("cer"));
}

TEST_F(UsamScore, WithoutMetricsEveryTaskGetsItsOwn) {
  const Json json = Json::parse(run(file_).output);
  EXPECT_TRUE(json["tasks"]["other"].contains("wer"));
  EXPECT_TRUE(json["tasks"]["other"].contains("map"));
}

TEST_F(UsamScore, HelpAndVersion) {
  const Outcome help = run("--help"), version = run("--version");
  EXPECT_EQ(help.code, 0);
  for (const char* option : {"FILE", "--metrics", "--normalizer", "--spelling", "--bleu-tokens", "--output"})
    EXPECT_NE(help.output.find(option), std::string::npos) << option;
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.output.substr(0, 5), "usam ");
}

TEST_F(UsamScore, UserErrorsExitWithTwo) {
  const Outcome typo = run(file_ + " --metrics wre");
  EXPECT_EQ(typo.code, 2);
  EXPECT_EQ(typo.errors,
            "There is no metric 'wre'; did you mean 'wer'? There are wer, cer, mer, bleu, chrf, rouge_l, meteor_exact, "
            "accuracy, f1, weighted_f1, map, roc_auc, pr_auc, recall_at_1, recall_at_5, recall_at_10, mae, rmse, "
            "pearson and spearman.\n");
  const std::string bad = folder_.write("bad.jsonl", "{\"key\": \"a\", \"ref\": \"x\", \"hyp\": \"x\"}\n{\n");
  const Outcome line = run(bad + " --metrics wer");
  EXPECT_EQ(line.code, 2);
  EXPECT_EQ(line.errors, bad + ":2: this is not a JSON object.\n");
  EXPECT_EQ(line.output, "");
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run(file_ + " --no-such-option").code, 2);
  EXPECT_EQ(run((folder_.path() / "none.jsonl").string()).code, 2);
  EXPECT_EQ(run(file_ + " --bleu-tokens 14b").code, 2);
}

}  // namespace
}  // namespace usam
