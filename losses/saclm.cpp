// The numbered comments are the steps of docs/model.md. Every mean, extremum and softmax runs over the valid
// positions of its own sample (losses/masked.h).
// B samples, N of the pool, A audios, J texts, T audio frames, W text tokens, D width, S slots, R = S + 1 rectified
// tokens.
#include "losses/saclm.h"

#include "losses/full_precision.h"
#include "losses/masked.h"
#include "src/base/error.h"
#include "src/dist/gather.h"
#include "src/nn/frame_select.h"

namespace usam::losses {
namespace {

namespace F = torch::nn::functional;

// x / |x| along the last axis.
torch::Tensor unit(const torch::Tensor& x) {
  return F::normalize(x, F::NormalizeFuncOptions().dim(-1).eps(1e-8));
}

// n(x) = (x - min) / max(max - min, 1e-3) over each row's valid positions.
torch::Tensor unit_range(const torch::Tensor& x_BT, const torch::Tensor& valid_BT) {
  const auto low_B1 = masked_min(x_BT, valid_BT, 1).unsqueeze(1);
  const auto high_B1 = masked_max(x_BT, valid_BT, 1).unsqueeze(1);
  return ((x_BT - low_B1) / (high_B1 - low_B1).clamp_min(1e-3)).masked_fill(~valid_BT, 0);
}

// fp32, zeros at padding whatever stood there, and at least one position.
std::pair<torch::Tensor, torch::Tensor> clean(const torch::Tensor& x, const torch::Tensor& valid) {
  if (x.size(1) == 0)
    return {torch::zeros({x.size(0), 1, x.size(2)}, x.options().dtype(torch::kFloat)),
            torch::zeros({x.size(0), 1}, valid.options())};
  return {x.to(torch::kFloat).masked_fill(~valid.unsqueeze(2), 0), valid};
}

MaskedFrames clean(const Frames& audio) {
  auto [x_BTD, valid_BT] = clean(audio.x_BTD, audio.valid_BT());
  return {x_BTD, valid_BT};
}

TextTokens clean(const TextTokens& text) {
  auto [x_BWD, valid_BW] = clean(text.x_BWD.detach(), text.valid_BW);
  return {x_BWD, valid_BW};
}

// 4. Alignment: S_ij = (mean_r max_k cos(r, w_jk) + mean_k max_r cos(r, w_jk)) / 2, r of audio i, k of text j -> (A,
// J).
torch::Tensor alignment(const torch::Tensor& rectified_ARD, const torch::Tensor& present_AR, const TextTokens& text) {
  const auto A = rectified_ARD.size(0), R = rectified_ARD.size(1), J = text.x_BWD.size(0), W = text.x_BWD.size(1);
  const auto cosine_ARJW =
      unit(rectified_ARD).flatten(0, 1).matmul(unit(text.x_BWD).flatten(0, 1).t()).view({A, R, J, W});
  const auto words_1JW = text.valid_BW.unsqueeze(0);
  const auto per_token_ARJ = masked_max(cosine_ARJW, words_1JW.unsqueeze(1), 3);
  const auto per_word_AJW = masked_max(cosine_ARJW, present_AR.view({A, R, 1, 1}), 1);
  const auto similarity_AJ =
      (masked_mean(per_token_ARJ, present_AR.unsqueeze(2), 1) + masked_mean(per_word_AJW, words_1JW, 2)) / 2;
  const auto both_AJ = present_AR.any(1).unsqueeze(1).logical_and(text.valid_BW.any(1).unsqueeze(0));
  return similarity_AJ.masked_fill(~both_AJ, 0);
}

// True negatives of each sample: both take part, j != i, and the texts differ.
torch::Tensor true_negatives(const torch::Tensor& part_B, const torch::Tensor& same_text_BB) {
  const auto self_BB = torch::eye(same_text_BB.size(0), same_text_BB.options());
  return part_B.unsqueeze(1).logical_and(part_B.unsqueeze(0)).logical_and(~same_text_BB.logical_or(self_BB));
}

// 5. Hinge of each sample i: (max_j [margin + S_ij - S_ii]+ + max_j [margin + S_ji - S_ii]+) / 2 over true negatives j.
torch::Tensor hinge(const torch::Tensor& similarity_NN, const torch::Tensor& negative_NN, double margin) {
  if (similarity_NN.numel() == 0) return similarity_NN.diagonal();  // a micro-batch that lost all its samples
  const auto positive_N1 = similarity_NN.diagonal().unsqueeze(1);
  const auto row_N = (margin + similarity_NN - positive_N1).relu().masked_fill(~negative_NN, 0).amax(1);
  const auto column_N = (margin + similarity_NN.t() - positive_N1).relu().masked_fill(~negative_NN, 0).amax(1);
  return (row_N + column_N) / 2;
}

// The similarities of the whole pool, and who takes part in it: this rank's own rows with their gradient, those of the
// others as constants.
std::pair<torch::Tensor, torch::Tensor> whole(const torch::Tensor& similarity_BN, const torch::Tensor& part_B,
                                              dist::Communicator& ranks) {
  if (ranks.world() == 1) return {similarity_BN, part_B};
  const auto N = similarity_BN.size(1);
  const auto told = torch::cat({similarity_BN.detach(), part_B.unsqueeze(1).to(similarity_BN.scalar_type())}, 1);
  auto all = dist::gather_unequal(told, ranks);
  const auto part_N = torch::cat(all).select(1, N) > 0.5;
  for (auto& theirs : all) theirs = theirs.narrow(1, 0, N);
  all[static_cast<size_t>(ranks.rank())] = similarity_BN;
  return {torch::cat(all), part_N};
}

// The sum of this rank's own samples, whose gradient is that of the whole pool's sum: own rows also appear as other
// samples' columns.
torch::Tensor own_sum(const torch::Tensor& each_N, int64_t first, int64_t size) {
  if (size == each_N.size(0)) return each_N.sum();
  const auto pool = each_N.sum();
  return each_N.narrow(0, first, size).sum().detach() + (pool - pool.detach());
}

// What is counted of a matrix over a pool: samples first ... first + size - 1.
struct Own {
  int64_t first = 0, size = 0;
  torch::Tensor operator()(const torch::Tensor& x_N) const { return x_N.narrow(0, first, size); }
};

// R@1 both ways of a matrix whose diagonal belongs together; samples that take no part neither count nor are negatives.
std::vector<Metric> recall(const torch::Tensor& similarity_NN, const torch::Tensor& negative_NN, const Own& own,
                           const std::string& end) {
  const auto counted_N = negative_NN.any(1);
  const auto hits = [&](const torch::Tensor& s_NN) {
    if (s_NN.numel() == 0) return Amount(0);
    const auto best_N = masked_max(s_NN, negative_NN, 1);
    return Amount(own((s_NN.diagonal() > best_N).logical_and(counted_N)).sum());
  };
  const Amount count = own(counted_N).sum();
  return {{"saclm_r1_text" + end, hits(similarity_NN), count},
          {"saclm_r1_audio" + end, hits(similarity_NN.t()), count}};
}

}  // namespace

SaclmImpl::SaclmImpl(SaclmConfig config, int64_t width) : config_(config) {
  const auto problem = saclm_problem(config_);
  if (!problem.empty()) throw UserError("loss.saclm: " + problem);
  score_ = register_module("score", torch::nn::Sequential(nn::Linear(width, config_.score_hidden), torch::nn::ReLU(),
                                                          nn::Linear(config_.score_hidden, 1)));
  aggregate_ =
      register_module("aggregate", torch::nn::Sequential(torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})),
                                                         nn::Linear(width, config_.slot_hidden), torch::nn::GELU(),
                                                         nn::Linear(config_.slot_hidden, config_.slots)));
  scale_ = register_parameter("scale", torch::ones({}));
}

