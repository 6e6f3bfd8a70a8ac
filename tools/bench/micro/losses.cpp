// B samples, T frames, W text tokens, D width, N supervised positions, V vocabulary.
#include <benchmark/benchmark.h>

#include "losses/cross_entropy.h"
#include "losses/saclm.h"
#include "tools/bench/micro/micro.h"

namespace usam::bench {
namespace {

// "items" are samples.
void saclm(benchmark::State& state) {
  const int64_t B = state.range(0), T = 30, W = 15, D = state.range(1);
  losses::Saclm loss(losses::SaclmConfig{}, D);
  const auto audio_BTD = torch::randn({B, T, D}, torch::requires_grad());
  const auto lengths_B = torch::arange(B).remainder(10) + T - 9;
  const Frames audio{audio_BTD, lengths_B, 2.5};
  const losses::TextTokens text{torch::randn({B, W, D}), torch::ones({B, W}, torch::kBool)};
  const losses::Pool pool{.text = text, .same_text_NN = torch::eye(B).to(torch::kBool)};
  for (auto _ : state) {
    torch::Tensor sum;
    for (const Term& term : loss->forward(audio, pool).terms) sum = sum.defined() ? sum + term.sum : term.sum;
    sum.backward();
    audio_BTD.mutable_grad().reset();
    loss->zero_grad();
  }
  state.SetItemsProcessed(state.iterations() * B);
}

// "items" are supervised positions.
void cross_entropy(benchmark::State& state) {
  const int64_t N = 60, V = state.range(0);
  const auto logits_NV = torch::randn({N, V}, torch::requires_grad());
  const auto targets_N = torch::arange(N);
  for (auto _ : state) {
    losses::cross_entropy(logits_NV, targets_N, {}).sum.backward();
    logits_NV.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * N);
}

}  // namespace

void register_losses() {
  benchmark::RegisterBenchmark("saclm", saclm)
      ->Args({4, 64})
      ->Args({4, 896})
      ->Args({16, 896})
      ->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("cross_entropy", cross_entropy)->Arg(1000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
}

}  // namespace usam::bench
