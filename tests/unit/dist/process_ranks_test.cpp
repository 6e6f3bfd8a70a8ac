#include "src/dist/process_ranks.h"

#include <arpa/inet.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <set>

#include "src/base/error.h"
#include "tests/support.h"

namespace usam::dist {
namespace {

uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

struct Ended {
  int status;
  std::string text;
};

// Starts `world` processes of dist_rank that meet at the loopback and waits for them.
std::vector<Ended> run_ranks(int world, uint16_t port, const std::string& mode, const std::string& more = "") {
  test::TemporaryFolder folder;
  std::vector<pid_t> processes;
  for (int rank = 0; rank < world; ++rank) {
    const std::string command = "exec env RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(world) +
                                " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " OMP_NUM_THREADS=1 " +
                                more + " " + USAM_DIST_RANK + " " + mode + " > " +
                                (folder.path() / std::to_string(rank)).string() + " 2>/dev/null";
    const char* arguments[] = {"sh", "-c", command.c_str(), nullptr};
    pid_t process = 0;
    EXPECT_EQ(posix_spawn(&process, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ), 0);
    processes.push_back(process);
  }
  std::vector<Ended> ended;
  for (int rank = 0; rank < world; ++rank) {
    int status = 0;
    waitpid(processes[static_cast<size_t>(rank)], &status, 0);
    std::ifstream stream(folder.path() / std::to_string(rank));
    ended.push_back(
        {WIFEXITED(status) ? WEXITSTATUS(status) : -1, std::string(std::istreambuf_iterator<char>(stream), {})});
  }
  return ended;
}

void expect_fine(const std::vector<Ended>& ranks) {
  std::set<std::string> digests;
  for (size_t i = 0; i < ranks.size(); ++i) {
    EXPECT_EQ(ranks[i].status, 0) << ranks[i].text;
    const std::string begin = "rank " + std::to_string(i) + " of " + std::to_string(ranks.size()) + " on ";
    EXPECT_TRUE(ranks[i].text.starts_with(begin)) << ranks[i].text;
    EXPECT_NE(ranks[i].text.find(": fine, digest "), std::string::npos) << ranks[i].text;
    digests.insert(ranks[i].text.substr(ranks[i].text.find("digest")));
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
  EXPECT_EQ(ranks[0].status, 3) << ranks[0].text;
}

TEST(ProcessRanks, NamesTheAddressThatItCannotReach) {
  Launch launch;
  launch.rank = 1;
  launch.world = 2;
  launch.host = "127.0.0.1";
  launch.port = free_port();
  try {
    ProcessRanks ranks(launch, std::chrono::seconds(1));
    FAIL() << "connected to nobody";
  } catch (const UserError& e) {
    EXPECT_TRUE(std::string(e.what()).starts_with("Rank 1 of 2 cannot reach 127.0.0.1:" + std::to_string(launch.port) +
                                                  " (MASTER_ADDR, MASTER_PORT), where the ranks meet: "))
        << e.what();
  }
}

TEST(ProcessRanks, RunUnderTorchrun) {
  const char* set = std::getenv("USAM_VENV");
  const std::string torchrun = std::string(set ? set : ".venv") + "/bin/torchrun";
  if (!std::filesystem::exists(torchrun))
    GTEST_SKIP() << "needs the virtual environment with torch (tools/setup; set USAM_VENV)";
  test::TemporaryFolder folder;
  const std::string output = folder.path() / "out";
  const std::string command =
      torchrun + " --no-python --standalone --nproc-per-node 2 " + USAM_DIST_RANK + " exchange > " + output + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream stream(output);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  for (const char* rank : {"rank 0 of 2 on ", "rank 1 of 2 on "}) EXPECT_NE(text.find(rank), text.npos) << text;
}

}  // namespace
}  // namespace usam::dist
