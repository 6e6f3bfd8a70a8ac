#include "trainer/sums.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "tests/support.h"
#include "tests/thread_ranks.h"

namespace usam {
namespace {

TEST(WeightedLoss, DividesEachTermByItsOwnCount) {
  const std::vector<Term> terms = {{"a", torch::tensor(6.0), "tokens", 2}, {"b", torch::tensor(8.0), "samples", 0.5}};
  EXPECT_FLOAT_EQ(weighted_loss(terms, {{"tokens", 3}, {"samples", 4}}).item<float>(), 2 * 6.0 / 3 + 0.5 * 8.0 / 4);
}

TEST(WeightedLoss, ATermWithoutCountOrWeightTakesNoPart) {
  const torch::Tensor nan = torch::tensor(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(weighted_loss({{"a", nan, "none", 1}, {"b", nan, "some", 0}}, {{"none", 0}, {"some", 1}}).item<float>(), 0);
}

TEST(WeightedLoss, NamesACountThatIsMissing) {
  EXPECT_EQ(test::message_of([] { weighted_loss({{"ce", torch::tensor(1.0), "tokens", 1}}, {}); }),
            "term 'ce' is divided by 'tokens', which the recipe does not count");
}

// What tells a data-parallel reducer that a parameter's gradient is ready.
struct Heard : torch::autograd::FunctionPostHook {
  int* times;
  explicit Heard(int* t) : times(t) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list&) override {
    ++*times;
    return outputs;
  }
};

TEST(Touch, AnUnusedParameterIsHeardOfAndGetsNoNaN) {
  torch::Tensor used = torch::ones({3}).requires_grad_();
  torch::Tensor unused = torch::full({2}, std::numeric_limits<float>::quiet_NaN()).requires_grad_();
  int times = 0;
  const auto accumulator = torch::autograd::impl::grad_accumulator(unused);
  accumulator->add_post_hook(std::make_unique<Heard>(&times));
  const torch::Tensor loss = touch((used * 2).sum(), {used, unused});
  EXPECT_EQ(loss.item<float>(), 6);
  loss.backward();
  EXPECT_EQ(times, 1);
  EXPECT_TRUE(used.grad().equal(torch::full({3}, 2.0f)));
  EXPECT_FALSE(unused.grad().defined());  // the trainer fills in zeros
}

TEST(Touch, WorksOnALossOfNothing) {
  torch::Tensor unused = torch::ones({2}).requires_grad_();
  EXPECT_NO_THROW(touch(torch::zeros({}), {unused}).backward());
}

TEST(Tally, SumsMicroBatches) {
  Tally tally;
  tally.add({{{"ce", torch::tensor(6.0f), "tokens", 2}, {"none", torch::tensor(0.0f), "pairs", 1}}, {{"right", 1, 2}}});
  tally.add({{{"ce", torch::tensor(2.0f), "tokens", 2}, {"none", torch::tensor(0.0f), "pairs", 1}},
             {{"right", 2, 2}, {"never", 0, 0}}});
  const Figures figures = tally.figures({{"tokens", 4}, {"pairs", 0}}, *dist::single_rank());
  EXPECT_DOUBLE_EQ(figures.loss, 4);
  const std::map<std::string, double> expected = {{"ce", 2}, {"none", 0}, {"right", 0.75}};
  EXPECT_EQ(figures.values, expected);
}

// The last micro-batches of an epoch need not reach every rank; whether a state is the best must be told alike by all.
TEST(Tally, ARankWithoutSamplesKnowsTheSameFigures) {
  test::on_threads(2, [](dist::Communicator& ranks) {
    Tally tally;
    if (ranks.rank() == 1) tally.add({{{"ce", torch::tensor(6.0f), "tokens", 2}}, {{"right", 1, 2}}});
    const Figures figures = tally.figures({{"tokens", 4}}, ranks);
    EXPECT_DOUBLE_EQ(figures.loss, 3);
    EXPECT_EQ(figures.values, (std::map<std::string, double>{{"ce", 1.5}, {"right", 0.5}}));
  });
}

TEST(SumOverRanks, ARankNeedNotHaveEveryName) {
  const auto ranks = dist::thread_ranks(3);
  const std::vector<Sums> given = {{{"a", 0.1}, {"b", 1}}, {}, {{"a", 0.2}, {"c", -3}}};
  std::vector<Sums> got(3);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) threads.emplace_back([&, i] { got[i] = sum_over_ranks(given[i], *ranks[i]); });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(got[i], (Sums{{"a", 0.1 + 0.2}, {"b", 1}, {"c", -3}}));
  }
}

}  // namespace
}  // namespace usam
