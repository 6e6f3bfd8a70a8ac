// The number of ranks changes from one life of a run to the next: an epoch's samples are seen once all the same.
#include <map>
#include <regex>

#include "tests/fault/fault.h"

namespace usam::test {
namespace {

using Elastic = FaultTest;

// Adds what the ranks saw, by step: their debug log.
void collect(const std::vector<EndedRank>& ranks, std::map<int64_t, std::vector<std::string>>& seen) {
  static const std::regex line("Step (\\d+), data: epoch (\\d+), micro-batch \\d+: (.+)");
  for (const auto& rank : ranks) {
    ASSERT_EQ(rank.status, 0) << rank.errors;
    for (std::sregex_iterator found(rank.errors.begin(), rank.errors.end(), line), end; found != end; ++found)
      seen[std::stoll((*found)[1])].push_back((*found)[2].str() + " " + (*found)[3].str());
  }
}

// 13 samples, one in a micro-batch, six in a step: three steps an epoch.
TEST_F(Elastic, SamplesAreSeenOnceAnEpochOnAnyNumbersOfRanks) {
  const std::string settings = "data.batch.rows=1 trainer.save_every=1 trainer.eval_every=100 ";
  std::map<int64_t, std::vector<std::string>> seen;
  const auto live = [&](int world, int accumulate, int until) {
    collect(run_ranks(world, free_port(),
                      "USAM_LOG=debug " + command("run", settings + "trainer.accumulate=" + std::to_string(accumulate) +
                                                             " trainer.max_steps=" + std::to_string(until))),
            seen);
  };
  live(2, 3, 1);
  live(1, 3, 4);  // the checkpoint says how many micro-batches a step has
  live(3, 3, 6);
  std::map<std::string, int> times;
  ASSERT_EQ(seen.size(), 6U);
  for (const auto& [step, keys] : seen)
    for (const auto& key : keys) ++times[key];
  EXPECT_EQ(times.size(), 2U * Corpus::kTrain);
  for (const auto& [key, n] : times) EXPECT_EQ(n, 1) << key;
}

}  // namespace
}  // namespace usam::test
