#pragma once
// A task with a known answer: a clip's frames are the raw features of the words of its text, mixed with distractors
// that no text mentions. B samples, T frames, W words, D width.
#include "losses/saclm.h"

namespace usam::test {

struct SyntheticBatch {
  torch::Tensor raw_BTD, lengths_B, text_BWD, words_BW, informative_BT, same_text_BB;
};

class SyntheticTask {
 public:
  static constexpr int64_t kConcepts = 24, kWidth = 32, kFrames = 20, kWords = 3;

  explicit SyntheticTask(uint64_t seed) {
    generator_.set_current_seed(seed);
    words_ = draw({kConcepts, kWidth});
    sounds_ = draw({kConcepts, kWidth});
    distractors_ = draw({kConcepts, kWidth});
  }

  SyntheticBatch batch(int64_t B) {
    const auto concepts_BW = std::get<1>(uniform({B, kConcepts}).sort(1)).narrow(1, 0, kWords);
    const auto lengths_B = torch::randint(kFrames / 2, kFrames + 1, {B}, generator_, torch::kLong);
    const auto informative_BT = uniform({B, kFrames}) < 0.5;
    const auto said_BT = concepts_BW.gather(1, torch::randint(0, kWords, {B, kFrames}, generator_, torch::kLong));
    const auto other_BT = torch::randint(0, kConcepts, {B, kFrames}, generator_, torch::kLong);
    const auto clean_BTD =
        torch::where(informative_BT.unsqueeze(2), rows(sounds_, said_BT), rows(distractors_, other_BT));
    return {clean_BTD + 0.5 * draw({B, kFrames, kWidth}),
            lengths_B,
            rows(words_, concepts_BW),
            torch::ones({B, kWords}, torch::kBool),
            informative_BT,
            losses::equal_texts(std::get<0>(concepts_BW.sort(1)), torch::ones({B, kWords}, torch::kBool))};
  }

 private:
  torch::Tensor draw(at::IntArrayRef shape) { return torch::randn(shape, generator_); }
  torch::Tensor uniform(at::IntArrayRef shape) { return torch::rand(shape, generator_); }
  static torch::Tensor rows(const torch::Tensor& table, const torch::Tensor& index) {
    return table.index_select(0, index.flatten()).view({index.size(0), index.size(1), kWidth});
  }

  torch::Generator generator_ = at::detail::createCPUGenerator();
  torch::Tensor words_, sounds_, distractors_;
};

// Area under the ROC curve of scores for a bool label, by ranks.
inline double area_under_curve(const torch::Tensor& scores_N, const torch::Tensor& label_N) {
  const auto positive = scores_N.masked_select(label_N), negative = scores_N.masked_select(~label_N);
  const auto difference = positive.unsqueeze(1) - negative.unsqueeze(0);
  return ((difference > 0).to(torch::kDouble) + 0.5 * (difference == 0).to(torch::kDouble)).mean().item<double>();
}

}  // namespace usam::test
