#include "src/tensor/untouched.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace usam {
namespace {

int64_t resident_bytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(UntouchedZeros, TakeMemoryWhereTheyAreWritten) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  const int64_t before = resident_bytes(), living = untouched_bytes();
  auto x = untouched_zeros({64, kMiB / 4});
  EXPECT_LT(resident_bytes() - before, 8 * kMiB);
  EXPECT_EQ(untouched_bytes() - living, 64 * kMiB);
  x.narrow(0, 0, 32).fill_(1);
  EXPECT_GE(resident_bytes() - before, 32 * kMiB);
  EXPECT_LT(resident_bytes() - before, 48 * kMiB);
  EXPECT_EQ(x.sum().item<double>(), 32.0 * kMiB / 4);
  const auto second = x;
  x.reset();
  EXPECT_EQ(untouched_bytes() - living, 64 * kMiB);
  EXPECT_EQ(second.narrow(0, 31, 2).sum().item<double>(), kMiB / 4);
}

TEST(UntouchedZeros, GiveTheirMemoryBack) {
  const int64_t living = untouched_bytes();
  untouched_zeros({int64_t{1} << 22});
  EXPECT_EQ(untouched_bytes(), living);
}

// Whatever the size, on both sides of that from which the system is asked.
TEST(UntouchedZeros, AreZerosOfTheType) {
  for (int64_t count : {0, 3, 1 << 20, (1 << 21) + 5})
    for (auto type : {torch::kFloat, torch::kBFloat16, torch::kLong}) {
      const auto x = untouched_zeros({count}, torch::dtype(type));
      EXPECT_EQ(x.scalar_type(), type);
      EXPECT_TRUE(x.equal(torch::zeros({count}, type)));
    }
  EXPECT_TRUE(untouched_zeros({1 << 22}, torch::device(torch::kMeta)).is_meta());
}

}  // namespace
}  // namespace usam
