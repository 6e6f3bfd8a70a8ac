// What a step of the whole recipe leaves in the parameters, however it is laid out.
#include <thread>

#include "tests/train/tiny_run.h"
#include "trainer/sums.h"

namespace usam::test {
namespace {

using Gradients = std::map<std::string, torch::Tensor>;

Gradients gradients_of(const TinyRun& run) {
  Gradients all;
  for (const auto& [name, parameter] : run.parameters()) {
    EXPECT_TRUE(parameter.grad().defined()) << name;
    if (parameter.grad().defined()) all[name] = parameter.grad().clone();
  }
  return all;
}

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

// What has no gradient by its nature: lora_A in the first step, as lora_B starts from 0; and what a softmax does not
// see, which is a constant of all keys, and with one query the scores between queries.
bool has_none(const std::string& name) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  return has("lora_A") || has("attention.key.bias") || has("aggregate.3.bias") || has("self_attention.query.") ||
         has("self_attention.key.");
}

// 4e-6 of each gradient's own norm; of a hundredth of the largest one for those that are next to nothing.
void expect_equal_gradients(const Gradients& a, const Gradients& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  double top = 0, worst = 0;
  for (const auto& [name, gradient] : a) top = std::max(top, gradient.norm().item<double>());
  ASSERT_GT(top, 0);
  for (const auto& [name, gradient] : a) {
    const double scale = std::max(gradient.norm().item<double>(), 0.01 * top);
    const double error = (gradient - b.at(name)).norm().item<double>() / scale;
    EXPECT_LT(error, 4e-6) << what << ": " << name;
    worst = std::max(worst, error);
  }
  testing::Test::RecordProperty(what, std::to_string(worst * 1e6) + "e-6");
}

class TinyGradients : public testing::Test {
 protected:
  std::string run(const std::string& name) const { return (folder_.path() / name).string(); }
  Gradients one_step(const std::string& name, const std::vector<std::string>& overrides) const {
    const TinyRun tiny(run(name), kNothingRandom + kOneStep + overrides);
    EXPECT_EQ(tiny.train(), Outcome::kFinished);
    return gradients_of(tiny);
  }

  Corpus corpus_;
  TemporaryFolder folder_;
};

// Without a pool of negatives a step is a sum over its samples, whatever the micro-batches.
TEST_F(TinyGradients, AccumulationEqualsOneLargeMicroBatch) {
  const std::vector<std::string> apart = {"recipe.loss.saclm=null"};
  const auto together = one_step("4x1", apart + std::vector<std::string>{"data.batch.rows=4", "trainer.accumulate=1"});
  const auto pairs = one_step("2x2", apart + std::vector<std::string>{"data.batch.rows=2", "trainer.accumulate=2"});
  const auto single = one_step("1x4", apart + std::vector<std::string>{"data.batch.rows=1", "trainer.accumulate=4"});
  expect_equal_gradients(together, pairs, "two_by_two");
  expect_equal_gradients(together, single, "one_by_four");
}

// With the pools of their micro-batches: accumulated one after the other, or summed over two ranks.
TEST_F(TinyGradients, TwoRanksEqualTwoMicroBatchesOfOne) {
  const std::vector<std::string> sizes = {"data.batch.rows=3", "data.threads=1"};
  const auto alone = one_step("1 rank", sizes + std::vector<std::string>{"trainer.accumulate=2"});
  std::vector<std::unique_ptr<TinyRun>> runs;
  for (int i = 0; i < 2; ++i) {
    runs.push_back(std::make_unique<TinyRun>(
        run("2 ranks"), kNothingRandom + kOneStep + sizes + std::vector<std::string>{"trainer.accumulate=1"}));
  }
  const auto ranks = dist::thread_ranks(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] { Trainer(runs[i]->config.trainer, runs[i]->parts(ranks[i])).run(); });
  }
  for (auto& thread : threads) thread.join();
  expect_equal_gradients(alone, gradients_of(*runs[0]), "rank_0");
  expect_equal_gradients(alone, gradients_of(*runs[1]), "rank_1");
}

// The counts of a step are those of all its micro-batches: one backward pass over the sum gives the same.
TEST_F(TinyGradients, AccumulationEqualsOneBackwardPass) {
  const auto accumulated = one_step("accumulated", {});
  const TinyRun tiny(run("joint"), kNothingRandom + kOneStep);
  const auto batches = tiny.parts().train;
  const auto stream = batches.open({0, 0});
  const auto first = *stream->next(), second = *stream->next();
  Counts counts = tiny.recipe->count(first);
  add(counts, tiny.recipe->count(second));
  const auto loss = weighted_loss(tiny.recipe->forward(first).terms, counts) +
                    weighted_loss(tiny.recipe->forward(second).terms, counts);
  loss.backward();
  for (const auto& [name, parameter] : tiny.parameters()) {
    if (!parameter.grad().defined()) parameter.mutable_grad() = torch::zeros_like(parameter);
  }
  expect_equal_gradients(accumulated, gradients_of(tiny), "one_backward_pass");
}

TEST_F(TinyGradients, EveryTrainableHasOneEvenInAMicroBatchThatLostItsSamples) {
  corpus_.damage("train0");
  corpus_.damage("train1");
  const std::vector<std::string> lenient = {"data.max_skipped=1"};
  for (const auto& [name, gradient] : one_step("lost", lenient + std::vector<std::string>{"trainer.accumulate=1"})) {
    EXPECT_EQ(largest(gradient), 0) << name;
  }
  EXPECT_EQ(rows_of(run("lost") + "/metrics.jsonl")[0].at("loss"), 0.0);

  // The step's other micro-batch alone decides then. All experts run, lest one be without a frame.
  const auto half = one_step("half", lenient + std::vector<std::string>{"recipe.projector.top_k=null"});
  std::vector<std::string> zero;
  for (const auto& [name, gradient] : half) {
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << name;
    if (largest(gradient) == 0 && !has_none(name)) zero.push_back(name);
  }
  EXPECT_EQ(zero, std::vector<std::string>());
}

TEST_F(TinyGradients, FrozenEncodersStayInEvaluationModeAndAsTheyWere) {
  const TinyRun tiny(run("frozen"), {"trainer.max_steps=3", "trainer.eval_every=2"});
  std::map<std::string, torch::Tensor> before;
  const auto values = [&] {
    std::map<std::string, torch::Tensor> all;
    for (const auto& part : tiny.model().encoders) {
      for (const auto& p : part.encoder->named_parameters()) all[part.name + "." + p.key()] = p.value();
      for (const auto& b : part.encoder->named_buffers()) all[part.name + "." + b.key()] = b.value();
    }
    return all;
  };
  for (const auto& [name, value] : values()) before[name] = value.clone();
  tiny.train();
  ASSERT_EQ(tiny.model().encoders.size(), 3U);
  EXPECT_TRUE(tiny.model().bridge->is_training());
  EXPECT_TRUE(tiny.model().llm->is_training());  // its low-rank updates are trained
  for (const auto& part : tiny.model().encoders) {
    EXPECT_FALSE(part.encoder->is_training()) << part.name;
    for (const auto& module : part.encoder->modules()) EXPECT_FALSE(module->is_training()) << part.name;
    for (const auto& parameter : part.encoder->parameters()) {
      EXPECT_FALSE(parameter.requires_grad());
      EXPECT_FALSE(parameter.grad().defined());
    }
  }
  for (const auto& [name, value] : values()) EXPECT_TRUE(value.equal(before.at(name))) << name;
}

}  // namespace
}  // namespace usam::test
