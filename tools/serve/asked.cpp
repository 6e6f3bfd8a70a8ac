#include "tools/serve/asked.h"

#include "src/base/text.h"
#include "tools/serve/api_error.h"

namespace usam::serve {
namespace {

constexpr std::string_view kSlot = "<audio>";

void check_range(const char* name, double value, double least, double most) {
  if (!(value >= least && value <= most))
    bad_request(name, "'{}' is {:g}; it may be {:g} to {:g}.", name, value, least, most);
}

}  // namespace

void check_model(const std::string& model, const Offer& offer) {
  if (model.empty() || model == offer.model) return;
  throw ApiError(404, fmt::format("There is no model '{}' here, only '{}'.", model, offer.model), "model",
                 "model_not_found");
}

void check_task(const std::string& task, const Offer& offer) {
  if (offer.tasks.contains(task)) return;
  bad_request("task", "There is no prompt for the task '{}'; use one of {}, or give a prompt.", task,
              join_words({offer.tasks.begin(), offer.tasks.end()}, "or"));
}

std::string with_audio(const std::string& prompt) {
  const auto first = prompt.find(kSlot);
  if (first == std::string::npos) return std::string(kSlot) + prompt;
  if (prompt.find(kSlot, first + 1) != std::string::npos)
    bad_request("prompt", "The prompt holds {} more than once.", kSlot);
  return prompt;
}

std::shared_ptr<const decode::Options> changed(const SearchChange& change, const Offer& offer) {
  const auto& base = *offer.options;
  decode::Options options = base;
  if (change.temperature) {
    check_range("temperature", *change.temperature, 0, 2);
    options.temperature = *change.temperature;
    if (options.temperature == 0) options.top_k = 0, options.top_p = 1;
    if (options.temperature > 0) options.beams = 1, options.length_penalty = 1;
  }
  if (change.top_p) {
    if (!(*change.top_p > 0 && *change.top_p <= 1))
      bad_request("top_p", "'top_p' is {:g}; it may be above 0 and up to 1.", *change.top_p);
    options.top_p = *change.top_p;
  }
  if (change.top_k) {
    check_range("top_k", static_cast<double>(*change.top_k), 0, 1e9);
    options.top_k = *change.top_k;
  }
  if (options.temperature == 0 && options.top_p < 1)
    bad_request("top_p", "'top_p' limits what is drawn: it needs a 'temperature' above 0.");
  if (options.temperature == 0 && options.top_k > 0)
    bad_request("top_k", "'top_k' limits what is drawn: it needs a 'temperature' above 0.");
  if (change.repetition_penalty) {
    check_range("repetition_penalty", *change.repetition_penalty, 0.1, 10);
    options.repetition_penalty = *change.repetition_penalty;
  }
  if (change.seed) {
    if (*change.seed < 0) bad_request("seed", "'seed' is {}; it may not be negative.", *change.seed);
    options.seed = static_cast<uint64_t>(*change.seed);
  }
  if (change.max_tokens) {
    check_range("max_tokens", static_cast<double>(*change.max_tokens), 1, static_cast<double>(base.max_new_tokens));
    options.max_new_tokens = *change.max_tokens;
    options.min_new_tokens = std::min(options.min_new_tokens, options.max_new_tokens);
  }
  if (change.stop) options.stop = *change.stop;
  if (change.answers) {
    check_range("n", static_cast<double>(*change.answers), 1, static_cast<double>(offer.most_answers));
    options.n_best = *change.answers;
    if (options.n_best > options.beams && !options.draws())
      bad_request("n", "'n' above 1 needs a 'temperature' above 0: without it all answers are the same.");
  }
  const bool is_base = options.temperature == base.temperature && options.top_p == base.top_p &&
                       options.top_k == base.top_k && options.repetition_penalty == base.repetition_penalty &&
                       options.seed == base.seed && options.max_new_tokens == base.max_new_tokens &&
                       options.stop == base.stop && options.n_best == base.n_best;
  return is_base ? offer.options : std::make_shared<const decode::Options>(options);
}

}  // namespace usam::serve
