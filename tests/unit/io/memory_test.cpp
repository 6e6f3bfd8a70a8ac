// What loading costs: resident memory that belongs to this process alone, sampled while it happens.
#include <atomic>
#include <thread>

#include "src/io/weights.h"
#include "tests/sanitizer.h"
#include "tests/support.h"

namespace usam::io {
namespace {

constexpr int64_t kTensors = 32, kSide = 1024;  // 4 MiB each in fp32
constexpr int64_t kMiB = 1 << 20;

// RssAnon + RssShmem of this process, in bytes.
int64_t private_memory() {
  std::ifstream status("/proc/self/status");
  int64_t kilobytes = 0;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:") || line.starts_with("RssShmem:"))
      kilobytes += std::stoll(line.substr(line.find(':') + 1));
  return 1024 * kilobytes;
}

// The highest value between construction and stop(), above that at construction.
class Peak {
 public:
  int64_t stop() {
    is_over_ = true;
    sampler_.join();
    return highest_ - start_;
  }

 private:
  int64_t start_ = private_memory();
  std::atomic<int64_t> highest_ = start_;
  std::atomic<bool> is_over_ = false;
  std::thread sampler_{[this] {
    while (!is_over_) highest_ = std::max(highest_.load(), private_memory());
    highest_ = std::max(highest_.load(), private_memory());
  }};
};

struct BigNet : torch::nn::Module {
  BigNet() {
    for (int64_t i = 0; i < kTensors; ++i) register_parameter("w" + std::to_string(i), torch::empty({kSide, kSide}));
  }
};

class Memory : public testing::Test {
 protected:
  void write(torch::ScalarType dtype) {
    const auto one = torch::rand({kSide, kSide}).to(dtype);
    NamedTensors tensors;
    for (int64_t i = 0; i < kTensors; ++i) tensors.emplace_back("w" + std::to_string(i), one);
    write_safetensors(path_, tensors);
  }
  // Peak of private memory beyond that before, in MiB.
  int64_t load(torch::ScalarType keep_as, LoadReport& report) {
    BigNet net;
    Peak peak;
    LoadOptions options;
    options.keep_as = keep_as;
    report = load_weights(net, WeightFiles(path_), options);
    return peak.stop() / kMiB;
  }
  test::TemporaryFolder folder_;
  const std::string path_ = folder_.path() / "model.safetensors";
  LoadReport report_;
};

TEST_F(Memory, WeightsOfTheFilesTypeStayInTheFile) {
  USAM_NEEDS_THE_SYSTEMS_ALLOCATOR();
  write(torch::kFloat);
  EXPECT_LT(load(torch::kFloat, report_), 8);
  EXPECT_EQ(report_.mapped_bytes, 128 * kMiB);
  EXPECT_EQ(report_.bytes, 128 * kMiB);
}

TEST_F(Memory, ConvertedWeightsAreThereOnceAndTheirSourceNotAtAll) {
  USAM_NEEDS_THE_SYSTEMS_ALLOCATOR();
  write(torch::kBFloat16);
  const int64_t grown = load(torch::kFloat, report_);
  EXPECT_GE(grown, 120);
  EXPECT_LT(grown, 128 * 11 / 10);
  EXPECT_EQ(report_.mapped_bytes, 0);
  write(torch::kFloat);
  const int64_t halved = load(torch::kBFloat16, report_);
  EXPECT_LT(halved, 64 * 11 / 10 + 8);
  EXPECT_EQ(report_.bytes, 64 * kMiB);
}

}  // namespace
}  // namespace usam::io
