#include "trainer/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "tests/sanitizer.h"

namespace usam {
namespace {

// Holes under a block that lives: 64 MiB that a program's allocator would keep.
TEST(Memory, SpareMemoryGoesBackWhereItIsMuchAndTheStepLong) {
  USAM_NEEDS_THE_SYSTEMS_ALLOCATOR();
  constexpr int64_t kBlock = 64 << 10, kBlocks = 1024;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int64_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique_for_overwrite<char[]>(kBlock));
    std::memset(blocks.back().get(), 1, kBlock);
  }
  const auto last = std::move(blocks.back());
  blocks.clear();
  const int64_t before = resident_memory().own, spare = kBlock * kBlocks;
  give_back_spare_memory(/*step_seconds=*/3600, 2 * before);
  give_back_spare_memory(/*step_seconds=*/0.01, spare / 2);
  EXPECT_GT(resident_memory().own, before - spare / 8);
  give_back_spare_memory(/*step_seconds=*/3600, spare / 2);
  EXPECT_LT(resident_memory().own, before - spare * 3 / 4);
  EXPECT_EQ(last[0], 1);
}

}  // namespace
}  // namespace usam
