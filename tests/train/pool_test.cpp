// negatives: ranks through usam-train: the samples that several ranks have at one inner step are one pool.
#include "tests/ranks.h"
#include "tests/train/process.h"

namespace usam::test {
namespace {

// Nothing random, so that a pool is the same whoever computes it; rows in the order of the manifest.
constexpr const char* kPlain =
    " trainer.max_steps=6 trainer.save_every=3 trainer.eval_every=3 trainer.accumulate=1 recipe.bridge.dropout=0 "
    "recipe.llm.lora.dropout=0 data.augment.spec.time_masks=0 data.augment.spec.frequency_masks=0 data.shuffle=false "
    "recipe.shuffle_tags=false ";

class TrainPool : public ProgramTest {
 protected:
  std::string command(const std::string& name, const std::string& more) const {
    return std::string(USAM_TRAIN) + " configs/tests/tiny.yaml" + kPlain + "run.dir=" + path(name) + " " + more;
  }
  void train_on(int ranks, const std::string& name, const std::string& more) const {
    for (const auto& rank : run_ranks(ranks, free_port(), command(name, more)))
      EXPECT_EQ(rank.status, 0) << rank.errors;
  }
};

void expect_close(const Json& ours, const Json& theirs, const std::string& where) {
  ASSERT_EQ(ours.size(), theirs.size()) << where;
  for (const auto& [key, value] : theirs.items()) {
    if (key == "micro_batches" || key == "of") continue;  // of an epoch: smaller ones are more
    if (value.is_object()) expect_close(ours.at(key), value, where + " " + key);
    if (value.is_number()) EXPECT_NEAR(ours.at(key).get<double>(), value.get<double>(), 2e-5) << where << " " << key;
  }
}

// 13 rows an epoch: with two samples a rank, the last step has one sample on the first rank and none on the others; of
// three ranks, one has nothing to evaluate.
TEST_F(TrainPool, OfSeveralRanksIsOneLargerMicroBatch) {
  for (const int ranks : {2, 3}) {
    const std::string one = "one" + std::to_string(ranks);
    train_on(1, one,
             "trainer.best.metric=tasks/error trainer.best.mode=min data.batch.rows=" + std::to_string(2 * ranks));
    const auto theirs = metrics_of(path(one));
    ASSERT_EQ(theirs.size(), 8U);  // six steps, two evaluations
    for (const std::string strategy : {"ddp", "fsdp"}) {
      const std::string many = strategy + std::to_string(ranks);
      train_on(ranks, many,
               "recipe.loss.saclm.negatives=ranks data.batch.rows=2 trainer.best.metric=tasks/error "
               "trainer.best.mode=min parallel.strategy=" +
                   strategy);
      const auto ours = metrics_of(path(many));
      ASSERT_EQ(ours.size(), 8U);
      for (size_t i = 0; i < ours.size(); ++i) expect_close(ours[i], theirs[i], many + " line " + std::to_string(i));
    }
  }
}

TEST_F(TrainPool, OfTheMicroBatchGivesAnotherLoss) {
  train_on(2, "ranks", "recipe.loss.saclm.negatives=ranks trainer.max_steps=1");
  train_on(2, "micro_batch", "recipe.loss.saclm.negatives=micro_batch trainer.max_steps=1");
  EXPECT_GT(metrics_of(path("ranks"))[0].at("saclm_hinge").get<double>(),
            metrics_of(path("micro_batch"))[0].at("saclm_hinge").get<double>() + 1e-3);  // harder negatives
}

TEST_F(TrainPool, ARunGoesOnAsIfItHadNotStopped) {
  const std::string pooled = "recipe.loss.saclm.negatives=ranks recipe.bridge.dropout=0.1 data.shuffle=true";
  train_on(2, "run", pooled);
  const auto whole = metrics_of(path("run"));
  std::filesystem::remove_all(path("run/checkpoint-6"));
  train_on(2, "run", pooled);
  EXPECT_EQ(metrics_of(path("run")), whole);
}

}  // namespace
}  // namespace usam::test
