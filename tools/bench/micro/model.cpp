// B rows, T frames or positions, D width.
#include <benchmark/benchmark.h>

#include "src/decode/session.h"
#include "src/models/llama/build.h"
#include "src/nn/qformer.h"
#include "tools/bench/micro/micro.h"
#include "trainer/optimizer.h"

namespace usam::bench {
namespace {

// Forward and backward over 4 clips; "items" are frames.
void qformer(benchmark::State& state) {
  const int64_t B = 4, T = 250, D = state.range(0);
  nn::WindowQFormerConfig config;
  config.hidden = D, config.heads = std::max<int64_t>(1, D / 64), config.dropout = 0;
  nn::WindowQFormer bridge(config, 3 * D);
  const auto x_BTD = torch::randn({B, T, 3 * D});
  const Frames frames{x_BTD, torch::full({B}, T, torch::kLong), 25};
  for (auto _ : state) {
    bridge->forward(frames).x_BTD.sum().backward();
    bridge->zero_grad();
  }
  state.SetItemsProcessed(state.iterations() * B * T);
}

// One token for each of B prompts that hold 40 positions; a session that has 100 of them is begun anew, untimed.
void decode_step(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  llama::Config config;
  config.init = Init::kRandom;
  config.layers = 3, config.hidden = 128, config.heads = 4, config.intermediate = 344;
  const auto model = llama::build(config, llama::kLlama, {.seed = 20, .name = "llm", .vocab_size = 260});
  model->eval();
  const int64_t B = state.range(0), T = 40;
  const auto prompts_BTD = torch::randn({B, T, 128});
  auto options = std::make_shared<decode::Options>();
  options->max_new_tokens = 100;
  std::vector<decode::Request> requests;
  for (int64_t i = 0; i < B; ++i) requests.push_back({.id = i, .options = options});
  std::unique_ptr<decode::Session> session;
  for (auto _ : state) {
    if (!session || session->is_idle()) {
      state.PauseTiming();
      session = std::make_unique<decode::Session>(*model);
      session->add(prompts_BTD, torch::full({B}, T), requests);
      state.ResumeTiming();
    }
    session->step();
  }
  state.SetItemsProcessed(state.iterations() * B);
}

// Clipping and AdamW over so many tensors of 64 x 64; "items" are values.
void optimizer_step(benchmark::State& state) {
  ParameterGroup group;
  for (int64_t i = 0; i < state.range(0); ++i) {
    auto values = torch::randn({64, 64}, torch::requires_grad());
    values.mutable_grad() = torch::randn({64, 64}) * 1e-3;
    group.parameters.emplace_back("p" + std::to_string(i), values);
  }
  const std::vector<ParameterGroup> groups = {group};
  AdamW adamw({}, groups);
  for (auto _ : state) {
    clip_gradients(groups, 1);
    adamw.step(groups, 1e-6);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * 64 * 64);
}

}  // namespace

void register_model() {
  benchmark::RegisterBenchmark("qformer", qformer)->Arg(64)->Arg(768)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("decode_step", decode_step)->Arg(1)->Arg(8)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("optimizer_step", optimizer_step)->Arg(10)->Arg(200)->Unit(benchmark::kMicrosecond);
}

}  // namespace usam::bench
