#pragma once
#include <cmath>
#include <memory>

#include "src/base/log.h"
#include "src/dist/process_ranks.h"

namespace usam {

// The ranks of this run. Only the first one tells what is going on; the others speak up when something is wrong.
inline std::shared_ptr<dist::Communicator> join_ranks(const dist::Launch& launch, double patience) {
  if (launch.world > 1) log::set_prefix(fmt::format("[rank {}] ", launch.rank));
  if (launch.rank > 0 && log::level() < log::Level::kWarn) log::set_level(log::Level::kWarn);
  dist::Patience limits;
  limits.for_signs = std::chrono::milliseconds(std::llround(1000 * patience));
  return dist::connect(launch, limits);
}

}  // namespace usam
