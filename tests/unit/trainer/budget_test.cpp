#include "trainer/budget.h"

#include <gtest/gtest.h>

#include <vector>

namespace usam {
namespace {

TEST(Budget, FindsTheLeastCountWithoutTryingWhatIsFarBeyondIt) {
  for (const int64_t size : {0, 1, 2, 7, 48}) {
    for (const int64_t each : {0, 1, 10}) {
      for (int64_t budget = 95; budget < 110 + size * each; budget += 7) {
        std::vector<int64_t> asked;
        const auto need = [&](int64_t count) {
          asked.push_back(count);
          return 100 + (size - count) * each;
        };
        std::optional<int64_t> expected;
        for (int64_t count = size; count >= 0; --count)
          if (100 + (size - count) * each <= budget) expected = count;
        EXPECT_EQ(least_within(size, budget, need), expected) << size << " " << each << " " << budget;
        for (const int64_t count : asked) EXPECT_LE(100 + (size - count) * each, std::max<int64_t>(100, budget) + each);
        if (each > 0) EXPECT_LE(asked.size(), 4u);
      }
    }
  }
}

// Blocks of different sizes, and counts that change nothing.
TEST(Budget, UnevenNeeds) {
  const std::vector<int64_t> needs = {90, 70, 70, 69, 40, 40, 10};  // by the count
  for (int64_t budget = 5; budget < 95; ++budget) {
    std::optional<int64_t> expected;
    for (int64_t count = 6; count >= 0; --count)
      if (needs[static_cast<size_t>(count)] <= budget) expected = count;
    EXPECT_EQ(least_within(6, budget, [&](int64_t count) { return needs.at(static_cast<size_t>(count)); }), expected)
        << budget;
  }
}

}  // namespace
}  // namespace usam
