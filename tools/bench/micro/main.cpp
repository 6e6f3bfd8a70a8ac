// google-benchmark's own options hold: --benchmark_filter, --benchmark_min_time, --benchmark_out. One thread.
#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <cstdlib>

#include "tools/bench/micro/micro.h"

int main(int argc, char** argv) {
  torch::set_num_threads(1);
  torch::manual_seed(20);
  const char* tokenizer = std::getenv("USAM_BENCH_TOKENIZER");
  usam::bench::register_features();
  usam::bench::register_text(tokenizer ? tokenizer : "");
  usam::bench::register_losses();
  usam::bench::register_model();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
