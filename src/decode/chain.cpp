#include <algorithm>

#include "src/decode/search.h"
#include "src/decode/stop.h"
#include "src/tensor/rng.h"

namespace usam::decode {
namespace {

// Rows that know nothing of each other: one, or the draws.
class Chains final : public Search {
 public:
  Chains(std::shared_ptr<const Options> options, const std::string& key)
      : options_(std::move(options)),
        key_(draw_key(options_->seed, "decode").with(options_->draws() ? key : "")),
        hypotheses_(static_cast<size_t>(options_->n_best)) {
    for (size_t n = 0; n < hypotheses_.size(); ++n) going_.push_back(n);
  }

  std::vector<const Ids*> rows() const override {
    std::vector<const Ids*> rows;
    for (const auto n : going_) rows.push_back(&hypotheses_[n].ids);
    return rows;
  }

  std::vector<double> uniforms() const override {
    std::vector<double> all;
    if (options_->draws())
      for (const auto n : going_) all.push_back(uniform(key_.with(n), hypotheses_[n].ids.size()));
    return all;
  }

  std::vector<Next> advance(const Continuations& all, int64_t first) override {
    const auto ids = all.ids_RK.accessor<double, 2>(), log_probs = all.log_probs_RK.accessor<double, 2>();
    std::vector<Next> next;
    std::vector<size_t> going;
    for (int64_t row = 0; row < std::ssize(going_); ++row) {
      const auto n = going_[static_cast<size_t>(row)];
      const auto id = static_cast<int64_t>(ids[first + row][0]);
      if (!add_token(hypotheses_[n], id, log_probs[first + row][0])) continue;
      going.push_back(n);
      next.push_back({row, id});
    }
    going_ = std::move(going);
    return next;
  }

  std::vector<Hypothesis> hypotheses() const override { return hypotheses_; }
  const Ids& best() const override { return hypotheses_.front().ids; }

 private:
  // false: the hypothesis is complete.
  bool add_token(Hypothesis& hypothesis, int64_t id, double log_p) const {
    hypothesis.log_prob += log_p;
    ++hypothesis.tokens;
    hypothesis.is_ended = std::ranges::count(options_->eos, id) > 0;
    if (hypothesis.is_ended) return false;
    hypothesis.ids.push_back(id);
    hypothesis.is_ended = holds_stop(hypothesis.ids, *options_);
    return !hypothesis.is_ended && std::ssize(hypothesis.ids) < options_->max_new_tokens;
  }

  std::shared_ptr<const Options> options_;
  DrawKey key_;
  std::vector<Hypothesis> hypotheses_;
  std::vector<size_t> going_;  // those of a row each
};

}  // namespace

std::unique_ptr<Search> chain_search(std::shared_ptr<const Options> options, const std::string& key) {
  return std::make_unique<Chains>(std::move(options), key);
}

}  // namespace usam::decode
