// R rows that go on, D width, V vocabulary.
#include "src/decode/generate.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/decode/beam.h"
#include "src/decode/choice.h"
#include "src/decode/prompt.h"
#include "src/decode/stop.h"
#include "src/tensor/rng.h"

namespace usam::decode {
namespace {

// One hypothesis under way.
struct Chain {
  Hypothesis* hypothesis = nullptr;
  DrawKey key;
};

// The next token of every chain and its log-probability: (2, R) double, on the CPU.
torch::Tensor choose(const torch::Tensor& logits_RV, const std::vector<Chain>& chains, const Options& options) {
  std::vector<const Ids*> held;
  for (const auto& chain : chains) held.push_back(&chain.hypothesis->ids);
  const auto scores_RV = adjusted(logits_RV, held, options);
  torch::Tensor ids_R;
  if (options.draws()) {
    std::vector<double> uniforms;
    for (const auto& chain : chains) uniforms.push_back(uniform(chain.key, chain.hypothesis->ids.size()));
    ids_R = draw(probabilities(scores_RV, options), torch::tensor(uniforms, torch::kDouble));
  } else {
    ids_R = scores_RV.argmax(-1);
  }
  const auto log_p_R = logits_RV.gather(-1, ids_R.unsqueeze(1)).squeeze(1) - logits_RV.logsumexp(-1);
  return torch::stack({ids_R.to(torch::kDouble), log_p_R.to(torch::kDouble)}).cpu();
}

// Adds a token to a hypothesis; false: it is complete.
bool add_token(Hypothesis& hypothesis, int64_t id, double log_p, const Options& options) {
  hypothesis.log_prob += log_p;
  ++hypothesis.tokens;
  hypothesis.is_ended = std::ranges::count(options.eos, id) > 0;
  if (hypothesis.is_ended) return false;
  hypothesis.ids.push_back(id);
  hypothesis.is_ended = holds_stop(hypothesis.ids, options);
  return !hypothesis.is_ended && std::ssize(hypothesis.ids) < options.max_new_tokens;
}

void continue_chains(LanguageModel& model, ReadPrompts prompts, std::vector<Chain> chains, const Options& options) {
  while (true) {
    const auto chosen = choose(model.logits(prompts.last_BD).to(torch::kFloat), chains, options);
    const auto ids_and_log_p = chosen.accessor<double, 2>();
    std::vector<Chain> going;
    std::vector<int64_t> places, ids;
    for (int64_t i = 0; i < std::ssize(chains); ++i) {
      const auto& chain = chains[static_cast<size_t>(i)];
      const auto id = static_cast<int64_t>(ids_and_log_p[0][i]);
      if (!add_token(*chain.hypothesis, id, ids_and_log_p[1][i], options)) continue;
      going.push_back(chain);
      places.push_back(i);
      ids.push_back(id);
    }
    if (going.empty()) return;
    chains = std::move(going);
    select_rows(prompts, places);
    read_tokens(model, prompts, ids);
  }
}

void check(const Options& options, size_t prompts, size_t keys) {
  if (options.draws() && keys != prompts) internal_error("{} prompts are sampled, but {} have a key", prompts, keys);
  if (!options.stop.empty() && !options.tokenizer) internal_error("stop texts need a tokenizer");
  if (options.constraint && options.eos.empty()) internal_error("a constrained answer needs an end token");
  if (options.constraint && options.min_new_tokens > 0)
    user_error(
        "An answer that is one of some labels or a number ends where it is complete: it goes without "
        "min_new_tokens.");
}

std::vector<std::vector<Hypothesis>> search(LanguageModel& model, ReadPrompts prompts, const Options& options,
                                            const std::vector<std::string>& keys) {
  if (options.beams > 1) return beam_search(model, std::move(prompts), options);
  const auto count = static_cast<size_t>(prompts.lengths_B.size(0));
  std::vector<std::vector<Hypothesis>> all(count, std::vector<Hypothesis>(static_cast<size_t>(options.n_best)));
  std::vector<Chain> chains;
  std::vector<int64_t> places;
  for (size_t b = 0; b < count; ++b) {
    const auto key = draw_key(options.seed, "decode").with(options.draws() ? keys[b] : "");
    for (size_t n = 0; n < all[b].size(); ++n) {
      chains.push_back({&all[b][n], key.with(n)});
      places.push_back(static_cast<int64_t>(b));
    }
  }
  select_rows(prompts, places);
  continue_chains(model, std::move(prompts), std::move(chains), options);
  return all;
}

}  // namespace

std::vector<std::vector<Hypothesis>> generate(LanguageModel& model, const torch::Tensor& prompts_BTD,
                                              const torch::Tensor& lengths_B, const Options& options,
                                              const std::vector<std::string>& keys) {
  torch::NoGradGuard no_grad;
  const auto count = static_cast<size_t>(prompts_BTD.size(0));
  check(options, count, keys.size());
  if (count == 0 || options.max_new_tokens < 1)
    return {count, std::vector<Hypothesis>(static_cast<size_t>(options.n_best))};
  auto all = search(model, read_prompts(model, prompts_BTD, lengths_B), options, keys);
  for (auto& hypotheses : all)
    for (auto& hypothesis : hypotheses) hypothesis.text = text_of(hypothesis.ids, options);
  return all;
}

}  // namespace usam::decode
