// What is told of the device that a run is on.
#include "recipes/start.h"

#include <gtest/gtest.h>

namespace usam::recipes {
namespace {

TEST(Start, GpusThatAreLeftAloneAreTold) {
  const std::vector<std::string> one = {"NVIDIA H100"}, two = {"NVIDIA L4", "NVIDIA L40"};
  EXPECT_EQ(idle_gpus(torch::kCPU, one, /*is_cuda_build=*/false),
            "This machine has a GPU (NVIDIA H100), but this program was built for the CPU alone: build it with "
            "`USAM_CUDA=1 make build`.");
  EXPECT_EQ(idle_gpus(torch::kCPU, two, /*is_cuda_build=*/true),
            "This machine has GPUs (NVIDIA L4 and NVIDIA L40), but CUDA sees none: look at CUDA_VISIBLE_DEVICES and at "
            "what nvidia-smi says.");
  EXPECT_EQ(idle_gpus({torch::kCUDA, 0}, two, true), "");
  EXPECT_EQ(idle_gpus(torch::kCPU, {}, false), "");
}

}  // namespace
}  // namespace usam::recipes
