#include "losses/saclm_config.h"

namespace usam::losses {

void describe(Fields& f, SaclmConfig& c) {
  f("weight", c.weight, "weight of the contrastive loss").at_least(0);
  f("beta", c.beta, "share of text and self similarity in a frame's significance; the rest is the learned score")
      .at_least(0)
      .at_most(1);
  f.choice("text_score", c.text_score, {{"attention", TextScore::kAttention}, {"pooled", TextScore::kPooled}},
           "a frame's similarity to its nearest text token, or to the mean token");
  f("score_hidden", c.score_hidden, "hidden width of the learned score").at_least(1);
  f.choice("decision", c.decision, {{"topk", Decision::kTopK}, {"threshold", Decision::kThreshold}},
           "keep a fixed share of the frames (rho), or those above `threshold`");
  f("rho", c.rho, "share of frames that is kept; also the target of the ratio regularizer").more_than(0).at_most(1);
  f("threshold", c.threshold, "significance above which a frame is kept (decision: threshold)").at_least(0).at_most(1);
  f("slots", c.slots, "tokens that the kept frames are gathered into").at_least(1);
  f("slot_hidden", c.slot_hidden, "hidden width of the gathering network").at_least(1);
  f("margin", c.margin, "margin of the hinge, in cosine").at_least(0);
  f.choice("negatives", c.negatives, {{"micro_batch", Negatives::kMicroBatch}, {"ranks", Negatives::kRanks}},
           "a sample's negatives: of its micro-batch, or of all ranks' micro-batches at the same inner step");
  f.choice("regularizer", c.regularizer, {{"ratio", Regularizer::kRatio}, {"l1", Regularizer::kL1}},
           "(mean score - rho) squared, or 0.01 of the mean score");
  f("distill", c.distill, "weight of the learned score's distillation from the text score").at_least(0);
  f.choice("conditioning", c.conditioning, {{"pair", Conditioning::kPair}, {"none", Conditioning::kNone}},
           "what frames are chosen by when similarities are evaluated: the text at hand, or the learned score alone");
  f.rule([&c] { return saclm_problem(c); });
}

std::string saclm_problem(const SaclmConfig& c) {
  if (c.decision == Decision::kThreshold && c.regularizer == Regularizer::kL1) {
    return "decision: threshold with regularizer: l1 ends at one kept frame; use regularizer: ratio, or decision: "
           "topk.";
  }
  return "";
}

}  // namespace usam::losses
