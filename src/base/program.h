#pragma once
#include <functional>
#include <string>

namespace usam {

// Exit codes of every program.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUserError = 2;   // a mistake that the user can mend; CLI11's own codes too
inline constexpr int kPreempted = 75;  // stopped by a signal with everything saved: run again to continue

// The body of a main(): runs `program` and gives its exit code. A UserError is printed to standard error as it is and
// gives 2, any other exception gives 1; torch's stack traces are shown under USAM_LOG=debug alone.
int run_program(const std::function<int()>& program);

// "usam 0.1.0 (1071a65)": the project's version and the commit it was configured from.
std::string version();
// The same, and a line each for the LibTorch, the CUDA and the NCCL that the programs were built with ("none").
std::string versions();

}  // namespace usam
