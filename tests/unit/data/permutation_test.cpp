#include "data/permutation.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

namespace usam::data {
namespace {

TEST(Permutation, IsOneOfAnySize) {
  for (const int64_t size : {0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 4097, 100'003}) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const Permutation order(size, DrawKey(seed));
      EXPECT_EQ(order.size(), size);
      std::vector<bool> seen(static_cast<size_t>(size));
      for (int64_t i = 0; i < size; ++i) {
        const int64_t to = order(i);
        ASSERT_TRUE(to >= 0 && to < size && !seen[static_cast<size_t>(to)]) << size << " " << i;
        seen[static_cast<size_t>(to)] = true;
        ASSERT_EQ(order.inverse(to), i);
      }
    }
  }
}

TEST(Permutation, DependsOnItsKeyAlone) {
  const Permutation a(1000, DrawKey(1)), b(1000, DrawKey(1)), c(1000, DrawKey(2));
  int64_t equal = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(a(i), b(i));
    equal += a(i) == c(i);
  }
  EXPECT_LT(equal, 10);
}

// Every order of few things comes up equally often: chi-square below its 99.99 % quantile.
TEST(Permutation, AllOrdersOfFewThingsAreEquallyLikely) {
  const std::map<int64_t, double> quantiles = {{2, 15.2}, {3, 25.8}, {4, 58.6}, {5, 183.0}};
  const std::map<int64_t, double> orders = {{2, 2}, {3, 6}, {4, 24}, {5, 120}};
  for (const auto& [size, quantile] : quantiles) {
    std::map<std::vector<int64_t>, double> counts;
    const double expected = 300, draws = expected * orders.at(size);
    for (uint64_t seed = 0; seed < static_cast<uint64_t>(draws); ++seed) {
      const Permutation order(size, DrawKey(seed));
      std::vector<int64_t> all;
      for (int64_t i = 0; i < size; ++i) all.push_back(order(i));
      ++counts[all];
    }
    ASSERT_EQ(static_cast<double>(counts.size()), orders.at(size));
    double chi_square = 0;
    for (const auto& [all, count] : counts) chi_square += (count - expected) * (count - expected) / expected;
    EXPECT_LT(chi_square, quantile) << size;
  }
}

// Of many things: where each part of the indices goes, how far neighbours come apart, and what stays in order.
TEST(Permutation, MixesManyThings) {
  constexpr int64_t kSize = 100'000, kParts = 20;
  const Permutation order(kSize, DrawKey(5));
  std::vector<double> counts(kParts * kParts);
  int64_t rising = 0, near = 0, fixed = 0;
  for (int64_t i = 0; i < kSize; ++i) {
    const int64_t to = order(i), next = order((i + 1) % kSize);
    ++counts[static_cast<size_t>(i * kParts / kSize * kParts + to * kParts / kSize)];
    rising += next > to;
    near += std::abs(next - to) <= 10;
    fixed += to == i;
  }
  double chi_square = 0;
  const double expected = static_cast<double>(kSize) / (kParts * kParts);
  for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 470);                                   // 361 degrees of freedom: 99.99 %
  EXPECT_NEAR(static_cast<double>(rising), kSize / 2, 4 * 92);  // 4 standard deviations of sqrt(n / 12)
  EXPECT_NEAR(static_cast<double>(near), 20, 20);               // 2 * 10 / n of the pairs
  EXPECT_LT(fixed, 8);
}

TEST(Permutation, OfTenMillionIsOne) {
  constexpr int64_t kSize = 10'000'000;
  const Permutation order(kSize, DrawKey(9));
  const auto start = std::chrono::steady_clock::now();
  std::vector<bool> seen(kSize);
  int64_t count = 0;
  for (int64_t i = 0; i < kSize; ++i) {
    const auto to = static_cast<size_t>(order(i));
    count += !seen[to];
    seen[to] = true;
  }
  EXPECT_EQ(count, kSize);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  printf("10 M indices: %.2f s\n", took.count());
}

}  // namespace
}  // namespace usam::data
