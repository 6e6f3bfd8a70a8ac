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

TEST_F(UsamScore, IntervalsStandBesideTheMetrics) {
  const Outcome got = run(file_ + " --metrics wer --bootstrap 200 --seed 3"),
                same = run(file_ + " --metrics wer --bootstrap 200 --seed 3");
  ASSERT_EQ(got.code, 0) << got.errors;
  const Json json = Json::parse(got.output);
  EXPECT_LE(json["wer_ci"][0].get<double>(), json["wer"].get<double>());
  EXPECT_GE(json["wer_ci"][1].get<double>(), json["wer"].get<double>());
  EXPECT_EQ(json["bootstrap"]["seed"], 3);
  EXPECT_EQ(got.output, same.output);
}

TEST_F(UsamScore, ComparesTwoSystems) {
  const std::string better = folder_.write("b.jsonl", R"({"key": "b", "refs": ["one", "three cats"], "hyp": "one"}
{"key": "a", "ref": "Twenty five dogs", "hyp": "Twenty five dogs"}
{"key": "d", "tags": ["drum"], "scores": {"piano": 0.1, "drum": 0.2}}
{"key": "c", "tags": ["piano"], "scores": {"piano": 0.5, "drum": 0.1}}
)");
  const Outcome got = run(better + " --against " + file_ + " --metrics wer,map --normalizer whisper_en");
  ASSERT_EQ(got.code, 0) << got.errors;
  const Json json = Json::parse(got.output);
  EXPECT_EQ(json["against"], file_);
  EXPECT_EQ(json["bootstrap"]["resamples"], 1000);
  const Json& wer = json["tasks"]["other"]["wer"];
  EXPECT_EQ(wer["value"], 0.0);
  EXPECT_EQ(wer["against"], 0.25);
  EXPECT_EQ(wer["difference"], -0.25);
  EXPECT_EQ(wer["utterances"].dump(), R"({"better":1,"worse":0,"equal":1})");
  EXPECT_EQ(json["tasks"]["other"]["map"]["value"], 1.0);
  const std::string one = folder_.write("one.jsonl", R"({"key": "a", "ref": "x", "hyp": "x"})");
  const Outcome refused = run(file_ + " --against " + one);
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.errors, "A comparison needs two files with the same keys. The second lacks 'b', 'c' and 'd'.\n");
}

TEST_F(UsamScore, RetrievalTakesEachLinesOwnCandidates) {
  const std::string file = folder_.write("r.jsonl",
                                         R"({"key": "1", "tags": ["a"], "scores": {"a": 0.9, "b": 0.1, "c": 0.2}}
{"key": "2", "tags": ["e"], "scores": {"d": 0.5, "e": 0.5}}
{"key": "3", "tags": ["x", "y"], "scores": {"x": 0.1, "y": 0.6, "z": 0.6, "w": 0.2}}
{"key": "4", "tags": ["none"], "scores": {"d": 0.5, "e": 0.5}}
)");
  const Outcome got = run(file + " --metrics recall_at_1,recall_at_5");
  ASSERT_EQ(got.code, 0) << got.errors;
  const Json json = Json::parse(got.output);
  EXPECT_EQ(json["recall_at_1"], 0.25) << "equal scores never help";
  EXPECT_EQ(json["recall_at_5"], 0.75);
  EXPECT_EQ(json["lines_without_right_candidate"], 1);
}

TEST_F(UsamScore, ExportsCaptionsForCocoTools) {
  const std::string file =
      folder_.write("c.jsonl", R"({"key": "a.wav", "task": "AAC", "refs": ["A dog.", "Rain"], "hyp": "dog"}
{"key": "b.wav", "task": "AAC", "ref": "Wind", "hyp": "wind"}
{"key": "b.wav", "task": "ASR", "ref": "Wind", "hyp": "wind"}
)");
  const std::string folder = (folder_.path() / "coco").string();
  const Outcome got = run(file + " --task AAC --coco " + folder + " --output " + folder + ".json");
  ASSERT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(Json::parse(text(folder + ".json"))["tasks"].size(), 1u);
  EXPECT_EQ(Json::parse(text(folder + "/results.json")).dump(),
            R"([{"image_id":0,"caption":"dog"},{"image_id":1,"caption":"wind"}])");
  const Json references = Json::parse(text(folder + "/references.json"));
  EXPECT_EQ(references["images"].dump(), R"([{"id":0,"file_name":"a.wav"},{"id":1,"file_name":"b.wav"}])");
  EXPECT_EQ(references["annotations"].dump(),
            R"([{"id":0,"image_id":0,"caption":"A dog."},{"id":1,"image_id":0,"caption":"Rain"},)"
            R"({"id":2,"image_id":1,"caption":"Wind"}])");
  const Outcome several = run(file + " --coco " + folder), none = run(file + " --task SEC");
  EXPECT_EQ(several.code, 2);
  EXPECT_EQ(several.errors,
            "Captions are exported for one task, but the lines are of 'AAC' and 'ASR'; choose one with --task.\n");
  EXPECT_EQ(none.code, 2);
  EXPECT_EQ(none.errors, file + ": no line is of task 'SEC'.\n");
  const std::string tags = folder_.write("t.jsonl", R"({"key": "c", "tags": ["x"], "scores": {"x": 1, "y": 0}})");
  EXPECT_EQ(run(tags + " --coco " + folder).errors,
            "No line has \"ref\" and \"hyp\", which an export of captions needs.\n");
}

TEST_F(UsamScore, HelpAndVersion) {
  const Outcome help = run("--help"), version = run("--version");
  EXPECT_EQ(help.code, 0);
  for (const char* option : {"FILE", "--metrics", "--normalizer", "--spelling", "--bleu-tokens", "--output", "--task",
                             "--bootstrap", "--seed", "--against", "--coco", "recall_at_10", "spearman"})
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
  EXPECT_EQ(run(file_ + " --bootstrap 0").code, 2);
  EXPECT_EQ(run(file_ + " --normalizer basic --spelling x").code, 2);
}

}  // namespace
}  // namespace usam
