#include "trainer/trainer.h"

#include <csignal>
#include <limits>
#include <utility>

#include "src/tensor/dtype.h"
#include "tests/train/toy_run.h"
#include "trainer/precision.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

TEST(Trainer, LeavesARunFolder) {
  const test::TemporaryFolder folder;
  const std::string run = folder.path() / "run";
  TrainerConfig config = toy_config(10);
  config.keep_last = 1;
  Trainer trainer(config, toy_parts(run));
  EXPECT_EQ(trainer.run(), Outcome::kFinished);
  EXPECT_EQ(test::names_in(run),
            (std::vector<std::string>{"best", "checkpoint-10", "config.yaml", "last", "metrics.jsonl", "ranks"}));
  EXPECT_EQ(test::names_in(run + "/last"),
            (std::vector<std::string>{"base.json", "config.yaml", "manifest.json", "model.safetensors",
                                      "optimizer.safetensors", "state.json"}));
  EXPECT_EQ(std::filesystem::read_symlink(run + "/best"), "checkpoint-10");
  EXPECT_EQ(test::content(run + "/config.yaml"), "toy: true\n");
  EXPECT_TRUE(checkpoint_problems(run + "/last").empty());
  // 7 micro-batches an epoch, 2 a step: 4 steps an epoch.
  EXPECT_EQ(trainer.state().cursor, (data::Cursor{2, 4}));
}

TEST(Trainer, WritesALineAStep) {
  const test::TemporaryFolder folder;
  const std::string run = folder.path();
  TrainerConfig config = toy_config(10);
  config.log_every = 3;
  Trainer(config, toy_parts(run)).run();
  std::vector<std::string> keys;
  std::vector<int64_t> steps, evaluated;
  for (const Json& line : test::lines(run + "/metrics.jsonl"))
    (line.contains("eval") ? evaluated : steps).push_back(line["step"]);
  EXPECT_EQ(steps, (std::vector<int64_t>{3, 4, 6, 8, 9, 10}));  // 4 and 8 end epochs
  EXPECT_EQ(evaluated, (std::vector<int64_t>{3, 6, 9, 10}));
  const Json first = test::lines(run + "/metrics.jsonl")[0];
  for (const auto& [key, value] : first.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"step", "loss", "error", "samples_seen", "size", "lr", "grad_norm"}));
  EXPECT_NEAR(first["loss"].get<double>(), first["error"].get<double>() + 0.25 * first["size"].get<double>(), 1e-6);
  EXPECT_NEAR(first["lr"].get<double>(), 0.05, 1e-12);  // two steps of warm-up; step 3 is at the top
  EXPECT_NE(test::content(run + "/metrics.jsonl").find("\"time\":{\"seconds\":"), std::string::npos);
}

TEST(Trainer, DividesByTheCountsOfTheStep) {
  const test::TemporaryFolder folder;
  Trainer(toy_config(4), toy_parts(folder.path())).run();
  for (const Json& line : test::lines(folder.path() / "metrics.jsonl")) {
    if (line.contains("eval")) continue;
    const int64_t first = 2 * (line["step"].get<int64_t>() - 1);
    double samples = 0, squares = 0;  // step 4 takes the one micro-batch that is left
    for (int64_t i = first; i < std::min<int64_t>(first + 2, test::kToyEpoch); ++i) {
      const auto rows = static_cast<double>(test::toy_batch({0, i}).size());
      samples += rows;
      squares += rows * rows;
    }
    EXPECT_DOUBLE_EQ(line["samples_seen"].get<double>(), squares / samples);
  }
}

TEST(Trainer, EpochsEndByTheData) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(1);
  config.max_steps.reset();
  config.epochs = 3;
  Trainer trainer(config, toy_parts(folder.path()));
  EXPECT_EQ(trainer.total_steps(), 12);
  trainer.run();
  EXPECT_EQ(trainer.state().cursor, (data::Cursor{3, 0}));
}

// All rows of a step's micro-batches as one batch.
class Merged final : public BatchStream {
 public:
  std::optional<data::Batch> next() override {
    if (done_) return std::nullopt;
    done_ = true;
    data::Batch whole;
    std::vector<torch::Tensor> x, y;
    for (int64_t i = 0; i < 4; ++i) {
      const data::Batch part = test::toy_batch({0, i});
      whole.keys.insert(whole.keys.end(), part.keys.begin(), part.keys.end());
      x.push_back(part.field("x").data);
      y.push_back(part.field("y").data);
    }
    whole.fields["x"].data = torch::cat(x);
    whole.fields["y"].data = torch::cat(y);
    return whole;
  }

 private:
  bool done_ = false;
};

