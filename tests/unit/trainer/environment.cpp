// These tests write a hundred small checkpoints, each synced file by file: minutes on a busy disk, nothing in memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace {

class FilesInMemory : public ::testing::Environment {
 public:
  void SetUp() override {
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", /*overwrite=*/0);
  }
};

[[maybe_unused]] const auto* const kRegistered = ::testing::AddGlobalTestEnvironment(new FilesInMemory);

}  // namespace