// 1. Significance: p_t = sigmoid(score(stop(a_t))); here its logit.
torch::Tensor SaclmImpl::importance_logits(const MaskedFrames& audio) {
  return score_->forward(audio.x_BTD.detach()).squeeze(2);
}

// 1. text_t = max_k cos(a_t, w_k) or cos(a_t, mean_k w_k), self_t = cos(a_t, mean a); both in unit range, no gradient.
SaclmImpl::Guide SaclmImpl::guide(const MaskedFrames& audio, const TextTokens& text) const {
  const torch::NoGradGuard no_grad;
  const auto frames_BTD = unit(audio.x_BTD);
  const auto cosine_to = [&](const torch::Tensor& mean_BD) {
    return frames_BTD.matmul(unit(mean_BD).unsqueeze(2)).squeeze(2);
  };
  const auto text_BT =
      config_.text_score == TextScore::kAttention
          ? masked_max(frames_BTD.matmul(unit(text.x_BWD).transpose(1, 2)), text.valid_BW.unsqueeze(1), 2)
          : cosine_to(masked_mean(text.x_BWD, text.valid_BW.unsqueeze(2), 1));
  const auto self_BT = cosine_to(masked_mean(audio.x_BTD, audio.valid_BT.unsqueeze(2), 1));
  return {unit_range(text_BT, audio.valid_BT), unit_range(self_BT, audio.valid_BT)};
}

