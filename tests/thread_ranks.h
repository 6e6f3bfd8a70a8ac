#pragma once
#include <functional>
#include <thread>
#include <vector>

#include "src/dist/communicator.h"

namespace usam::test {

// `work` on each of so many ranks, which are threads of this process.
inline void on_threads(int64_t world, const std::function<void(dist::Communicator&)>& work) {
  std::vector<std::thread> threads;
  for (const auto& rank : dist::thread_ranks(world)) threads.emplace_back([&work, rank] { work(*rank); });
  for (auto& thread : threads) thread.join();
}

}  // namespace usam::test
