#include "src/dist/process_ranks.h"

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <set>

#include "src/base/error.h"
#include "tests/ranks.h"

namespace usam::dist {
namespace {

using test::free_port;

std::vector<test::EndedRank> run_ranks(int world, uint16_t port, const std::string& mode,
                                       const std::string& more = "") {
  return test::run_ranks(world, port, more + " " + USAM_DIST_RANK + " " + mode);
}

void expect_fine(const std::vector<test::EndedRank>& ranks) {
  std::set<std::string> digests;
  for (size_t i = 0; i < ranks.size(); ++i) {
    EXPECT_EQ(ranks[i].status, 0) << ranks[i].output;
    const std::string begin = "rank " + std::to_string(i) + " of " + std::to_string(ranks.size()) + " on ";
    EXPECT_TRUE(ranks[i].output.starts_with(begin)) << ranks[i].output;
    EXPECT_NE(ranks[i].output.find(": fine, digest "), std::string::npos) << ranks[i].output;
    digests.insert(ranks[i].output.substr(ranks[i].output.find("digest")));
  }
  EXPECT_EQ(digests.size(), 1);  // the same bits everywhere
}

TEST(ProcessRanks, TwoAndThreeProcessesExchangeOverGloo) {
  expect_fine(run_ranks(2, free_port(), "exchange"));
  expect_fine(run_ranks(3, free_port(), "exchange"));
}

TEST(ProcessRanks, NoRankServesTheStoreWhenTheAgentDoes) {
  c10d::TCPStoreOptions options;
  options.isServer = true;
  options.port = 0;
  options.waitWorkers = false;
  const auto agent = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  expect_fine(run_ranks(2, agent->getPort(), "exchange", "TORCHELASTIC_USE_AGENT_STORE=True"));
}

TEST(ProcessRanks, ARankThatDiesStopsTheOthers) {
  const auto ranks = run_ranks(2, free_port(), "die");
  EXPECT_EQ(ranks[1].status, 9);
  EXPECT_EQ(ranks[0].status, 3) << ranks[0].output;
}

TEST(ProcessRanks, NamesTheInterfaceThatItDoesNotHave) {
  for (const auto& rank : run_ranks(2, free_port(), "exchange", "GLOO_SOCKET_IFNAME=lo,eth_none")) {
    EXPECT_EQ(rank.status, 2) << rank.errors;
    EXPECT_EQ(rank.output,
              "GLOO_SOCKET_IFNAME = lo,eth_none: this machine has no network interface 'eth_none' with an address. "
              "Name one that `ip address` shows, or unset the variable.\n");
  }
}

TEST(ProcessRanks, NamesTheAddressThatItCannotReach) {
  Launch launch;
  launch.rank = 1;
  launch.world = 2;
  launch.host = "127.0.0.1";
  launch.port = free_port();
  try {
    ProcessRanks ranks(launch, {std::chrono::seconds(1)});
    FAIL() << "connected to nobody";
  } catch (const UserError& e) {
    EXPECT_TRUE(std::string(e.what()).starts_with("Rank 1 of 2 cannot reach 127.0.0.1:" + std::to_string(launch.port) +
                                                  " (MASTER_ADDR, MASTER_PORT), where the ranks meet: "))
        << e.what();
  }
}

TEST(ProcessRanks, RunUnderTorchrun) {
  USAM_NEEDS_TORCHRUN();
  test::TemporaryFolder folder;
  const std::string output = folder.path() / "out";
  const std::string command = test::torchrun() + " --no-python --standalone --nproc-per-node 2 " + USAM_DIST_RANK +
                              " exchange > " + output + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream stream(output);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  for (const char* rank : {"rank 0 of 2 on ", "rank 1 of 2 on "}) EXPECT_NE(text.find(rank), text.npos) << text;
}

}  // namespace
}  // namespace usam::dist
