#include "trainer/agreement.h"

#include <thread>

#include "tests/support.h"

namespace usam {
namespace {

std::vector<std::string> messages(const std::vector<Agreement>& said) {
  const auto ranks = dist::thread_ranks(static_cast<int64_t>(said.size()));
  std::vector<std::string> heard(said.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < said.size(); ++i)
    threads.emplace_back([&, i] { heard[i] = test::message_of([&] { require_agreement(said[i], *ranks[i]); }); });
  for (auto& thread : threads) thread.join();
  return heard;
}

TEST(Agreement, IsRequiredOfEveryRank) {
  const Agreement first = {{"config", "a"}, {"step", "1"}}, same = first;
  const Agreement other = {{"config", "b"}, {"step", "2"}}, ahead = {{"config", "a"}, {"step", "2"}};
  for (const auto& message : messages({first, same})) EXPECT_EQ(message, "");
  for (const auto& message : messages({first, same, other, ahead}))
    EXPECT_EQ(message,
              "The ranks were not started alike: rank 2 has another config and step and rank 3 has another step than "
              "rank 0. Start all with the same command and the same files.");
}

}  // namespace
}  // namespace usam
