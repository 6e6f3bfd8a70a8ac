// A linear probe through the programs: trained, continued, evaluated.
#include "tests/train/process.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

class ProbeProgram : public ProgramTest {
 protected:
  Ended train_probe(const std::string& run, const std::string& more = "") const {
    return train("configs/tests/probe.yaml run.dir=" + path(run) + " " + more);
  }
};

TEST_F(ProbeProgram, IsTrainedAndEvaluated) {
  const auto trained = train_probe("run");
  ASSERT_EQ(trained.code, 0) << trained.errors;
  for (const auto& row : json_lines_of(path("run/metrics.jsonl"))) {
    if (!row.contains("eval")) EXPECT_TRUE(row.at("ce").is_number() && row.at("accuracy").is_number()) << row;
  }
  EXPECT_EQ(Json::parse(text_of(path("run/last/labels.json"))).size(), 9U);
  EXPECT_EQ(Json::parse(text_of(path("run/last/base.json"))).at("bases"),
            (Json{{{"part", "encoder"}, {"source", "random"}, {"seed", 20}}}));

  const auto evaluated = evaluate("configs/tests/probe.yaml run.dir=" + path("run"));
  ASSERT_EQ(evaluated.code, 0) << evaluated.errors;
  const auto tasks = Json::parse(evaluated.output).at("tasks");
  EXPECT_TRUE(tasks.at("SEC").at("accuracy").is_number()) << tasks;
  EXPECT_EQ(tasks.at("SEC").at("n"), 2);
  const auto hypotheses = json_lines_of(path("run/evaluation/hypotheses.jsonl"));
  ASSERT_EQ(hypotheses.size(), static_cast<size_t>(Corpus::kTest));
  const auto labels = Json::parse(text_of(path("run/last/labels.json")));
  for (const auto& line : hypotheses) {
    EXPECT_NE(std::find(labels.begin(), labels.end(), line.at("hyp")), labels.end()) << line;
  }
}

// What is told about an export, and where its evaluation goes, however it is named.
TEST_F(ProbeProgram, AnExportAnswersLikeItsCheckpoint) {
  ASSERT_EQ(train_probe("run").code, 0);
  const auto exported = run(USAM_INSPECT, "export " + path("run/last") + " --output " + path("exported"));
  ASSERT_EQ(exported.code, 0) << exported.errors;
  EXPECT_EQ(text_of(path("exported/labels.json")), text_of(path("run/last/labels.json")));
  for (const char* name : {"state.json", "optimizer.safetensors"}) EXPECT_FALSE(fs::exists(path("exported/") + name));
  const std::string with = fs::absolute(USAM_EVAL).string() + " " + fs::absolute("configs/tests/probe.yaml").string();
  const auto evaluated = run("cd " + path("") + " && " + with, "--checkpoint exported");
  ASSERT_EQ(evaluated.code, 0) << evaluated.errors;
  ASSERT_EQ(evaluate("configs/tests/probe.yaml --checkpoint " + path("run/last/")).code, 0);
  EXPECT_FALSE(fs::exists(path("run/last/evaluation")));
  EXPECT_EQ(text_of(path("evaluation/hypotheses.jsonl")), text_of(path("run/evaluation/hypotheses.jsonl")));
}

TEST_F(ProbeProgram, LearnsTags) {
  // Rows without tags are examples of none.
  const auto trained = train_probe("run", "recipe.target=tags");
  ASSERT_EQ(trained.code, 0) << trained.errors;
  const auto evaluated = evaluate("configs/tests/probe.yaml recipe.target=tags run.dir=" + path("run"));
  ASSERT_EQ(evaluated.code, 0) << evaluated.errors;
  const auto tasks = Json::parse(evaluated.output).at("tasks");
  EXPECT_TRUE(tasks.at("MC").at("map").is_number()) << tasks;
  EXPECT_EQ(tasks.at("MC").at("tags"), 2);  // each row is calm
}

TEST_F(ProbeProgram, AContinuedRunLeavesTheSameBytes) {
  ASSERT_EQ(train_probe("whole").code, 0);
  ASSERT_EQ(train_probe("cut", "trainer.max_steps=3").code, 0);
  const auto more = train_probe("cut");
  ASSERT_EQ(more.code, 0) << more.errors;
  EXPECT_EQ(fs::read_symlink(path("cut/last")), "checkpoint-6");
  for (const char* file : {"last/model.safetensors", "last/optimizer.safetensors", "last/labels.json"})
    EXPECT_TRUE(text_of(path(std::string("whole/") + file)) == text_of(path(std::string("cut/") + file))) << file;
  EXPECT_EQ(metrics_of(path("whole")).back(), metrics_of(path("cut")).back());
}

TEST_F(ProbeProgram, GivesNoText) {
  ASSERT_EQ(train_probe("run", "trainer.max_steps=1").code, 0);
  const auto ended =
      run(USAM_GENERATE, "--checkpoint " + path("run/last") + " --task SEC " + corpus_.path("test0.wav"));
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(ended.errors.ends_with("DIR/run/last: the recipe 'probe' gives no text.\n")) << ended.errors;
}

}  // namespace
}  // namespace usam::test
