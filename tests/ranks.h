#pragma once
// Programs that run as several ranks on this machine.
#include <arpa/inet.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support.h"

namespace usam::test {

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

// Starts a command line as `world` processes that meet at the loopback, as a launcher would, and waits for them.
inline std::vector<EndedRank> run_ranks(int world, uint16_t port, const std::string& command) {
  const TemporaryFolder folder;
  auto file = [&folder](int rank, const char* kind) {
    return (folder.path() / (std::to_string(rank) + kind)).string();
  };
  std::vector<pid_t> processes;
  for (int rank = 0; rank < world; ++rank) {
    const std::string line = "exec env RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(world) +
                             " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " OMP_NUM_THREADS=1 " +
                             command + " > " + file(rank, ".out") + " 2> " + file(rank, ".err");
    const char* arguments[] = {"sh", "-c", line.c_str(), nullptr};
    pid_t process = 0;
    EXPECT_EQ(posix_spawn(&process, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ), 0);
    processes.push_back(process);
  }
  auto text_of = [](const std::string& path) {
    std::ifstream stream(path);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  std::vector<EndedRank> ended;
  for (int rank = 0; rank < world; ++rank) {
    int status = 0;
    waitpid(processes[static_cast<size_t>(rank)], &status, 0);
    ended.push_back(
        {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(file(rank, ".out")), text_of(file(rank, ".err"))});
  }
  return ended;
}

}  // namespace usam::test
