// Whole training steps against the Python peer: the tensors inside the first micro-batch, gradients of the first step,
// losses of four steps and the parameters after them. B rows, T frames, W text tokens, D width.
#include <cmath>

#include "losses/cross_entropy.h"
#include "recipes/usam/sequence.h"
#include "tests/parity/note.h"
#include "tests/parity/usam/peer_run.h"

namespace usam::test {
namespace {

// Largest difference, relative to the largest value of the reference; noted under `what`.
double error_of_scale(const std::string& what, const torch::Tensor& ours, const torch::Tensor& theirs) {
  return noted_error("whole system", what, ours.detach().flatten(), theirs.flatten()).relative;
}

double relative(double ours, double theirs) {
  return std::abs(ours - theirs) / std::abs(theirs);
}

class UsamParity : public testing::TestWithParam<PeerSetting> {
 protected:
  void SetUp() override { USAM_NEEDS_ORACLES(); }
  std::string run_folder(const std::string& name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
};

void expect_same_ids(const PeerRun& run, const data::Batch& batch) {
  for (const auto& [ours, theirs] : {std::pair("left", "left"), {"right", "right"}, {"target", "text"}}) {
    const auto& field = batch.field(ours);
    for (int64_t b = 0; b < batch.size(); ++b) {
      const auto golden = run.golden(fmt::format("batch/{}.{}", theirs, b));
      EXPECT_TRUE(field.data[b].narrow(0, 0, field.lengths_B[b].item<int64_t>()).equal(golden)) << ours << " " << b;
    }
  }
}

TEST_P(UsamParity, FirstMicroBatchTensorByTensor) {
  const torch::NoGradGuard no_grad;
  PeerRun run(GetParam(), run_folder("run"));
  auto& model = run.model();
  const auto batch = run.micro_batch(0);
  ASSERT_EQ(batch.keys, (std::vector<std::string>{"clip0000", "clip0001", "clip0002"}));
  expect_same_ids(run, batch);

  const auto fused = model.fused(batch);
  EXPECT_TRUE(fused.valid_BT().equal(run.golden("fwd/valid").to(torch::kBool)));
  EXPECT_LT(error_of_scale("fused streams", fused.x_BTD, run.golden("fwd/concat")), 5e-5);
  const auto tokens = model.bridge->forward(fused);
  const auto valid_BT = run.golden("fwd/audio_mask").to(torch::kBool);
  ASSERT_TRUE(tokens.valid_BT().equal(valid_BT));
  const auto padding_BT1 = ~valid_BT.unsqueeze(2);
  EXPECT_LT(error_of_scale("Q-Former", tokens.x_BTD, run.golden("fwd/qformer").masked_fill(padding_BT1, 0)), 5e-5);
  const auto heard = model.projector->forward(tokens, model.prompt_vector(batch));
  EXPECT_LT(error_of_scale("router", heard.gates_BTE, run.golden("fwd/gate").masked_fill(padding_BT1, 0)), 5e-5);
  EXPECT_LT(error_of_scale("audio tokens", heard.audio.x_BTD, run.golden("fwd/audio").masked_fill(padding_BT1, 0)),
            5e-5);

  const auto sequence = recipes::lay_out({model.embed(batch.field("left")), recipes::to_part(heard.audio),
                                          model.embed(batch.field("right")), model.embed(batch.field("target"))});
  EXPECT_LT(error_of_scale("input of the language model", sequence.embeds_BTD, run.golden("fwd/llm_inputs")), 5e-5);
  const auto mask_BT = run.golden("fwd/llm_mask");
  EXPECT_TRUE(sequence.segments_BT.equal(mask_BT));
  const auto hidden = model.llm->forward(sequence.embeds_BTD, sequence.positions_BT, sequence.segments_BT);
  const auto logits = model.llm->logits(hidden), golden_logits = run.golden("fwd/logits");
  const auto tokens_N = mask_BT.flatten().nonzero().squeeze(1);
  EXPECT_LT(error_of_scale("logits", logits.flatten(0, 1).index_select(0, tokens_N),
                           golden_logits.flatten(0, 1).index_select(0, tokens_N)),
            1e-4);
}

// The golden's micro-batch is a share of its step: the same sums over the step's counts.
TEST_P(UsamParity, LossOfTheFirstMicroBatch) {
  const torch::NoGradGuard no_grad;
  PeerRun run(GetParam(), run_folder("run"));
  const auto batch = run.micro_batch(0);
  Counts counts = run.recipe->count(batch);
  for (const auto& [name, count] : run.recipe->count(run.micro_batch(1))) counts[name] += count;
  double contrast = 0;
  for (const auto& term : run.recipe->forward(batch).terms) {
    const double share = term.weight * term.sum.item<double>() / counts.at(term.count);
    if (term.name == "ce") EXPECT_LT(relative(share, run.golden("fwd/ce").item<double>()), 1e-5);
    if (term.name.starts_with("saclm")) contrast += share;
  }
  EXPECT_LT(relative(contrast, run.golden("fwd/contrast").item<double>()), 1e-5);
}

// With a learning rate of 0 in the first step and no clipping, the gradients of that step stay where they are.
TEST_P(UsamParity, GradientsOfTheFirstStep) {
  PeerRun run(GetParam(), run_folder("run"), {"trainer.max_steps=1", "trainer.max_grad_norm=0"});
  ASSERT_EQ(run.train(), Outcome::kFinished);
  const auto golden = run.golden_parameters("grad");
  double largest = 0;
  for (const auto& [name, gradient] : golden) largest = std::max(largest, gradient.abs().max().item<double>());
  double worst = 0;
  for (auto& [name, parameter] : run.parameters()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    if (is_null(name, GetParam())) {
      EXPECT_LT(parameter.grad().abs().max().item<double>(), 1e-6 * largest) << name;
      continue;
    }
    const double error = error_of_scale("gradients of the first step", parameter.grad(), golden.at(name));
    EXPECT_LT(error, 1e-4) << name;
    worst = std::max(worst, error);
  }
  RecordProperty("worst", std::to_string(worst));
}

TEST_P(UsamParity, FourSteps) {
  PeerRun run(GetParam(), run_folder("run"));
  ASSERT_EQ(run.train(), Outcome::kFinished);
  const auto history = run.history();
  const auto steps = run.metrics();
  ASSERT_EQ(steps.size(), history.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto& step = steps[i];
    const double contrast = step.at("saclm_hinge").get<double>() + step.at("saclm_ratio").get<double>() +
                            0.1 * step.at("saclm_distill").get<double>();
    EXPECT_EQ(step.at("step"), i + 1);
    EXPECT_LT(relative(step.at("loss"), history[i].at("loss")), 1e-5) << "step " << i + 1;
    EXPECT_LT(relative(step.at("ce"), history[i].at("ce")), 1e-5) << "step " << i + 1;
    EXPECT_LT(relative(contrast, history[i].at("saclm")), 1e-5) << "step " << i + 1;
    EXPECT_LT(relative(step.at("grad_norm"), history[i].at("grad_norm")), 1e-5) << "step " << i + 1;
    EXPECT_NEAR(step.at("lr"), history[i].at("lr").get<double>(), 1e-12) << "step " << i + 1;
  }
  const auto golden = run.golden_parameters("after");
  double worst = 0;
  for (auto& [name, parameter] : run.parameters()) {
    if (is_null(name, GetParam())) continue;
    const double error = error_of_scale("parameters after four steps", parameter.detach(), golden.at(name));
    EXPECT_LT(error, 1e-5) << name;
    worst = std::max(worst, error);
  }
  RecordProperty("worst", std::to_string(worst));
}

INSTANTIATE_TEST_SUITE_P(Goldens, UsamParity, testing::ValuesIn(kPeerSettings),
                         [](const auto& setting) { return setting.param.llm; });

}  // namespace
}  // namespace usam::test