// 1. s_t = (1 - beta) p_t + beta / 2 (n(text_t) + n(self_t)).
torch::Tensor SaclmImpl::significance(const torch::Tensor& logits_BT, const Guide& guide,
                                      const torch::Tensor& valid_BT) const {
  const auto scores_BT = (1 - config_.beta) * logits_BT.sigmoid() + config_.beta / 2 * (guide.text_BT + guide.self_BT);
  return scores_BT.masked_fill(~valid_BT, 0);
}

// 2. Decision: m_t = 1 for the ceil(rho T) largest s_t (ties to the earlier frame), or for s_t > threshold, at least
// one.
torch::Tensor SaclmImpl::decide(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT) const {
  if (config_.decision == Decision::kTopK) return nn::mask_from_scores(scores_BT, valid_BT, config_.rho);
  const auto above_BT = (scores_BT > config_.threshold).logical_and(valid_BT);
  const auto largest_BT = nn::mask_from_scores(scores_BT, valid_BT, 0);  // one frame
  return above_BT.logical_or(largest_BT.logical_and(~above_BT.any(1, /*keepdim=*/true)));
}

SaclmImpl::Rectified SaclmImpl::rectify(const MaskedFrames& audio, const FrameSelection& selection) {
  const auto& [scores_BT, kept_BT] = selection;
  // 2. Straight-through: m~ = m + s - stop(s).
  const auto soft_BT = kept_BT.to(scores_BT.scalar_type()) + scores_BT - scores_BT.detach();
  // 3. Rectification: slot r_k = sum over kept t of softmax_t(scale * G(a)_tk) m~_t a_t, the softmax over kept frames.
  const auto weights_BTS = masked_softmax(scale_ * aggregate_->forward(audio.x_BTD), kept_BT.unsqueeze(2), 1);
  const auto slots_BSD = weights_BTS.transpose(1, 2).matmul(soft_BT.unsqueeze(2) * audio.x_BTD);
  // 3. The redundant frames are fused into one token, softmax_t(s_t) weighted; absent when none is redundant.
  const auto redundant_BT = audio.valid_BT.logical_and(~kept_BT);
  const auto fused_B1D = masked_softmax(scores_BT, redundant_BT, 1).unsqueeze(1).matmul(audio.x_BTD);
  const auto slots_present_BS = kept_BT.any(1, /*keepdim=*/true).expand({-1, config_.slots});
  return {torch::cat({slots_BSD, fused_B1D}, 1),
          torch::cat({slots_present_BS, redundant_BT.any(1, /*keepdim=*/true)}, 1)};
}

// 6. Regularizer of each sample: (mean_t s_t - rho)^2, or 0.01 mean_t s_t -> (B).
torch::Tensor SaclmImpl::regularizer(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT) const {
  const auto mean_B = masked_mean(scores_BT, valid_BT, 1);
  return config_.regularizer == Regularizer::kRatio ? (mean_B - config_.rho).square() : 0.01 * mean_B;
}

