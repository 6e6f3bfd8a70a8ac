// R rows of all searches, V vocabulary.
#include "src/decode/session.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/decode/stop.h"
#include "src/tensor/to_device.h"

namespace usam::decode {
namespace {

constexpr int64_t kMostReserved = 512;  // new positions; answers of more are rare, and memory is not

void check(const Options& options) {
  if (options.max_new_tokens < 1) internal_error("an answer of at most {} tokens", options.max_new_tokens);
  if (!options.stop.empty() && !options.tokenizer) internal_error("stop texts need a tokenizer");
  if (options.constraint && options.eos.empty()) internal_error("a constrained answer needs an end token");
  if (options.constraint && options.min_new_tokens > 0)
    user_error(
        "An answer that is one of some labels or a number ends where it is complete: it goes without "
        "min_new_tokens.");
}

std::unique_ptr<Search> search_of(const Request& request) {
  if (request.options->beams > 1) return beam_search(request.options);
  return chain_search(request.options, request.key);
}

// Searches that share their options, so that one computation serves their rows.
struct Group {
  explicit Group(const Options* shared) : options(shared) {}
  const Options* options;
  std::vector<size_t> searches;
  std::vector<int64_t> rows;  // of the session
  std::vector<const Ids*> held;
  std::vector<double> uniforms;
};

template <class T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

Session::Session(LanguageModel& model) : model_(model) {}

void Session::add(const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B,
                  const std::vector<Request>& requests) {
  if (prompts_BTD.size(0) != std::ssize(requests))
    internal_error("{} prompts, but {} requests", prompts_BTD.size(0), requests.size());
  for (const auto& request : requests) check(*request.options);
  if (requests.empty()) return;
  const c10::InferenceMode inference;
  auto prompts = read_prompts(model_, prompts_BTD, lengths_B);
  int64_t most_new = 0;
  for (const auto& request : requests) most_new = std::max(most_new, request.options->max_new_tokens);
  prompts.cache->reserve(prompts_BTD.size(1) + std::min(most_new, kMostReserved));
  std::vector<int64_t> places;
  for (size_t b = 0; b < requests.size(); ++b) {
    auto search = search_of(requests[b]);
    places.insert(places.end(), search->rows().size(), static_cast<int64_t>(b));
    going_.push_back({requests[b].id, requests[b].options, std::move(search)});
  }
  select_rows(prompts, places);
  append_rows(prompts_, std::move(prompts));
}

std::vector<std::vector<Search::Next>> Session::advance(const std::vector<int64_t>& first_rows) {
  std::vector<Group> groups;
  for (size_t i = 0; i < going_.size(); ++i) {
    const auto* options = going_[i].options.get();
    auto group = std::ranges::find(groups, options, &Group::options);
    if (group == groups.end()) group = groups.insert(groups.end(), Group(options));
    group->searches.push_back(i);
    for (int64_t row = first_rows[i]; row < first_rows[i + 1]; ++row) group->rows.push_back(row);
    append(group->held, going_[i].search->rows());
    append(group->uniforms, going_[i].search->uniforms());
  }
  const auto logits_RV = model_.logits(prompts_.last_BD).to(torch::kFloat);
  std::vector<std::vector<Search::Next>> next(going_.size());
  for (const auto& group : groups) {
    auto own_GV = logits_RV;
    if (groups.size() > 1) own_GV = own_GV.index_select(0, to_device(group.rows, logits_RV.device()));
    const auto all = continuations(own_GV, group.held, group.uniforms, *group.options);
    refuse_not_finite(all.log_probs_RK.select(1, 0));
    int64_t first = 0;
    for (const auto i : group.searches) {
      next[i] = going_[i].search->advance(all, first);
      first += first_rows[i + 1] - first_rows[i];
    }
  }
  return next;
}

std::vector<Finished> Session::step() {
  if (is_idle()) return {};
  const c10::InferenceMode inference;
  std::vector<int64_t> first_rows(1, 0);
  for (const auto& one : going_) first_rows.push_back(first_rows.back() + std::ssize(one.search->rows()));
  const auto next = advance(first_rows);
  std::vector<int64_t> places, ids;
  std::vector<Going> going;
  std::vector<Finished> finished;
  for (size_t i = 0; i < going_.size(); ++i) {
    for (const auto& [row, id] : next[i]) {
      places.push_back(first_rows[i] + row);
      ids.push_back(id);
    }
    if (!next[i].empty()) {
      going.push_back(std::move(going_[i]));
      continue;
    }
    finished.push_back({going_[i].id, going_[i].search->hypotheses()});
    for (auto& hypothesis : finished.back().hypotheses) hypothesis.text = text_of(hypothesis.ids, *going_[i].options);
  }
  going_ = std::move(going);
  keep(places);
  if (!ids.empty()) read_tokens(model_, prompts_, ids);
  return finished;
}

void Session::keep(const std::vector<int64_t>& places) {
  if (places.empty()) {
    prompts_ = {};
  } else {
    select_rows(prompts_, places);
  }
}

size_t Session::place_of(int64_t id) const {
  const auto found = std::ranges::find(going_, id, &Going::id);
  if (found == going_.end()) internal_error("no request {} is under way", id);
  return static_cast<size_t>(found - going_.begin());
}

const Ids& Session::ids_under_way(int64_t id) const {
  return going_[place_of(id)].search->best();
}

void Session::cancel(int64_t id) {
  const c10::InferenceMode inference;
  const auto place = place_of(id);
  std::vector<int64_t> places;
  int64_t row = 0;
  for (size_t i = 0; i < going_.size(); ++i) {
    for (size_t r = going_[i].search->rows().size(); r > 0; --r, ++row)
      if (i != place) places.push_back(row);
  }
  going_.erase(going_.begin() + static_cast<std::ptrdiff_t>(place));
  keep(places);
}

}  // namespace usam::decode
