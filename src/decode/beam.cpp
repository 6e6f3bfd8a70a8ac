// R rows: the beams of all prompts that go on; V vocabulary, K candidates of a row.
#include "src/decode/beam.h"

#include <algorithm>
#include <cmath>

#include "src/decode/choice.h"
#include "src/decode/stop.h"

namespace usam::decode {
namespace {

struct Beam {
  Ids ids;
  double score = 0;     // sum of adjusted log-probabilities
  double log_prob = 0;  // the model's own
};

// A beam and one token more.
struct Candidate {
  size_t beam = 0;  // of its prompt
  int64_t id = 0;
  double score = 0, log_prob = 0;
};

// The search for one prompt's answer.
struct Search {
  size_t prompt = 0;
  int64_t first_row = 0;
  std::vector<Beam> beams;           // best first
  std::vector<Hypothesis> finished;  // best first
  std::vector<int64_t> rows;         // that its beams came from in the last step
};

// The best K continuations of every row.
struct Continuations {
  torch::Tensor scores_RK, log_probs_RK, ids_RK;  // double, on the CPU
};

int64_t candidates_kept(const Options& options) {
  return std::max<int64_t>(2, 1 + std::ssize(options.eos)) * options.beams;  // enough even if all end tokens are there
}

Continuations continuations(LanguageModel& model, const ReadPrompts& rows, const std::vector<const Ids*>& held,
                            const Options& options) {
  const auto log_p_RV = model.logits(rows.last_BD).to(torch::kFloat).log_softmax(-1);
  const auto kept = std::min(candidates_kept(options), log_p_RV.size(1));
  const auto [scores_RK, ids_RK] = adjusted(log_p_RV, held, options).topk(kept, -1);
  const auto log_probs_RK = log_p_RV.gather(-1, ids_RK);
  const auto all =
      torch::stack({scores_RK.to(torch::kDouble), log_probs_RK.to(torch::kDouble), ids_RK.to(torch::kDouble)})
          .cpu();  // one transfer
  return {all[0], all[1], all[2]};
}

std::vector<Candidate> best_candidates(const Search& search, const Continuations& all, const Options& options) {
  const auto scores = all.scores_RK.accessor<double, 2>(), log_probs = all.log_probs_RK.accessor<double, 2>(),
             ids = all.ids_RK.accessor<double, 2>();
  std::vector<Candidate> candidates;
  for (size_t b = 0; b < search.beams.size(); ++b) {
    const auto row = search.first_row + static_cast<int64_t>(b);
    for (int64_t k = 0; k < scores.size(1); ++k) {
      if (std::isinf(scores[row][k])) break;  // forbidden, as are those after it
      candidates.push_back({b, static_cast<int64_t>(ids[row][k]), search.beams[b].score + scores[row][k],
                            search.beams[b].log_prob + log_probs[row][k]});
    }
  }
  std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::score);
  if (std::ssize(candidates) > candidates_kept(options))
    candidates.resize(static_cast<size_t>(candidates_kept(options)));
  return candidates;
}

Hypothesis finish(const Beam& beam, bool is_ended, const Options& options) {
  const auto tokens = std::ssize(beam.ids);
  Hypothesis hypothesis{beam.ids, is_ended, beam.log_prob, tokens,
                        beam.score / std::pow(static_cast<double>(tokens), options.length_penalty)};
  if (std::ranges::count(options.eos, beam.ids.back()) > 0) hypothesis.ids.pop_back();
  return hypothesis;
}

// Takes one step of a prompt's search; false: it is over.
bool step(Search& search, const Continuations& all, const Options& options) {
  const auto beams = static_cast<size_t>(options.beams);
  const auto candidates = best_candidates(search, all, options);
  const auto tokens = std::ssize(search.beams.front().ids) + 1;
  std::vector<Beam> next;
  search.rows.clear();
  for (size_t i = 0; i < candidates.size(); ++i) {
    const auto& c = candidates[i];
    Beam beam{search.beams[c.beam].ids, c.score, c.log_prob};
    beam.ids.push_back(c.id);
    const bool is_end = std::ranges::count(options.eos, c.id) > 0 || holds_stop(beam.ids, options);
    if (is_end || tokens == options.max_new_tokens) {
      if (i < beams) search.finished.push_back(finish(beam, is_end, options));
    } else if (next.size() < beams) {
      next.push_back(std::move(beam));
      search.rows.push_back(search.first_row + static_cast<int64_t>(c.beam));
    }
  }
  search.beams = std::move(next);
  std::ranges::stable_sort(search.finished, std::ranges::greater{}, &Hypothesis::beam_score);
  if (search.finished.size() > beams) search.finished.resize(beams);
  if (search.beams.empty()) return false;
  const double possible = search.beams.front().score / std::pow(static_cast<double>(tokens), options.length_penalty);
  return search.finished.size() < beams || possible > search.finished.back().beam_score;
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(LanguageModel& model, ReadPrompts prompts, const Options& options) {
  std::vector<std::vector<Hypothesis>> answers(static_cast<size_t>(prompts.lengths_B.size(0)));
  std::vector<Search> searches(answers.size());
  for (size_t i = 0; i < searches.size(); ++i) searches[i] = {i, 0, {Beam{}}, {}, {}};
  while (true) {
    std::vector<const Ids*> held;
    for (auto& search : searches) {
      search.first_row = std::ssize(held);
      for (const auto& beam : search.beams) held.push_back(&beam.ids);
    }
    const auto all = continuations(model, prompts, held, options);
    std::vector<Search> going;
    std::vector<int64_t> rows, ids;
    for (auto& search : searches) {
      if (!step(search, all, options)) {
        answers[search.prompt] = std::move(search.finished);
        continue;
      }
      rows.insert(rows.end(), search.rows.begin(), search.rows.end());
      for (const auto& beam : search.beams) ids.push_back(beam.ids.back());
      going.push_back(std::move(search));
    }
    if (going.empty()) break;
    searches = std::move(going);
    select_rows(prompts, rows);
    read_tokens(model, prompts, ids);
  }
  for (auto& hypotheses : answers)
    if (std::ssize(hypotheses) > options.n_best) hypotheses.resize(static_cast<size_t>(options.n_best));
  return answers;
}

}  // namespace usam::decode