SaclmOutput SaclmImpl::forward(const Frames& audio_in, const Pool& pool) {
  const FullPrecision guard;
  const auto audio = clean(audio_in);
  const auto texts = clean(pool.text);
  const auto B = audio.x_BTD.size(0);
  const TextTokens text{texts.x_BWD.narrow(0, pool.first, B), texts.valid_BW.narrow(0, pool.first, B)};
  const auto part_B = audio.valid_BT.any(1).logical_and(text.valid_BW.any(1));

  SaclmOutput out;
  const auto logits_BT = importance_logits(audio);
  const auto guides = guide(audio, text);
  out.selection.scores_BT = significance(logits_BT, guides, audio.valid_BT);
  out.selection.kept_BT = decide(out.selection.scores_BT, audio.valid_BT);
  const auto rectified = rectify(audio, out.selection);
  out.rectified_BRD = rectified.x_BRD;
  out.present_BR = rectified.present_BR;
  const auto similarity_BN = alignment(out.rectified_BRD, out.present_BR, texts);
  torch::Tensor part_N;
  std::tie(out.similarity_NN, part_N) = whole(similarity_BN, part_B, *pool.ranks);
  const auto negative_NN = true_negatives(part_N, pool.same_text_NN);

  // 7. Distillation of each sample: mean_t BCE(p_t, stop n(text_t)).
  const auto entropy_BT = F::binary_cross_entropy_with_logits(
      logits_BT, guides.text_BT, F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kNone));
  const auto distill_B = masked_mean(entropy_BT, audio.valid_BT, 1);

  const auto over_samples = [&](const torch::Tensor& x_B) { return x_B.masked_fill(~part_B, 0).sum(); };
  out.terms = {
      {"saclm_hinge", own_sum(hinge(out.similarity_NN, negative_NN, config_.margin), pool.first, B), "hinge",
       config_.weight},
      {"saclm_ratio", over_samples(regularizer(out.selection.scores_BT, audio.valid_BT)), "samples", config_.weight},
      {"saclm_distill", over_samples(distill_B), "samples", config_.weight * config_.distill}};
  out.metrics = metrics(out, logits_BT.detach(), audio.valid_BT, negative_NN.narrow(0, pool.first, B), pool.first);
  return out;
}

// 8. Metrics: kept ratio, share of violated margins, p_t's agreement with the decision.
std::vector<Metric> SaclmImpl::metrics(const SaclmOutput& out, const torch::Tensor& logits_BT,
                                       const torch::Tensor& valid_BT, const torch::Tensor& negative_BN,
                                       int64_t first) const {
  const torch::NoGradGuard no_grad;
  const auto& kept_BT = out.selection.kept_BT;
  const Own own{first, negative_BN.size(0)};
  const auto least_B1 = own(out.similarity_NN.diagonal()).unsqueeze(1) - config_.margin;  // what a negative may reach
  const auto violated = (own(out.similarity_NN) > least_B1).logical_and(negative_BN).sum() +
                        (own(out.similarity_NN.t()) > least_B1).logical_and(negative_BN).sum();
  const auto agree_BT = (decide(logits_BT.sigmoid(), valid_BT) == kept_BT).logical_and(valid_BT);
  const auto frames = valid_BT.sum();
  return {{"saclm_kept", kept_BT.sum(), frames},
          {"saclm_violated", violated, 2 * negative_BN.sum()},
          {"saclm_agreement", agree_BT.sum(), frames}};
}

torch::Tensor SaclmImpl::importance(const Frames& audio) {
  const FullPrecision guard;
  const torch::NoGradGuard no_grad;
  const auto cleaned = clean(audio);
  return importance_logits(cleaned).sigmoid().masked_fill(~cleaned.valid_BT, 0);
}

FrameSelection SaclmImpl::select(const Frames& audio, const TextTokens* text) {
  const FullPrecision guard;
  const torch::NoGradGuard no_grad;
  if (!text) return select(clean(audio), nullptr);
  const auto words = clean(*text);
  return select(clean(audio), &words);
}

FrameSelection SaclmImpl::select(const MaskedFrames& audio, const TextTokens* text) {
  const auto logits_BT = importance_logits(audio);
  const auto scores_BT = text ? significance(logits_BT, guide(audio, *text), audio.valid_BT)
                              : logits_BT.sigmoid().masked_fill(~audio.valid_BT, 0);
  return {scores_BT, decide(scores_BT, audio.valid_BT)};
}

