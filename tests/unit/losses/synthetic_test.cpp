#include "tests/unit/losses/synthetic.h"

#include <gtest/gtest.h>

namespace usam::losses {
namespace {

using usam::test::SyntheticBatch;
using usam::test::SyntheticTask;

// An audio projector and the loss, fitted together, as in training without the language model.
class Fit {
 public:
  explicit Fit(double distill) : task_(5) {
    torch::manual_seed(3);
    SaclmConfig config;
    config.score_hidden = 64;
    config.slot_hidden = 32;
    config.distill = distill;
    saclm_ = Saclm(config, SyntheticTask::kWidth);
    projector_ = nn::Linear(SyntheticTask::kWidth, SyntheticTask::kWidth);
  }

  void run(int64_t steps) {
    auto parameters = saclm_->parameters();
    for (auto& p : projector_->parameters()) parameters.push_back(p);
    torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(3e-3));
    for (int64_t step = 0; step < steps; ++step) {
      optimizer.zero_grad();
      loss(task_.batch(24)).backward();
      optimizer.step();
    }
  }

  torch::Tensor loss(const SyntheticBatch& batch) {
    const auto out = saclm_->forward(audio(batch), text(batch), batch.same_text_BB);
    const auto counts = saclm_counts(batch.words_BW.sum(1), batch.same_text_BB);
    auto sum = torch::zeros({});
    for (const auto& term : out.terms) sum = sum + term.weight * term.sum / counts.at(term.count);
    return sum;
  }

  Frames audio(const SyntheticBatch& batch) { return {projector_->forward(batch.raw_BTD), batch.lengths_B, 25}; }
  static TextTokens text(const SyntheticBatch& batch) { return {batch.text_BWD, batch.words_BW}; }
  SyntheticBatch unseen() { return task_.batch(64); }
  Saclm& saclm() { return saclm_; }

  // How well p_t, which sees no text, tells informative frames of unseen clips from distractors.
  double area() {
    const auto batch = unseen();
    const auto importance_BT = saclm_->importance(audio(batch));
    const auto valid_BT = length_mask(batch.lengths_B, importance_BT.size(1));
    return usam::test::area_under_curve(importance_BT.masked_select(valid_BT),
                                        batch.informative_BT.masked_select(valid_BT));
  }

 private:
  SyntheticTask task_;
  Saclm saclm_{nullptr};
  nn::Linear projector_{nullptr};
};

// The hinge saturates and the guide decides, so that without distillation p_t stays poor (step 7 of docs/model.md).
TEST(SaclmSynthetic, DistillationLetsTheLearnedScoreFindInformativeFrames) {
  Fit with(0.1), without(0);
  with.run(100);
  without.run(100);
  EXPECT_GT(with.area(), 0.95);
  EXPECT_LT(without.area(), 0.88);
  EXPECT_GT(with.area() - without.area(), 0.1);
}

TEST(SaclmSynthetic, PairsThatBelongTogetherAreToldFromShuffledOnes) {
  Fit fit(0.1);
  fit.run(100);
  const auto batch = fit.unseen();
  const auto order = torch::arange(batch.text_BWD.size(0)).roll(1);
  auto shuffled = batch;
  shuffled.text_BWD = batch.text_BWD.index_select(0, order);
  shuffled.same_text_BB = batch.same_text_BB.index_select(0, order).index_select(1, order);
  const torch::NoGradGuard no_grad;
  EXPECT_GT(fit.loss(shuffled).item<double>(), 1.5 * fit.loss(batch).item<double>());
  for (const auto conditioning : {Conditioning::kPair, Conditioning::kNone}) {
    const auto recall = [&](const SyntheticBatch& b) {
      const auto figures =
          retrieval(fit.saclm()->similarities(fit.audio(b), Fit::text(b), conditioning), b.same_text_BB);
      return figures[0].sum / figures[0].count;
    };
    EXPECT_GT(recall(batch), 0.6);
    EXPECT_LT(recall(shuffled), 0.1);
  }
}

}  // namespace
}  // namespace usam::losses
