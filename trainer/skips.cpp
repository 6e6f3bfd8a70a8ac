#include "trainer/skips.h"

#include "src/base/json.h"
#include "src/dist/gather.h"

namespace usam {
namespace {

constexpr const char* kSkipped = "skipped samples";

}  // namespace

void Skips::add(const data::Batch& batch, Counts& counts) {
  counts[kSkipped] += static_cast<double>(batch.skipped.size());
  if (!batch.skipped.empty()) last_ = batch.skipped.back();
}

int64_t Skips::check(const Counts& counts, int64_t before, const Batches& data, const data::Cursor& at,
                     dist::Communicator& ranks) const {
  const auto lost = static_cast<int64_t>(counts.at(kSkipped));
  if (lost == 0 || !data.check_skipped) return before + lost;
  const auto told = Json::to_cbor({last_.key, last_.file, last_.reason});
  data::Skipped last;
  for (const std::string& text : dist::gather_texts({told.begin(), told.end()}, ranks))
    if (const Json theirs = Json::from_cbor(text); theirs[0] != "") last = {theirs[0], theirs[1], theirs[2]};
  data.check_skipped(at, before + lost, last);
  return before + lost;
}

}  // namespace usam
