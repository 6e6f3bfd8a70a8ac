#include <benchmark/benchmark.h>

#include "data/collate.h"
#include "src/text/tokenizer_config.h"
#include "tools/bench/micro/micro.h"

namespace usam::bench {
namespace {

// Words as often as they come in prose, some made up, numbers, other scripts; so that caches of words both hit and
// miss.
std::string prose(size_t bytes) {
  const std::vector<std::string> words = {"the ",   "of ",     "and ",   "a man ", "speaks ",  "while ",
                                          "music ", "plays, ", "piano ", "loudly", ". A dog ", "barks ",
                                          "naïve ", "Straße ", "今天 ",  "音楽を "};
  std::string text;
  uint32_t state = 20;
  const auto draw = [&state](uint32_t below) { return (state = state * 1664525 + 1013904223) / 7 % below; };
  while (text.size() < bytes) {
    const uint32_t kind = draw(20);
    if (kind == 0) text += std::to_string(draw(100000)) + ".\n";
    if (kind == 1)
      for (uint32_t i = 3 + draw(8); i > 0; --i) text += static_cast<char>('a' + draw(26));
    if (kind > 1) text += words[std::min(draw(16), draw(16))];
  }
  return text;
}

void tokenize(benchmark::State& state, const std::string& folder) {
  const auto tokenizer = open_tokenizer(folder);
  const std::string text = prose(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

// A micro-batch as the usam recipe has it: two log-mels, a wave, ids; "items" are samples.
void collate(benchmark::State& state) {
  const std::vector<data::FieldSpec> specs = {{"whisper", data::Layout::kPadded},
                                              {"ced", data::Layout::kPadded},
                                              {"mert", data::Layout::kPadded},
                                              {"text", data::Layout::kPadded},
                                              {"seconds", data::Layout::kPadded}};
  std::vector<data::Example> examples;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const int64_t tenths = 50 + 7 * (i % 8);
    examples.push_back({{"whisper", torch::rand({10 * tenths, 80})},
                        {"ced", torch::rand({10 * tenths + 1, 64})},
                        {"mert", torch::rand({2400 * tenths})},
                        {"text", torch::arange(20 + i % 8)},
                        {"seconds", torch::tensor({static_cast<float>(tenths) / 10})}});
  }
  for (auto _ : state) benchmark::DoNotOptimize(data::collate(specs, examples));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

void register_text(const std::string& tokenizer_folder) {
  if (!tokenizer_folder.empty())
    benchmark::RegisterBenchmark("tokenizer", tokenize, tokenizer_folder)
        ->Arg(100)
        ->Arg(100'000)
        ->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("collate", collate)->Arg(4)->Arg(16)->Unit(benchmark::kMicrosecond);
}

}  // namespace usam::bench