TEST(Trainer, AccumulationEqualsOneLargeBatch) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(1);
  config.schedule = TrainerConfig().schedule;
  config.accumulate = 4;
  TrainerParts several = toy_parts(folder.path() / "several");
  several.train.micro_batches = [](const data::Cursor&) { return 4; };
  Trainer(config, several).run();
  config.accumulate = 1;
  TrainerParts one = toy_parts(folder.path() / "one");
  one.train = {[](const data::Cursor&) { return 1; }, [](data::Cursor) { return std::make_unique<Merged>(); }};
  Trainer(config, one).run();
  const io::NamedTensors a = test::trained(*several.recipe), b = test::trained(*one.recipe);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_LT((a[i].second - b[i].second).abs().max().item<double>(), 1e-6) << a[i].first;
    EXPECT_LT((a[i].second.grad() - b[i].second.grad()).abs().max().item<double>(), 1e-6) << a[i].first;
  }
}

TEST(Trainer, DropoutDependsOnSeedStepAndMicroBatchAlone) {
  const test::TemporaryFolder folder;
  std::vector<double> drawn, expected;
  bool training = true;
  test::ToyOptions options;
  options.on_forward = [&](const data::Batch&) {
    if (training) drawn.push_back(torch::rand({}).item<double>());
  };
  TrainerParts parts = toy_parts(folder.path(), options);
  parts.valid.reset();
  Trainer(toy_config(4), parts).run();
  for (int64_t step = 0; step < 4; ++step)
    for (int64_t i = 0; i < (step == 3 ? 1 : 2); ++i) {
      seed_default_generators(draw_key(20, "dropout", step, i));
      expected.push_back(torch::rand({}).item<double>());
    }
  EXPECT_EQ(drawn, expected);
  EXPECT_EQ(std::set<double>(drawn.begin(), drawn.end()).size(), drawn.size());
}

TEST(Trainer, AParameterWithoutUseGetsAGradientOfZero) {
  const test::TemporaryFolder folder;
  TrainerParts parts = toy_parts(folder.path(), {.dropout = 0, .uses_bias = false, .on_forward = {}});
  Trainer(toy_config(1), parts).run();
  std::map<std::string, torch::Tensor> gradients;
  for (const auto& [name, parameter] : test::trained(*parts.recipe)) gradients[name] = parameter.grad();
  EXPECT_TRUE(gradients.at("bias").equal(torch::zeros(3)));
  EXPECT_TRUE(gradients.at("spare").equal(torch::zeros({2, 2})));
  EXPECT_GT(gradients.at("matrix").abs().max().item<double>(), 0);
}

TEST(Trainer, DropsABadStepAndNamesItsSamples) {
  const test::TemporaryFolder folder;
  test::ToyOptions options;
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor == data::Cursor{0, 3}) batch.field("x").data.fill_(std::numeric_limits<float>::quiet_NaN());
  };
  TrainerParts parts = toy_parts(folder.path(), options);
  parts.valid.reset();
  TrainerConfig config = toy_config(4);
  EXPECT_EQ(Trainer(config, parts).run(), Outcome::kFinished);
  for (const auto& [name, parameter] : test::trained(*parts.recipe))
    EXPECT_TRUE(parameter.isfinite().all().item<bool>()) << name;
  const std::vector<Json> bad = test::lines(folder.path() / "bad_batches.jsonl");
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0]["step"], 2);
  EXPECT_EQ(bad[0]["loss"], "nan");
  EXPECT_EQ(bad[0]["keys"].get<std::vector<std::string>>(), test::toy_batch({0, 3}).keys);  // not those of 0, 2
  const std::vector<Json> lines = test::lines(folder.path() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1], (Json{{"step", 2}, {"health", {{"not_finite", 1}}}}));
}

TEST(Trainer, StopsAfterTooManyBadSteps) {
  const test::TemporaryFolder folder;
  test::ToyOptions options;
  options.on_forward = [](const data::Batch& batch) {
    batch.field("x").data.fill_(std::numeric_limits<float>::infinity());
  };
  TrainerConfig config = toy_config(4);
  config.max_bad_steps = 2;
  Trainer trainer(config, toy_parts(folder.path(), options));
  EXPECT_THROW(trainer.run(), TrainingFailed);
  EXPECT_EQ(test::lines(folder.path() / "bad_batches.jsonl").size(), 2u);
}

TEST(Trainer, KeepsTheBestCheckpoint) {
  const test::TemporaryFolder folder;
  const std::string run = folder.path();
  TrainerConfig config = toy_config(9);
  config.eval_every = 2;
  config.save_every = 1;
  config.keep_last = 2;
  config.best = {"score", Better::kHigher};
  TrainerParts parts = toy_parts(run);
  int evaluations = 0;
  parts.task_figures = [&](auto&&) { return std::map<std::string, double>{{"score", evaluations++ == 1 ? 5.0 : 1.0}}; };
  Trainer trainer(config, parts);
  trainer.run();
  EXPECT_EQ(trainer.state().best, (Best{"score", 5, 4}));
  EXPECT_EQ(std::filesystem::read_symlink(run + "/best"), "checkpoint-4");
  EXPECT_EQ(std::filesystem::read_symlink(run + "/last"), "checkpoint-9");
  EXPECT_EQ(test::names_in(run), (std::vector<std::string>{"best", "checkpoint-4", "checkpoint-8", "checkpoint-9",
                                                           "config.yaml", "last", "metrics.jsonl", "ranks"}));
}

