#include "recipes/usam/length_groups.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <cmath>
#include <limits>
#include <random>

namespace usam::recipes {
namespace {

using Groups = std::vector<std::vector<int64_t>>;

double cost(const Groups& groups, const std::vector<double>& lengths, double overhead) {
  double sum = 0;
  for (const auto& rows : groups) {
    double longest = 0;
    for (const int64_t row : rows) longest = std::max(longest, lengths[static_cast<size_t>(row)]);
    sum += overhead + static_cast<double>(rows.size()) * longest;
  }
  return sum;
}

TEST(LengthGroups, PaddingIsSparedWhereAPassCostsLess) {
  EXPECT_EQ(length_groups({10, 100, 11, 90}, 5), (Groups{{0, 2}, {3}, {1}}));
  EXPECT_EQ(length_groups({10, 100, 11, 90}, 20), (Groups{{0, 2}, {3, 1}}));
  EXPECT_EQ(length_groups({10, 100, 11, 90}, 1000), (Groups{{0, 2, 3, 1}}));
  EXPECT_EQ(length_groups({7, 7, 7}, 0.5), (Groups{{0, 1, 2}}));
  EXPECT_EQ(length_groups({3}, 1), (Groups{{0}}));
}

// Held against every way of parting six rows.
TEST(LengthGroups, NoOtherWayCostsLess) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> lengths(6);
    for (double& length : lengths) length = static_cast<double>(random() % 100 + 1);
    const auto overhead = static_cast<double>(random() % 60 + 1);
    double least = std::numeric_limits<double>::infinity();
    for (int64_t code = 0; code < 46656; ++code) {  // 6 to the power of 6
      Groups groups(6);
      int64_t rest = code;
      for (int64_t row = 0; row < 6; ++row, rest /= 6) groups[static_cast<size_t>(rest % 6)].push_back(row);
      std::erase_if(groups, [](const auto& rows) { return rows.empty(); });
      least = std::min(least, cost(groups, lengths, overhead));
    }
    EXPECT_DOUBLE_EQ(cost(length_groups(lengths, overhead), lengths, overhead), least);
  }
}

}  // namespace
}  // namespace usam::recipes
