#pragma once
// The machine that a program runs on, and its clock.
#include <string>
#include <vector>

namespace usam {

std::string host_name();  // "" where it has none
// "2026-02-03T04:05:06Z"
std::string utc_time();
// What Linux calls the processor; "" where it does not say.
std::string processor_name();
// What the NVIDIA driver calls its GPUs, in its order; none without a driver.
std::vector<std::string> gpu_names();

}  // namespace usam
