#include "trainer/guard.h"

#include <cmath>
#include <limits>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/io/jsonl.h"

namespace usam {
namespace {

std::string list_of(const std::vector<std::string>& keys) {
  constexpr size_t kShown = 8;
  return keys.empty() ? "none (every sample was skipped)" : join_some(keys, kShown);
}

// JSON has no NaN: what is not finite is written as text.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(fmt::format("{}", value));
}

}  // namespace

Guard::Guard(std::string run, int64_t max_bad_steps, bool writes)
    : run_(std::move(run)), max_bad_steps_(max_bad_steps), writes_(writes) {}

bool Guard::finite(double loss, double gradient_norm) {
  return std::isfinite(loss) && std::isfinite(gradient_norm);
}

void Guard::dropped(int64_t step, double loss, double gradient_norm, const std::vector<std::string>& keys) {
  ++in_a_row_;
  const std::string file = run_ + "/bad_batches.jsonl";
  if (writes_) {
    try {
      io::JsonLinesWriter(file).write(
          {{"step", step}, {"loss", number(loss)}, {"grad_norm", number(gradient_norm)}, {"keys", keys}});
    } catch (const UserError& e) {
      log::warn("{} Training goes on.", e.what());  // a full disk, which one rank alone sees
    }
    log::warn("Step {} is dropped: loss {}, gradient norm {}. Samples: {}. All are listed in {}.", step, loss,
              gradient_norm, list_of(keys), file);
  }
  if (in_a_row_ < max_bad_steps_) return;
  throw TrainingFailed(fmt::format(
      "Stopped at step {}: {} step{} in a row had a loss or gradient that is not finite (trainer.max_bad_steps). "
      "Samples "
      "of the last one: {}. All are listed in {}. Look at these samples, or lower trainer.optimizer.lr; a new start "
      "continues from the last checkpoint.",
      step, in_a_row_, in_a_row_ == 1 ? "" : "s", list_of(keys), file));
}

}  // namespace usam
