#pragma once
// Long runs on several ranks, to which something happens.
#include <algorithm>
#include <chrono>
#include <functional>

#include "tests/train/train_ranks.h"

namespace usam::test {

// The number in an environment variable.
inline int64_t number_of(const char* name, int64_t fallback) {
  const char* set = std::getenv(name);
  return set ? std::stoll(set) : fallback;
}

// Whether something comes true within a time.
inline bool comes(const std::function<bool()>& condition, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    usleep(20'000);
  }
  return true;
}

class FaultTest : public TrainRanks {
 protected:
  // A run that lasts until something ends it.
  std::string endless(const std::string& more) const {
    return command("run", "trainer.max_steps=1000000 trainer.eval_every=1000000 trainer.log_every=1 " + more);
  }
  // Logged steps up to now.
  int64_t steps(const std::string& name = "run") const {
    return std::ranges::count(text_of(path(name + "/metrics.jsonl")), '\n');
  }
  // The one message of a rank that had to end, with nothing beside it but the table, where `tells_all`.
  static void expect_message(const EndedRank& rank, const std::string& begin, const std::string& end, bool tells_all) {
    EXPECT_EQ(rank.status, 1) << rank.errors;
    const size_t at = rank.errors.find(begin);
    ASSERT_NE(at, std::string::npos) << rank.errors;
    EXPECT_NE(rank.errors.find(end, at), std::string::npos) << rank.errors;
    EXPECT_EQ(rank.errors.find(begin, at + 1), std::string::npos) << "said twice: " << rank.errors;
    EXPECT_EQ(rank.errors.find("What each rank was at:") != std::string::npos, tells_all) << rank.errors;
    for (const char* noise : {"Exception raised from", "frame #", "[c10d]"})
      EXPECT_EQ(rank.errors.find(noise), std::string::npos) << rank.errors;
  }
};

}  // namespace usam::test
