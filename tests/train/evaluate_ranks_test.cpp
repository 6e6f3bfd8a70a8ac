// usam-eval as several processes: the files are those of one, byte by byte.
#include "tests/ranks.h"
#include "tests/train/process.h"

namespace usam::test {
namespace {

class EvaluateRanks : public ProgramTest {
 protected:
  void SetUp() override {
    const auto trained = run("env OMP_NUM_THREADS=1", std::string(USAM_TRAIN) +
                                                          " configs/tests/tiny.yaml trainer.max_steps=2 "
                                                          "trainer.eval_every=2 trainer.save_every=2 run.dir=" +
                                                          path("run"));
    ASSERT_EQ(trained.code, 0) << trained.errors;
  }
  std::vector<EndedRank> evaluate_on(int ranks, const std::string& more) const {
    return run_ranks(ranks, free_port(),
                     std::string(USAM_EVAL) + " configs/tests/tiny.yaml evaluate.batch_rows=2 --explain run.dir=" +
                         path("run") + " --output " + path("on" + std::to_string(ranks)) + " " + more);
  }
  // Evaluates on one, two and three ranks and compares all that they write.
  void expect_alike(const std::string& more) const {
    for (const int ranks : {1, 2, 3}) {
      const auto ended = evaluate_on(ranks, more);
      const auto folder = "on" + std::to_string(ranks);
      for (size_t rank = 0; rank < ended.size(); ++rank) {
        EXPECT_EQ(ended[rank].status, 0) << ended[rank].errors;
        EXPECT_EQ(ended[rank].output, rank == 0 ? text_of(path(folder + "/metrics.json")) : "");
      }
      for (const char* file : {"/metrics.json", "/hypotheses.jsonl", "/explained.jsonl", "/skipped.jsonl"})
        EXPECT_EQ(text_of(path(folder + file)), text_of(path(std::string("on1") + file))) << ranks << file;
    }
  }
};

TEST_F(EvaluateRanks, WriteWhatOneWrites) {
  expect_alike("");
  EXPECT_EQ(json_lines_of(path("on3/hypotheses.jsonl")).size(), 6U);
}

TEST_F(EvaluateRanks, ShareAnUnreadableClip) {
  corpus_.damage("test1");
  corpus_.damage("test4");
  expect_alike("data.max_skipped=0.5");
  EXPECT_EQ(json_lines_of(path("on3/hypotheses.jsonl")).size(), 4U);
  const auto skipped = json_lines_of(path("on3/skipped.jsonl"));
  ASSERT_EQ(skipped.size(), 2U);
  EXPECT_EQ(skipped[0].at("key"), "test1");
  EXPECT_EQ(skipped[1].at("key"), "test4");
}

// Each rank alone is within the limit, all together are not.
TEST_F(EvaluateRanks, AllEndWhenTooManyClipsAreUnreadable) {
  corpus_.damage("test1");
  corpus_.damage("test4");
  for (const int ranks : {1, 2, 3}) {
    for (const auto& rank : evaluate_on(ranks, "data.max_skipped=0.2")) {
      EXPECT_EQ(rank.status, 2);
      EXPECT_NE(rank.errors.find("2 of the epoch's 6 samples could not be used, more than data.max_skipped = 0.2 "
                                 "allows; the last is 'test4': "),
                std::string::npos)
          << rank.errors;
    }
  }
  EXPECT_EQ(text_of(path("on3/skipped.jsonl")), text_of(path("on1/skipped.jsonl")));
  EXPECT_FALSE(std::filesystem::exists(path("on3/metrics.json")));
}

TEST_F(EvaluateRanks, NeedNotHaveARowEach) {
  expect_alike("evaluate.batch_rows=16");  // one batch for three ranks
}

TEST_F(EvaluateRanks, StartedDifferentlyAreRefused) {
  const auto ranks = run_ranks(2, free_port(),
                               "sh -c 'exec " + std::string(USAM_EVAL) +
                                   " configs/tests/tiny.yaml evaluate.batch_rows=1$RANK run.dir=" + path("run") + "'");
  for (const auto& rank : ranks) {
    EXPECT_EQ(rank.status, 2);
    EXPECT_NE(rank.errors.find("The ranks were not started alike: rank 1 has another config than rank 0."),
              std::string::npos)
        << rank.errors;
  }
}

// trainer.best by a task's metric: ranks share the validation set's rows too.
TEST_F(EvaluateRanks, OfTrainingComeToTheSameFigures) {
  const auto figures = [&](int ranks, const std::string& name, const std::string& more) {
    const std::string command = std::string(USAM_TRAIN) +
                                " configs/tests/tiny.yaml trainer.max_steps=2 trainer.eval_every=2 " +
                                "trainer.save_every=2 evaluate.batch_rows=1 trainer.best.metric=tasks/error " +
                                "trainer.best.mode=min run.dir=" + path(name) + " " + more;
    for (const auto& rank : run_ranks(ranks, free_port(), command)) EXPECT_EQ(rank.status, 0) << rank.errors;
    return json_lines_of(path(name + "/metrics.jsonl")).back().at("eval");
  };
  const auto one = figures(1, "one", "trainer.accumulate=3"), three = figures(3, "three", "trainer.accumulate=1");
  for (const char* key : {"tasks/error", "ASR/wer", "SEC/n"}) EXPECT_EQ(one.at(key), three.at(key)) << key;
}

}  // namespace
}  // namespace usam::test
