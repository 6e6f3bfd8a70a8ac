#pragma once
// Semantic-aware contrastive loss (SACLM): docs/model.md, after U-SAM (arXiv 2505.13880) and LAPS (CVPR
// 2024). B samples, N of the pool that their negatives come from, T audio frames, W text tokens, D width, R = slots + 1
// rectified tokens.
#include "losses/loss.h"
#include "losses/saclm_config.h"
#include "src/dist/communicator.h"
#include "src/nn/linear.h"
#include "src/tensor/frames.h"

namespace usam::losses {

// Input embeddings of the target texts without the end token; they receive no gradient.
struct TextTokens {
  torch::Tensor x_BWD;
  torch::Tensor valid_BW;  // bool; the valid tokens of a row come first
};

// What samples are compared with. The pool of several ranks holds the texts of all ranks' micro-batches at one inner
// step, in rank order (text_pool.h).
struct Pool {
  TextTokens text;             // of N samples
  torch::Tensor same_text_NN;  // bool: pairs whose texts are equal (the diagonal is treated as true)
  int64_t first = 0;           // this rank's own samples stand from here on
  std::shared_ptr<dist::Communicator> ranks = dist::single_rank();
};

// Which frames a decision keeps and the scores that it was made from; 0 and false at padding.
struct FrameSelection {
  torch::Tensor scores_BT;  // s_t in [0, 1]
  torch::Tensor kept_BT;    // bool
};

// Frames as the loss computes with them: fp32, zeros at padding, at least one position of each row.
struct MaskedFrames {
  torch::Tensor x_BTD;
  torch::Tensor valid_BT;  // bool
};

struct SaclmOutput {
  std::vector<Term> terms;  // saclm_hinge (counted by "hinge"), saclm_ratio and saclm_distill ("samples"), as sums
  std::vector<Metric> metrics;
  FrameSelection selection;
  torch::Tensor rectified_BRD;  // slots, then the fused redundant token (zeros where absent)
  torch::Tensor present_BR;     // bool
  torch::Tensor similarity_NN;  // [audio, text] of the pool; 0 where one of the two takes no part
};

// The loss and its parameters (children score.0, score.2, aggregate.0, aggregate.1, aggregate.3 and `scale`). Computes
// in fp32 whatever autocast says. A sample whose text or audio is empty takes no part: it adds nothing, is nobody's
// negative and is not counted.
class SaclmImpl : public torch::nn::Module {
 public:
  // width: of audio and text tokens. UserError for options that this version refuses.
  SaclmImpl(SaclmConfig config, int64_t width);

  // Negatives are the other samples of the pool. Of several ranks each calls it with its own audios, also with none,
  // and gets the sums of its own samples; their gradients, summed over the ranks, are those of one rank with all
  // samples. Nothing is exchanged in the backward pass.
  SaclmOutput forward(const Frames& audio, const Pool& pool);
  // The same where the pool is the micro-batch.
  SaclmOutput forward(const Frames& audio, const TextTokens& text, const torch::Tensor& same_text_BB) {
    return forward(audio, Pool{text, same_text_BB});
  }

  // p_t, the learned importance of a frame, which needs no text: (B, T), 0 at padding, no gradient.
  torch::Tensor importance(const Frames& audio);
  // The decision for evaluation: with the samples' own texts, or from p_t alone when `text` is null. No gradient.
  FrameSelection select(const Frames& audio, const TextTokens* text);
  // Every audio against every text, for evaluation: (audios, texts), no gradient. kPair rectifies audio i for text j,
  // kNone by p_t alone; an audio is never rectified with its own text for another one (that ranks noise above chance).
  torch::Tensor similarities(const Frames& audio, const TextTokens& text, Conditioning conditioning);
  torch::Tensor similarities(const Frames& audio, const TextTokens& text) {
    return similarities(audio, text, config_.conditioning);
  }

  // retrieval() over the pool by the config's conditioning, of this rank's own samples; every rank calls it. No
  // gradient; what it costs grows with the square of the samples.
  std::vector<Metric> evaluate(const Frames& audio, const Pool& pool);

  const SaclmConfig& config() const { return config_; }

 private:
  struct Guide {
    torch::Tensor text_BT, self_BT;  // n(text_t) and n(self_t)
  };
  struct Rectified {
    torch::Tensor x_BRD, present_BR;
  };
  torch::Tensor importance_logits(const MaskedFrames& audio);
  Guide guide(const MaskedFrames& audio, const TextTokens& text) const;
  torch::Tensor significance(const torch::Tensor& logits_BT, const Guide& guide, const torch::Tensor& valid_BT) const;
  torch::Tensor decide(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT) const;
  FrameSelection select(const MaskedFrames& audio, const TextTokens* text);  // of clean() ones
  Rectified rectify(const MaskedFrames& audio, const FrameSelection& selection);
  torch::Tensor regularizer(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT) const;
  std::vector<Metric> metrics(const SaclmOutput& out, const torch::Tensor& logits_BT, const torch::Tensor& valid_BT,
                              const torch::Tensor& negative_BN, int64_t first) const;

  SaclmConfig config_;
  torch::nn::Sequential score_, aggregate_;
  torch::Tensor scale_;
};
TORCH_MODULE(Saclm);

// What the terms are counted by, from the texts alone, for samples that have audio: "samples" (text not empty) and
// "hinge" (of those, the ones with a true negative), of the pool's samples first ... first + size - 1. text_lengths (N)
// int64 without the end token.
Counts saclm_counts(const torch::Tensor& text_lengths_N, const torch::Tensor& same_text_NN, int64_t first,
                    int64_t size);
inline Counts saclm_counts(const torch::Tensor& text_lengths_B, const torch::Tensor& same_text_BB) {
  return saclm_counts(text_lengths_B, same_text_BB, 0, text_lengths_B.size(0));
}

// Which rows of padded ids are equal over their valid tokens: ids (B, W) int64, valid (B, W) bool -> (B, B) bool.
torch::Tensor equal_texts(const torch::Tensor& ids_BW, const torch::Tensor& valid_BW);

// Retrieval figures of a pool's similarities [audio, text], of its samples first ... first + size - 1: R@1 both ways (a
// hit beats every true negative; a tie is a miss), mean positive and mean negative similarity; and for control R@1 as
// if each audio belonged to the text of the sample before it, where that is another text. Sums and counts, so that
// batches and ranks add up.
std::vector<Metric> retrieval(const torch::Tensor& similarity_NN, const torch::Tensor& same_text_NN, int64_t first,
                              int64_t size);
inline std::vector<Metric> retrieval(const torch::Tensor& similarity_BB, const torch::Tensor& same_text_BB) {
  return retrieval(similarity_BB, same_text_BB, 0, similarity_BB.size(0));
}

}  // namespace usam::losses
