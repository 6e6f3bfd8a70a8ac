#include "src/tensor/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <thread>

namespace usam {
namespace {

constexpr int kDraws = 100000;

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) xy += (x[i] - 0.5) * (y[i] - 0.5);
  return 12 * xy / static_cast<double>(x.size());  // the variance of a uniform number is 1/12
}

// Worked out by a second implementation, in Python. Stored data depends on these numbers (the order of an epoch, crops,
// dropout): they must never change.
TEST(Rng, GoldenValues) {
  EXPECT_EQ(DrawKey(0).value(), 0xe220a8397b1dcdafULL);  // SplitMix64's first output for seed 0
  EXPECT_EQ(draw_key(20, "shuffle", uint64_t{3}).value(), 0x94e859c46b55d562ULL);
  EXPECT_DOUBLE_EQ(uniform(draw_key(20, "crop"), 5), 0.7436114663518326);
  EXPECT_EQ(below(draw_key(20, "crop"), 1000, 5), 743);
  EXPECT_NEAR(torch::rand({1}, generator(draw_key(20, "dropout", uint64_t{7}))).item<double>(), 0.9270538091659546,
              1e-6);
}

TEST(Rng, ADrawDependsOnEveryPartAndOnTheirOrder) {
  std::set<uint64_t> values;
  for (uint64_t seed : {0, 1, 20})
    for (const char* use : {"", "a", "b", "ab", "ba"})
      for (uint64_t step : {0, 1, 2})
        for (uint64_t part : {0, 1, 2}) values.insert(draw_key(seed, use, step, part).value());
  EXPECT_EQ(values.size(), 3U * 5 * 3 * 3);
  EXPECT_NE(draw_key(1, "a", "b").value(), draw_key(1, "b", "a").value());
  EXPECT_NE(draw_key(1, "ab").value(), draw_key(1, "a", "b").value());
  EXPECT_NE(draw_key(1, uint64_t{2}).value(), draw_key(2, uint64_t{1}).value());
}

TEST(Rng, IsAPureFunctionWhoeverDraws) {
  const double here = uniform(draw_key(4, "x", uint64_t{9}), 77);
  double there = 0;
  std::thread([&] { there = uniform(draw_key(4, "x", uint64_t{9}), 77); }).join();
  EXPECT_EQ(here, there);
  for (int i = 0; i < 10; ++i) uniform(draw_key(4, "x", uint64_t{9}), static_cast<uint64_t>(i));
  EXPECT_EQ(uniform(draw_key(4, "x", uint64_t{9}), 77), here);
}

// 100 equal bins: chi-squared has 99 degrees of freedom, mean 99, deviation 14.
double chi_squared(const std::function<double(uint64_t)>& draw) {
  std::vector<int> bins(100);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const double value = draw(i);
    EXPECT_GE(value, 0);
    EXPECT_LT(value, 1);
    ++bins[static_cast<size_t>(value * 100)];
  }
  double sum = 0;
  for (int count : bins) sum += std::pow(count - kDraws / 100, 2) / (kDraws / 100);
  return sum;
}

TEST(Rng, IsUniformAlongEveryCounter) {
  const auto key = draw_key(7, "uniform");
  EXPECT_NEAR(chi_squared([&](uint64_t i) { return uniform(key, i); }), 99, 60);
  EXPECT_NEAR(chi_squared([](uint64_t i) { return uniform(draw_key(i, "seed")); }), 99, 60);
  EXPECT_NEAR(chi_squared([](uint64_t i) { return uniform(draw_key(7, "step", i, uint64_t{1})); }), 99, 60);
  EXPECT_NEAR(chi_squared([](uint64_t i) { return uniform(draw_key(7, std::to_string(i))); }), 99, 60);
  EXPECT_NEAR(chi_squared([&](uint64_t i) { return static_cast<double>(below(key, 100, i)) / 100 + 0.005; }), 99, 60);
}

TEST(Rng, NeighbouringStreamsAreIndependent) {
  std::vector<double> base(kDraws), next_draw(kDraws), next_key(kDraws), next_seed(kDraws), other_use(kDraws);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const auto at = static_cast<size_t>(i);
    base[at] = uniform(draw_key(7, "a", uint64_t{1}), i);
    next_draw[at] = uniform(draw_key(7, "a", uint64_t{1}), i + 1);
    next_key[at] = uniform(draw_key(7, "a", uint64_t{2}), i);
    next_seed[at] = uniform(draw_key(8, "a", uint64_t{1}), i);
    other_use[at] = uniform(draw_key(7, "b", uint64_t{1}), i);
  }
  for (const auto* other : {&next_draw, &next_key, &next_seed, &other_use})
    EXPECT_LT(std::abs(correlation(base, *other)), 5 / std::sqrt(kDraws));
}

TEST(Rng, BelowReachesEveryIntegerAndNoOther) {
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 1000; ++i) seen.insert(below(draw_key(3, "below"), 7, i));
  EXPECT_EQ(seen, (std::set<uint64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(below(draw_key(3, "below"), 1), 0);
}

TEST(Rng, GeneratorsRepeatTheirDraws) {
  const auto key = draw_key(5, "noise");
  const auto a = torch::randn({100}, generator(key)), b = torch::randn({100}, generator(key));
  EXPECT_TRUE(torch::equal(a, b));
  EXPECT_FALSE(torch::equal(a, torch::randn({100}, generator(key.with(uint64_t{1})))));
}

TEST(Rng, SeedingTheDefaultGeneratorsFixesDropout) {
  const auto x = torch::ones({1000});
  auto drop = [&](uint64_t micro_batch) {
    seed_default_generators(draw_key(5, "dropout", micro_batch));
    return torch::dropout(x, 0.5, true);
  };
  EXPECT_TRUE(torch::equal(drop(0), drop(0)));
  EXPECT_FALSE(torch::equal(drop(0), drop(1)));
}

}  // namespace
}  // namespace usam
