#include "trainer/guard.h"

#include <cmath>
#include <limits>

#include "tests/support.h"

namespace usam {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Guard, JudgesLossAndGradient) {
  EXPECT_TRUE(Guard::finite(1, 2));
  EXPECT_FALSE(Guard::finite(kNaN, 2));
  EXPECT_FALSE(Guard::finite(1, kInfinity));
}

TEST(Guard, ListsBadBatchesAndStops) {
  const test::TemporaryFolder folder;
  Guard guard(folder.path().string(), 2, true);
  guard.dropped(4, kNaN, 1.5, {"a", "b"});
  guard.accepted();
  guard.dropped(6, 0.5, kInfinity, {"c"});
  EXPECT_EQ(guard.in_a_row(), 1);
  const std::string message = test::message_of(
      [&] { guard.dropped(7, kNaN, kNaN, {"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10"}); });
  EXPECT_EQ(message,
            "Stopped at step 7: 2 steps in a row had a loss or gradient that is not finite "
            "(trainer.max_bad_steps). Samples of the last one: k1, k2, k3, k4, k5, k6, k7, k8 and 2 more. All "
            "are listed in " +
                folder.path().string() +
                "/bad_batches.jsonl. Look at these samples, or lower "
                "trainer.optimizer.lr; a new start continues from the last checkpoint.");
  EXPECT_EQ(
      content(folder.path() / "bad_batches.jsonl"),
      "{\"step\":4,\"loss\":\"nan\",\"grad_norm\":1.5,\"keys\":[\"a\",\"b\"]}\n"
      "{\"step\":6,\"loss\":0.5,\"grad_norm\":\"inf\",\"keys\":[\"c\"]}\n"
      "{\"step\":7,\"loss\":\"nan\",\"grad_norm\":\"nan\",\"keys\":[\"k1\",\"k2\",\"k3\",\"k4\",\"k5\",\"k6\",\"k7\","
      "\"k8\",\"k9\",\"k10\"]}\n");
}

TEST(Guard, TheCountSurvivesAResumption) {
  const test::TemporaryFolder folder;
  Guard guard(folder.path().string(), 3, false);
  guard.restore(2);
  EXPECT_THROW(guard.dropped(1, kNaN, 1, {}), TrainingFailed);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "bad_batches.jsonl"));
}

}  // namespace
}  // namespace usam
