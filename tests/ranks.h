#pragma once
// Programs that run as several ranks on this machine.
#include <arpa/inet.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "tests/support.h"

namespace usam::test {

// The virtual environment's torchrun, or "" where there is none.
inline std::string torchrun() {
  const char* set = std::getenv("USAM_VENV");
  const std::string path = std::filesystem::absolute(set ? set : ".venv").string() + "/bin/torchrun";
  return std::filesystem::exists(path) ? path : "";
}
#define USAM_NEEDS_TORCHRUN()         \
  if (usam::test::torchrun().empty()) \
  GTEST_SKIP() << "needs the virtual environment with torch (tools/setup; set USAM_VENV)"

// A port that nobody listens on at the moment.
inline uint16_t free_port() {
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

struct EndedRank {
  int status;  // exit code; -1 after a signal
  std::string output, errors;
};

// A command line as `world` processes that meet at the loopback, as a launcher would start them.
class Ranks {
 public:
  Ranks(int world, uint16_t port, const std::string& command) {
    for (int rank = 0; rank < world; ++rank) {
      const std::string line = "exec env RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(world) +
                               " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " OMP_NUM_THREADS=1 " +
                               command + " > " + file(rank, ".out") + " 2> " + file(rank, ".err");
      const char* arguments[] = {"sh", "-c", line.c_str(), nullptr};
      pid_t process = 0;
      EXPECT_EQ(posix_spawn(&process, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ), 0);
      processes_.push_back(process);
    }
  }
  ~Ranks() {
    for (const pid_t process : processes_) {
      if (process == 0) continue;
      kill(process, SIGKILL);
      waitpid(process, nullptr, 0);
    }
  }
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  void send(int rank, int signal) const { EXPECT_EQ(kill(processes_.at(static_cast<size_t>(rank)), signal), 0); }
  // Waits for one of them.
  EndedRank wait_for(int rank) {
    pid_t& process = processes_.at(static_cast<size_t>(rank));
    int status = 0;
    waitpid(process, &status, 0);
    process = 0;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text(file(rank, ".out")), text(file(rank, ".err"))};
  }
  // Waits for all.
  std::vector<EndedRank> wait() {
    std::vector<EndedRank> ended;
    for (size_t rank = 0; rank < processes_.size(); ++rank) ended.push_back(wait_for(static_cast<int>(rank)));
    return ended;
  }

 private:
  std::string file(int rank, const char* kind) const {
    return (folder_.path() / (std::to_string(rank) + kind)).string();
  }
  static std::string text(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  TemporaryFolder folder_;
  std::vector<pid_t> processes_;
};

inline std::vector<EndedRank> run_ranks(int world, uint16_t port, const std::string& command) {
  return Ranks(world, port, command).wait();
}

}  // namespace usam::test
