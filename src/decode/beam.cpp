// R rows: the beams of all prompts that go on; K candidates of a row.
#include <algorithm>
#include <cmath>

#include "src/decode/search.h"
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
  size_t beam = 0;
  int64_t id = 0;
  double score = 0, log_prob = 0;
};

class Beams final : public Search {
 public:
  explicit Beams(std::shared_ptr<const Options> options) : options_(std::move(options)), beams_(1) {}

  std::vector<const Ids*> rows() const override {
    std::vector<const Ids*> rows;
    for (const auto& beam : beams_) rows.push_back(&beam.ids);
    return rows;
  }

  std::vector<Next> advance(const Continuations& all, int64_t first) override {
    const auto most = static_cast<size_t>(options_->beams);
    const auto candidates = best_candidates(all, first);
    const auto tokens = std::ssize(beams_.front().ids) + 1;
    std::vector<Beam> going;
    std::vector<Next> next;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const auto& c = candidates[i];
      Beam beam{beams_[c.beam].ids, c.score, c.log_prob};
      beam.ids.push_back(c.id);
      const bool is_end = std::ranges::count(options_->eos, c.id) > 0 || holds_stop(beam.ids, *options_);
      if (is_end || tokens == options_->max_new_tokens) {
        if (i < most) finished_.push_back(finish(beam, is_end));
      } else if (going.size() < most) {
        going.push_back(std::move(beam));
        next.push_back({static_cast<int64_t>(c.beam), c.id});
      }
    }
    std::ranges::stable_sort(finished_, std::ranges::greater{}, &Hypothesis::beam_score);
    if (finished_.size() > most) finished_.resize(most);
    if (going.empty()) return {};
    beams_ = std::move(going);
    const double possible = beams_.front().score / std::pow(static_cast<double>(tokens), options_->length_penalty);
    if (finished_.size() == most && possible <= finished_.back().beam_score) return {};
    return next;
  }

  std::vector<Hypothesis> hypotheses() const override {
    const auto count = std::min(std::ssize(finished_), static_cast<std::ptrdiff_t>(options_->n_best));
    return {finished_.begin(), finished_.begin() + count};
  }

  const Ids& best() const override { return beams_.front().ids; }

 private:
  std::vector<Candidate> best_candidates(const Continuations& all, int64_t first) const {
    const auto scores = all.scores_RK.accessor<double, 2>(), log_probs = all.log_probs_RK.accessor<double, 2>(),
               ids = all.ids_RK.accessor<double, 2>();
    std::vector<Candidate> candidates;
    for (size_t b = 0; b < beams_.size(); ++b) {
      const auto row = first + static_cast<int64_t>(b);
      for (int64_t k = 0; k < scores.size(1); ++k) {
        if (std::isinf(scores[row][k])) break;  // forbidden, as are those after it
        candidates.push_back({b, static_cast<int64_t>(ids[row][k]), beams_[b].score + scores[row][k],
                              beams_[b].log_prob + log_probs[row][k]});
      }
    }
    std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::score);
    if (std::ssize(candidates) > candidates_kept(*options_))
      candidates.resize(static_cast<size_t>(candidates_kept(*options_)));
    return candidates;
  }

  Hypothesis finish(const Beam& beam, bool is_ended) const {
    const auto tokens = std::ssize(beam.ids);
    Hypothesis hypothesis{beam.ids, is_ended, beam.log_prob, tokens,
                          beam.score / std::pow(static_cast<double>(tokens), options_->length_penalty)};
    if (std::ranges::count(options_->eos, beam.ids.back()) > 0) hypothesis.ids.pop_back();
    return hypothesis;
  }

  std::shared_ptr<const Options> options_;
  std::vector<Beam> beams_;           // best first, never none
  std::vector<Hypothesis> finished_;  // best first
};

}  // namespace

std::unique_ptr<Search> beam_search(std::shared_ptr<const Options> options) {
  return std::make_unique<Beams>(std::move(options));
}

}  // namespace usam::decode
