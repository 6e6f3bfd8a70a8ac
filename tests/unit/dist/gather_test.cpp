#include "src/dist/gather.h"

#include <gtest/gtest.h>

#include "tests/thread_ranks.h"

namespace usam::dist {
namespace {

TEST(Gather, TextsOfAnyBytesAndLengths) {
  for (const int64_t world : {1, 3}) {
    std::vector<std::string> given = {std::string("rank \xc3\xa4\0\xff", 9), "", "two"};
    given.resize(static_cast<size_t>(world));
    test::on_threads(world, [&](Communicator& ranks) {
      EXPECT_EQ(gather_texts(given[static_cast<size_t>(ranks.rank())], ranks), given);
    });
  }
  test::on_threads(2, [](Communicator& ranks) {
    EXPECT_EQ(gather_texts("", ranks), std::vector<std::string>(2));  // nobody says anything
  });
}

TEST(Gather, TensorsOfUnequalSizes) {
  test::on_threads(3, [](Communicator& ranks) {
    const auto make = [](int64_t rank) { return torch::arange(6 * rank).view({2 * rank, 3}) + 0.5; };
    const auto mine = make(ranks.rank()).t().contiguous().t().requires_grad_();  // strided
    const auto all = gather_unequal(mine, ranks);
    ASSERT_EQ(all.size(), 3U);
    for (size_t rank = 0; rank < 3; ++rank) {
      EXPECT_TRUE(all[rank].equal(make(static_cast<int64_t>(rank)))) << rank;
      EXPECT_FALSE(all[rank].requires_grad());
    }
  });
  test::on_threads(2, [](Communicator& ranks) {
    const auto empty = torch::zeros({0, 2 + ranks.rank()}, torch::kInt64);
    const auto all = gather_unequal(empty, ranks);
    EXPECT_EQ(all[1].sizes(), torch::IntArrayRef({0, 3}));
    EXPECT_EQ(all[0].sizes(), torch::IntArrayRef({0, 2}));
  });
}

}  // namespace
}  // namespace usam::dist
