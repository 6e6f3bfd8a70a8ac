// The wheel carries c10d's Gloo but not gloo's headers, which come from the system; nothing of the system's gloo is
// linked.
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include "src/dist/process_ranks.h"

#include <gloo/transport/device.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USAM_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <cstdlib>

#include "src/base/error.h"
#include "src/base/text.h"

namespace usam::dist {
namespace {

using Gloo = c10d::ProcessGroupGloo;

class Operation final : public Pending {
 public:
  // `start` gives c10d's work.
  template <class Start>
  Operation(ActivityMonitor& monitor, Start start) : monitor_(monitor) {
    monitor.comes();
    work_ = start();
  }
  void wait() override {
    const Wait wait(monitor_);
    work_->wait();
  }

 private:
  ActivityMonitor& monitor_;
  c10::intrusive_ptr<c10d::Work> work_;
};

// The collectives' own limit is the last resort: what hangs is found, and told, long before (heartbeat.h).
std::chrono::milliseconds last_resort(const Patience& patience) {
  return patience.for_others * 20;
}

// When a rank or the store goes away, c10d writes warnings with stack traces; the Heartbeat says it in a sentence.
void quieten_c10d() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL"))
    c10::initLogging();
  else
    FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

c10::intrusive_ptr<c10d::Store> meeting_point(const Launch& launch, std::chrono::milliseconds patience, bool serves) {
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = serves;
  options.waitWorkers = false;  // connecting waits for everybody anyway
  options.timeout = patience;
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(launch.host, options);
    return c10::make_intrusive<c10d::PrefixStore>("usam/" + launch.life, store);
  } catch (const c10::Error& e) {
    user_error("Rank {} of {} cannot {} {}:{} (MASTER_ADDR, MASTER_PORT), where the ranks meet: {}", launch.rank,
               launch.world, options.isServer ? "open" : "reach", launch.host, launch.port, e.what_without_backtrace());
  }
}

using Devices = std::vector<std::shared_ptr<::gloo::transport::Device>>;

// GLOO_SOCKET_IFNAME where it is set; the loopback where all ranks meet there; else what the host's name resolves to.
Devices network(const Launch& launch) {
  Devices devices;
  if (const char* names = std::getenv("GLOO_SOCKET_IFNAME"); names && *names) {
    for (const std::string& name : split(names, ',')) try {
        if (!name.empty()) devices.push_back(Gloo::createDeviceForInterface(name));
      } catch (const std::exception&) {  // of gloo's own
        user_error(
            "GLOO_SOCKET_IFNAME = {}: this machine has no network interface '{}' with an address. Name one that `ip "
            "address` shows, or unset the variable.",
            names, name);
      }
    return devices;
  }
  const bool is_local = launch.host == "localhost" || launch.host.starts_with("127.");
  try {
    devices.push_back(is_local ? Gloo::createDeviceForHostname("127.0.0.1") : Gloo::createDefaultDevice());
  } catch (const std::exception&) {
    user_error(
        "The name of this machine leads to no network that Gloo can use. Set GLOO_SOCKET_IFNAME to an interface that "
        "`ip address` shows.");
  }
  return devices;
}

c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, const Launch& launch,
                                            std::chrono::milliseconds patience, Devices devices) {
  auto options = Gloo::Options::create(patience);
  options->devices = std::move(devices);
  return c10::make_intrusive<Gloo>(c10::make_intrusive<c10d::PrefixStore>("gloo/", store),
                                   static_cast<int>(launch.rank), static_cast<int>(launch.world), options);
}

#ifdef USAM_CUDA
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, const Launch& launch,
                                            std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl/", store),
                                                     static_cast<int>(launch.rank), static_cast<int>(launch.world),
                                                     options);
}
#endif

}  // namespace