// 8. Evaluation never rectifies an audio with its own text and compares it with another one's.
torch::Tensor SaclmImpl::similarities(const Frames& audio_in, const TextTokens& text_in, Conditioning conditioning) {
  const FullPrecision guard;
  const torch::NoGradGuard no_grad;
  const auto audio = clean(audio_in);
  const auto text = clean(text_in);
  if (conditioning == Conditioning::kNone) {
    const auto rectified = rectify(audio, select(audio, nullptr));
    return alignment(rectified.x_BRD, rectified.present_BR, text);
  }
  const auto A = audio.x_BTD.size(0), J = text.x_BWD.size(0);
  std::vector<torch::Tensor> columns_A1;
  for (int64_t j = 0; j < J; ++j) {
    const TextTokens one{text.x_BWD.narrow(0, j, 1), text.valid_BW.narrow(0, j, 1)};
    const TextTokens repeated{one.x_BWD.expand({A, -1, -1}), one.valid_BW.expand({A, -1})};
    const auto rectified = rectify(audio, select(audio, &repeated));
    columns_A1.push_back(alignment(rectified.x_BRD, rectified.present_BR, one));
  }
  return J == 0 ? torch::zeros({A, 0}, audio.x_BTD.options()) : torch::cat(columns_A1, 1);
}

std::vector<Metric> SaclmImpl::evaluate(const Frames& audio, const Pool& pool) {
  const auto size = audio.x_BTD.size(0);
  const auto rows_BN = similarities(audio, pool.text);
  const auto all_NN = pool.ranks->world() == 1 ? rows_BN : torch::cat(dist::gather_unequal(rows_BN, *pool.ranks));
  const auto part_N = pool.text.valid_BW.any(1);
  const auto among = part_N.nonzero().squeeze(1);
  const auto of_those = [&](const torch::Tensor& x_NN) { return x_NN.index_select(0, among).index_select(1, among); };
  return retrieval(of_those(all_NN), of_those(pool.same_text_NN), part_N.narrow(0, 0, pool.first).sum().item<int64_t>(),
                   part_N.narrow(0, pool.first, size).sum().item<int64_t>());
}

Counts saclm_counts(const torch::Tensor& text_lengths_N, const torch::Tensor& same_text_NN, int64_t first,
                    int64_t size) {
  const auto part_N = text_lengths_N > 0;
  const auto own_of = [own = Own{first, size}](const torch::Tensor& x_N) { return own(x_N).sum().item<double>(); };
  return {{"samples", own_of(part_N)}, {"hinge", own_of(true_negatives(part_N, same_text_NN).any(1))}};
}

torch::Tensor equal_texts(const torch::Tensor& ids_BW, const torch::Tensor& valid_BW) {
  const auto ids = ids_BW.masked_fill(~valid_BW, -1);
  return (ids.unsqueeze(1) == ids.unsqueeze(0)).all(2);
}

std::vector<Metric> retrieval(const torch::Tensor& similarity_NN, const torch::Tensor& same_text_NN, int64_t first,
                              int64_t size) {
  const torch::NoGradGuard no_grad;
  const Own own{first, size};
  const auto everyone_N = torch::ones({similarity_NN.size(0)}, same_text_NN.options());
  const auto negative_NN = true_negatives(everyone_N, same_text_NN);
  auto figures = recall(similarity_NN, negative_NN, own, "");
  figures.push_back({"saclm_positive", own(similarity_NN.diagonal()).sum(), static_cast<double>(size)});
  figures.push_back({"saclm_negative", own(similarity_NN.masked_fill(~negative_NN, 0)).sum(), own(negative_NN).sum()});
  // The control.
  const auto is_other_N = ~same_text_NN.roll(1, 1).diagonal();
  const auto shuffled =
      recall(similarity_NN.roll(1, 1), true_negatives(is_other_N, same_text_NN.roll({1, 1}, {0, 1})), own, "_shuffled");
  figures.insert(figures.end(), shuffled.begin(), shuffled.end());
  return figures;
}

}  // namespace usam::losses
