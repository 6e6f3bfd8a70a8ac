// A rank whose loader hangs: it is alive and gives signs of life, but does not come.
#include "tests/fault/fault.h"
#include "tests/hanging_file.h"

namespace usam::test {
namespace {

using HangingRank = FaultTest;

TEST_F(HangingRank, IsNamedWithTheSampleThatItWaitsFor) {
  const HangingFile file(corpus_.path("train5.wav"));
  if (!file.hangs()) GTEST_SKIP() << "needs a file system with leases (fcntl F_SETLEASE)";
  const auto began = std::chrono::steady_clock::now();
  const auto ranks = run_ranks(3, free_port(), endless("parallel.patience=2 parallel.timeout=3"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(25));
  const std::string& first = ranks[0].errors;
  const size_t at = first.find(" of 3 hangs: ");
  ASSERT_NE(at, std::string::npos) << first;
  const int hanging = first[at - 1] - '0';
  const std::string begin = "Rank " + std::to_string(hanging) + " of 3 hangs: it has been at step ";
  const std::string end = ", data of 'train5' for 3 s (parallel.timeout), and other ranks wait for it.";
  const int lowest = hanging == 0 ? 1 : 0;
  for (int rank = 0; rank < 3; ++rank) expect_message(ranks[static_cast<size_t>(rank)], begin, end, rank == lowest);
  EXPECT_NE(ranks[static_cast<size_t>(lowest)].errors.find("\n  rank " + std::to_string(hanging) + " (lost): step "),
            std::string::npos);
}

}  // namespace
}  // namespace usam::test
