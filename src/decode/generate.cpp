#include "src/decode/generate.h"

#include "src/base/error.h"
#include "src/decode/session.h"

namespace usam::decode {

std::vector<std::vector<Hypothesis>> generate(LanguageModel& model, const torch::Tensor& prompts_BTD,
                                              const torch::Tensor& lengths_B, const Options& options,
                                              const std::vector<std::string>& keys) {
  const auto count = static_cast<size_t>(prompts_BTD.size(0));
  if (options.draws() && keys.size() != count)
    internal_error("{} prompts are sampled, but {} have a key", count, keys.size());
  std::vector<std::vector<Hypothesis>> all(count, std::vector<Hypothesis>(static_cast<size_t>(options.n_best)));
  if (options.max_new_tokens < 1) return all;
  const auto shared = std::make_shared<const Options>(options);
  std::vector<Request> requests;
  for (size_t b = 0; b < count; ++b)
    requests.push_back({static_cast<int64_t>(b), options.draws() ? keys[b] : "", shared});
  Session session(model);
  session.add(prompts_BTD, lengths_B, requests);
  while (!session.is_idle())
    for (auto& [id, hypotheses] : session.step()) all[static_cast<size_t>(id)] = std::move(hypotheses);
  return all;
}

}  // namespace usam::decode
