#include "trainer/rank_file.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "src/base/json.h"
#include "src/base/log.h"
#include "src/base/machine.h"

namespace usam {

RankFile::RankFile(const std::string& run, dist::Communicator& ranks, torch::Device device,
                   std::chrono::milliseconds every)
    : folder_(run + "/ranks"), name_(fmt::format("rank-{}.json", ranks.rank())), ranks_(ranks), device_(device) {
  thread_ = std::thread([this, every] {
    std::unique_lock lock(mutex_);
    do {
      lock.unlock();
      write();
      lock.lock();
    } while (!changed_.wait_for(lock, every, [this] { return ends_; }));
    write();
  });
}

RankFile::~RankFile() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// Whole or absent to readers, but not synced: a power cut may take it.
void RankFile::write() {
  namespace fs = std::filesystem;
  const dist::ActivityMonitor::View view = ranks_.monitor().view();
  const PeakMemory memory = peak_memory(device_);
  const Json json = {{"rank", ranks_.rank()},
                     {"world", ranks_.world()},
                     {"host", host_name()},
                     {"pid", getpid()},
                     {"time", utc_time()},
                     {"step", view.activity.step},
                     {"phase", view.activity.phase},
                     {"keys", view.activity.keys},
                     {"seconds", std::chrono::duration<double>(view.stood).count()},
                     {"operations", view.operations},
                     {"memory", {{"host", memory.host}, {"device", memory.device}}}};
  const std::string path = folder_ + "/" + name_, aside = folder_ + "/." + name_;
  std::error_code error;
  fs::create_directories(folder_, error);
  std::ofstream stream(aside, std::ios::binary);
  stream << to_line(json) << "\n";
  stream.close();
  if (stream) fs::rename(aside, path, error);
  if ((stream && !error) || is_warned_) return;
  is_warned_ = true;
  log::warn("{} cannot be written; the run goes on without it.", path);
}

}  // namespace usam