ProcessRanks::ProcessRanks(const Launch& launch, const Patience& patience) : rank_(launch.rank), world_(launch.world) {
  using Group = c10d::ProcessGroup;
  quieten_c10d();
  auto devices = network(launch);
  auto store = meeting_point(launch, patience.for_others, launch.rank == 0 && !launch.agent_serves);
  group_ = c10::make_intrusive<Group>(store, static_cast<int>(rank_), static_cast<int>(world_));
  group_->setDefaultBackend(Group::BackendType::GLOO);
  try {
    const auto gloo = make_gloo(store, launch, patience.for_others, std::move(devices));
    gloo->setTimeout(last_resort(patience));  // it has connected
    group_->setBackend(c10::kCPU, Group::BackendType::GLOO, gloo);
  } catch (const c10::Error& e) {
    user_error("Rank {} of {} cannot connect to the other ranks: {}", rank_, world_, e.what_without_backtrace());
  }
#ifdef USAM_CUDA
  if (const auto device = local_device(launch); device.is_cuda()) {
    c10::cuda::set_device(device.index());
    group_->setBoundDeviceId(device);
    group_->setBackend(c10::kCUDA, Group::BackendType::NCCL, make_nccl(store, launch, last_resort(patience)));
  }
#endif
  // A connection of its own, which never waits behind the operations' traffic, nor longer than a sign may take.
  heartbeat_ = std::make_unique<Heartbeat>(
      c10::make_intrusive<c10d::PrefixStore>("heartbeat/", meeting_point(launch, patience.for_signs, false)),
      Seat{rank_, world_, launch.agent_serves ? fmt::format("torchrun at {}:{}", launch.host, launch.port) : ""},
      monitor(), patience);
  barrier();  // rank 0 may serve the store: it must not be done before the others have connected
}

c10::intrusive_ptr<c10d::Backend> ProcessRanks::backend_of(const torch::Tensor& tensor) const {
  return group_->getBackend(tensor.device().type());
}

void ProcessRanks::all_reduce(torch::Tensor& tensor) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> dense = {tensor.detach().contiguous()};
  sends(static_cast<int64_t>(tensor.nbytes()), 2);
  Operation(monitor(), [&] { return backend_of(tensor)->allreduce(dense); }).wait();
  if (dense[0].data_ptr() != tensor.data_ptr()) tensor.copy_(dense[0]);
}

std::vector<torch::Tensor> ProcessRanks::all_gather(const torch::Tensor& tensor) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> mine = {tensor.detach().contiguous()};
  std::vector<std::vector<torch::Tensor>> all(1);
  for (int64_t rank = 0; rank < world_; ++rank) all[0].push_back(torch::empty_like(mine[0]));
  sends(static_cast<int64_t>(tensor.nbytes()) * world_, 1);
  Operation(monitor(), [&] { return backend_of(tensor)->allgather(all, mine); }).wait();
  return all[0];
}

std::unique_ptr<Pending> ProcessRanks::start_gather(torch::Tensor& all, const torch::Tensor& mine) {
  torch::NoGradGuard no_grad;
  torch::Tensor from = mine.detach();
  sends(static_cast<int64_t>(all.nbytes()), 1);
  return std::make_unique<Operation>(monitor(), [&] { return backend_of(all)->_allgather_base(all, from); });
}

std::unique_ptr<Pending> ProcessRanks::start_scatter_sum(torch::Tensor& mine, torch::Tensor& all) {
  torch::NoGradGuard no_grad;
  sends(static_cast<int64_t>(all.nbytes()), 1);
  return std::make_unique<Operation>(monitor(), [&] { return backend_of(all)->_reduce_scatter_base(mine, all); });
}

void ProcessRanks::barrier() {
  Operation(monitor(), [&] { return group_->getBackend(c10::kCPU)->barrier(); }).wait();
}

std::shared_ptr<Communicator> connect(const Launch& launch, const Patience& patience) {
  return launch.world == 1 ? single_rank() : std::make_shared<ProcessRanks>(launch, patience);
}

}  // namespace usam::dist
