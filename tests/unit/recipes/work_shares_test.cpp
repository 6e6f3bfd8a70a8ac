#include "recipes/usam/work_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace usam::recipes {
namespace {

constexpr double kNoLimit = 1e9;

// Each item of kind k costs k + 1, and each share `fixed`.
std::function<double(const WorkShare&)> prices(double fixed) {
  return [fixed](const WorkShare& x) { return fixed + static_cast<double>((x.kind + 1) * x.items.size()); };
}

std::vector<std::pair<size_t, std::vector<int64_t>>> listed(const std::vector<WorkShare>& shares) {
  std::vector<std::pair<size_t, std::vector<int64_t>>> all;
  for (const WorkShare& share : shares) all.emplace_back(share.kind, share.items);
  return all;
}

using List = std::vector<std::pair<size_t, std::vector<int64_t>>>;

TEST(WorkShares, CutsNoMoreThanItTakes) {
  EXPECT_EQ(listed(even_shares({{0, {1, 2, 3, 4}}}, 2, kNoLimit, prices(0))), (List{{0, {1, 2}}, {0, {3, 4}}}));
  EXPECT_EQ(listed(even_shares({{0, {1, 2}}, {1, {3}}}, 2, kNoLimit, prices(0))), (List{{0, {1, 2}}, {1, {3}}}));
  EXPECT_EQ(listed(even_shares({{0, {1, 2, 3, 4}}}, 1, kNoLimit, prices(0))), (List{{0, {1, 2, 3, 4}}}));
}

TEST(WorkShares, TheCostliestComesFirst) {
  EXPECT_EQ(listed(even_shares({{0, {1}}, {2, {5, 6}}, {1, {7}}}, 2, kNoLimit, prices(0))),
            (List{{2, {5}}, {2, {6}}, {1, {7}}, {0, {1}}}));
}

// Of four items on three threads two are on one thread, however they are cut.
TEST(WorkShares, NoneWhereTheLastThreadEndsTooLate) {
  EXPECT_EQ(even_shares({{0, {1, 2, 3, 4}}}, 3, 2, prices(0)).size(), 2U);
  EXPECT_TRUE(even_shares({{0, {1, 2, 3, 4}}}, 3, 1.9, prices(0)).empty());
  EXPECT_TRUE(even_shares({{0, {1}}}, 2, 0.9, prices(0)).empty());
}

// What a share costs beside its items counts each time that one is cut.
TEST(WorkShares, CutsThatCostMoreThanTheyBringAreNotMade) {
  EXPECT_EQ(listed(even_shares({{0, {1, 2}}}, 2, kNoLimit, prices(10))),
            (List{{0, {1}}, {0, {2}}}));  // 11 each, not 12
  EXPECT_EQ(listed(even_shares({{0, {1}}, {1, {2, 3}}}, 2, kNoLimit, prices(10))), (List{{1, {2, 3}}, {0, {1}}}));
}

TEST(WorkShares, NothingIsLostOrDoneTwice) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const auto threads = static_cast<int64_t>(random() % 7 + 1);
    std::vector<WorkShare> shares(random() % 5 + 1);
    std::vector<int64_t> items;
    for (size_t k = 0; k < shares.size(); ++k) {
      shares[k].kind = k;
      for (auto n = random() % 20 + 1; n > 0; --n) {
        items.push_back(std::ssize(items));
        shares[k].items.push_back(items.back());
      }
    }
    std::vector<int64_t> given;
    for (const WorkShare& share : even_shares(shares, threads, kNoLimit, prices(0.3)))
      given.insert(given.end(), share.items.begin(), share.items.end());
    std::ranges::sort(given);
    ASSERT_EQ(given, items) << round;
  }
}

}  // namespace
}  // namespace usam::recipes
