#include "src/dist/communicator.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/dist/exchange.h"

namespace usam::dist {
namespace {

TEST(Communicator, OneRankAloneSpeaksToItself) {
  auto alone = single_rank();
  EXPECT_EQ(test::exchange(*alone), "");
  EXPECT_EQ(test::sum_gradients(alone), "");
  const auto x = torch::ones({2}).requires_grad_();
  auto copy = alone->all_gather(x)[0];
  EXPECT_FALSE(copy.requires_grad());
  copy.fill_(5);
  EXPECT_EQ(x[0].item<float>(), 1);
}

TEST(Communicator, ThreadsExchangeLikeProcesses) {
  for (int64_t world : {1, 2, 3}) {
    auto ranks = thread_ranks(world);
    std::vector<std::string> problems(ranks.size()), digests(ranks.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < ranks.size(); ++i)
      threads.emplace_back([&, i] {
        for (int round = 0; round < 50 && problems[i].empty(); ++round)
          problems[i] = test::exchange(*ranks[i], &digests[i]);
        problems[i] += test::sum_gradients(ranks[i]);
      });
    for (auto& thread : threads) thread.join();
    for (size_t i = 0; i < ranks.size(); ++i) {
      EXPECT_EQ(problems[i], "") << i;
      EXPECT_EQ(digests[i], digests[0]);
    }
  }
}

}  // namespace
}  // namespace usam::dist