TEST(Trainer, DecodesNothingForAFigureOfTheForwardPasses) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(3);
  config.best.metric = "error";
  TrainerParts parts = toy_parts(folder.path());
  bool decodes = false;
  parts.task_figures = [&](auto&&) {
    decodes = true;
    return std::map<std::string, double>();
  };
  Trainer trainer(config, parts);
  trainer.run();
  EXPECT_FALSE(decodes);
  EXPECT_EQ(trainer.state().best->metric, "error");
}

TEST(Trainer, NamesTheFiguresWhenTheBestMetricIsUnknown) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(3);
  config.best.metric = "wer";
  Trainer trainer(config, toy_parts(folder.path()));
  EXPECT_EQ(
      test::message_of([&] { trainer.run(); }),
      "trainer.best.metric is 'wer', which this run's evaluation does not give: it gives loss, error, samples_seen "
      "and size. Step 3 is saved; start again with one of these.");
  EXPECT_TRUE(checkpoint_problems(folder.path() / "checkpoint-3").empty());
}

TEST(Trainer, TheBestByAMetricNeedsAValidationSet) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(3);
  config.best.metric = "error";
  TrainerParts parts = toy_parts(folder.path());
  parts.valid.reset();
  EXPECT_EQ(test::message_of([&] { Trainer(config, parts); }),
            "trainer.best.metric is 'error', but data.valid names nothing to measure it on.");
}

TEST(Trainer, EvaluatesWithTrueCounts) {
  const test::TemporaryFolder folder;
  Trainer trainer(toy_config(3), toy_parts(folder.path()));
  double error = 0, samples = 0;
  test::ToyRecipe alone;
  alone.train(false);
  for (int64_t i = 0; i < 3; ++i) {
    error += alone.forward(test::toy_batch({0, i})).terms[0].sum.item<double>();
    samples += static_cast<double>(test::toy_batch({0, i}).size());
  }
  EXPECT_NEAR(trainer.evaluate()->values.at("error"), error / samples, 1e-6);
}

TEST(Trainer, RefusesEmptyData) {
  const test::TemporaryFolder folder;
  TrainerParts parts = toy_parts(folder.path());
  parts.train.micro_batches = [](const data::Cursor&) { return 0; };
  EXPECT_EQ(test::message_of([&] { Trainer(toy_config(3), parts); }), "data.train gives no micro-batch: it is empty.");
  parts = toy_parts(folder.path());
  parts.valid->micro_batches = [](const data::Cursor&) { return 0; };
  EXPECT_EQ(test::message_of([&] { Trainer(toy_config(3), parts); }), "data.valid gives no micro-batch: it is empty.");
}

TEST(Autocast, ComputesProductsInBf16InsideItsScopeOnly) {
  const torch::Tensor a = torch::ones({2, 2});
  {
    AutocastScope scope(torch::kCPU, Precision::kBf16);
    EXPECT_EQ(a.matmul(a).scalar_type(), torch::kBFloat16);
  }
  EXPECT_EQ(a.matmul(a).scalar_type(), torch::kFloat32);
  AutocastScope scope(torch::kCPU, Precision::kFp32);
  EXPECT_EQ(a.matmul(a).scalar_type(), torch::kFloat32);
}

TEST(Trainer, WarnsWhereBf16IsSlow) {
  const test::TemporaryFolder folder;
  const auto logged = [&](Precision precision, bool has_products) {
    TrainerConfig config = toy_config(3);
    config.precision = precision;
    const bool had = std::exchange(has_bfloat16_products(), has_products);
    testing::internal::CaptureStderr();
    Trainer(config, toy_parts(folder.path()));
    has_bfloat16_products() = had;
    return testing::internal::GetCapturedStderr();
  };
  const std::string warning =
      "warning: trainer.precision is bf16, but this processor has no instructions for bfloat16 (AVX512-BF16): its "
      "matrix products take several times as long as in fp32. Set trainer.precision=fp32, and dtype: float32 of "
      "models that have another.\n";
  EXPECT_TRUE(logged(Precision::kBf16, false).ends_with(warning));
  EXPECT_EQ(logged(Precision::kBf16, true).find("bfloat16"), std::string::npos);
  EXPECT_EQ(logged(Precision::kFp32, false).find("bfloat16"), std::string::npos);
}

TEST(Trainer, TrainsInBf16) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(30);
  config.precision = Precision::kBf16;
  Trainer trainer(config, toy_parts(folder.path()));
  const double before = trainer.evaluate()->loss;
  trainer.run();
  EXPECT_LT(trainer.evaluate()->loss, 0.7 * before);
}

}  // namespace
}  // namespace usam
