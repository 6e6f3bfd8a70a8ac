// A rank that dies or is stopped: the others end within a bounded time and name it.
#include "tests/fault/fault.h"

namespace usam::test {
namespace {

// Starts three ranks, and does something to one of them when all are in the middle of the run.
class LostRank : public FaultTest {
 protected:
  std::vector<EndedRank> lose(int rank, int signal) const {
    Ranks ranks(3, free_port(), endless("parallel.patience=2"));
    EXPECT_TRUE(comes([this] { return steps() >= 10; }, 60));
    ranks.send(rank, signal);
    const auto began = std::chrono::steady_clock::now();
    std::vector<EndedRank> others;
    for (int other = 0; other < 3; ++other)
      if (other != rank) others.push_back(ranks.wait_for(other));
    // The patience twice, and what a busy machine adds.
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
    return others;
  }
};

TEST_F(LostRank, KilledIsNamedWithWhatItWasAt) {
  const auto others = lose(1, SIGKILL);
  const std::string sentence = "Rank 1 of 3 is lost: no sign of life for 1 s. It was last at step ";
  expect_message(others[0], sentence, " Rank 0 was at step ", true);
  expect_message(others[1], sentence, " Rank 2 was at step ", false);
  EXPECT_NE(others[0].errors.find("\n  rank 1 (lost): step "), std::string::npos) << others[0].errors;
}

TEST_F(LostRank, StoppedIsNamedAsWell) {
  const auto others = lose(2, SIGSTOP);
  const std::string sentence = "Rank 2 of 3 is lost: no sign of life for 2 s. It was last at step ";
  expect_message(others[0], sentence, " Rank 0 was at step ", true);
  expect_message(others[1], sentence, " Rank 1 was at step ", false);
}

TEST_F(LostRank, WithTheStoreIsNoticed) {
  for (const auto& other : lose(0, SIGKILL))
    expect_message(other, "Rank 0 of 3 is lost, and with it the ranks' store, which is gone. It was last at ",
                   " and cannot go on.", false);
}

TEST_F(LostRank, StoppedWithTheStoreIsNoticed) {
  for (const auto& other : lose(0, SIGSTOP))
    expect_message(other, "Rank 0 of 3 is lost, and with it the ranks' store, which has not answered for 2 s. It was ",
                   " and cannot go on.", false);
}

TEST_F(LostRank, OneThatLeavesWithAnErrorOfItsOwnIsNamed) {
  corpus_.damage("train5");
  const auto ranks = run_ranks(3, free_port(), endless("data.on_error=fail parallel.patience=2"));
  std::vector<size_t> left;
  for (size_t rank = 0; rank < 3; ++rank)
    if (ranks[rank].status == 2) left.push_back(rank);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_NE(ranks[left[0]].errors.find("sample 'train5'"), std::string::npos) << ranks[left[0]].errors;
  for (size_t rank = 0; rank < 3; ++rank) {
    if (rank == left[0]) continue;
    expect_message(ranks[rank],
                   "Rank " + std::to_string(left[0]) + " of 3 has left, see its own message. It was last at step ",
                   " and cannot go on.", false);
  }
}

}  // namespace
}  // namespace usam::test
