// dist_rank MODE: exchange = every operation once, prints a digest; die = rank 1 leaves before a sum.
#include <cstdio>
#include <cstring>
#include <exception>

#include "src/base/error.h"
#include "src/dist/process_ranks.h"
#include "tests/unit/dist/exchange.h"

int main(int argc, char** argv) {
  try {
    const auto launch = usam::dist::read_launch();
    const auto all = std::make_shared<usam::dist::ProcessRanks>(launch, usam::dist::Patience{std::chrono::seconds(20)});
    auto& ranks = *all;
    if (argc > 1 && std::strcmp(argv[1], "die") == 0) {
      if (ranks.rank() == 1) _exit(9);
      auto x = torch::ones({1});
      ranks.all_reduce(x);
      return 0;
    }
    std::string digest;
    std::string problem = usam::test::exchange(ranks, &digest);
    if (problem.empty()) problem = usam::test::sum_gradients(all);
    uint64_t hash = 0xcbf29ce484222325;
    for (unsigned char byte : digest) hash = (hash ^ byte) * 0x100000001b3;
    std::printf("rank %ld of %ld on %s: %s, digest %016lx\n", static_cast<long>(ranks.rank()),
                static_cast<long>(ranks.world()), usam::dist::local_device(launch).str().c_str(),
                problem.empty() ? "fine" : problem.c_str(), static_cast<unsigned long>(hash));
    return problem.empty() ? 0 : 1;
  } catch (const usam::UserError& e) {
    std::printf("%s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::printf("%s\n", e.what());
    return 3;
  }
}
