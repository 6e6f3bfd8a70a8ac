#pragma once
#include <cmath>
#include <memory>

#include "recipes/run.h"
#include "src/base/log.h"
#include "src/dist/process_ranks.h"

namespace usam {

// The ranks of this run. Only the first one tells what is going on; the others speak up when something is wrong.
inline std::shared_ptr<dist::Communicator> join_ranks(const dist::Launch& launch,
                                                      const recipes::ParallelConfig& config) {
  if (launch.world > 1) log::set_prefix(fmt::format("[rank {}] ", launch.rank));
  if (launch.rank > 0 && log::level() == log::Level::kInfo) log::set_level(log::Level::kWarn);
  dist::Patience limits;
  limits.for_signs = std::chrono::milliseconds(std::llround(1000 * config.patience));
  limits.for_others = std::chrono::milliseconds(std::llround(1000 * config.timeout));
  auto ranks = dist::connect(launch, limits);
  ranks->monitor().at({0, "opening data and models", {}, 10});
  return ranks;
}

}  // namespace usam
