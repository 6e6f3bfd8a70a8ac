#pragma once
// A trace of what runs while it lives, in Chrome's format.
#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/torch.h>

#include <set>
#include <string>

namespace usam::bench {

// Operators of the calling thread, and of a CUDA device its kernels. One at a time.
class Profile {
 public:
  Profile(std::string path, torch::Device device) : path_(std::move(path)) {
    using torch::profiler::impl::ActivityType;
    std::set<ActivityType> activities = {ActivityType::CPU};
    if (device.is_cuda()) activities.insert(ActivityType::CUDA);
    const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
    torch::autograd::profiler::prepareProfiler(config, activities);
    torch::autograd::profiler::enableProfiler(config, activities);
  }
  ~Profile() { torch::autograd::profiler::disableProfiler()->save(path_); }
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

 private:
  std::string path_;
};

}  // namespace usam::bench
