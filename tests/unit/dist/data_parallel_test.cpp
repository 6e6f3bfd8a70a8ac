// Every strategy makes the steps of one rank that has all the data. B rows, D width.
#include "src/dist/data_parallel.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "src/tensor/block.h"
#include "src/tensor/rng.h"

namespace usam::dist {
namespace {

constexpr int64_t kWidth = 12;

struct LayerImpl : Block {
  torch::nn::Linear in{nullptr}, out{nullptr};
  torch::Tensor scale;  // a parameter without axes
  LayerImpl() {
    in = register_module("in", torch::nn::Linear(kWidth, 20));
    out = register_module("out", torch::nn::Linear(20, kWidth));
    scale = register_parameter("scale", torch::full({}, 0.7));
  }
  torch::Tensor forward(const torch::Tensor& x_BD) {
    return wrapped(x_BD, [&](const torch::Tensor& y_BD) { return y_BD + scale * out(in(y_BD).tanh()); });
  }
};
TORCH_MODULE(Layer);

// Two trained layers around a frozen one, and a frozen layer that sees no gradient at all.
struct ModelImpl : torch::nn::Module {
  torch::nn::Linear embed{nullptr}, head{nullptr};
  Layer encoder{nullptr};
  std::vector<Layer> layers;
  torch::Tensor unused;
  ModelImpl() {
    encoder = register_module("encoder", Layer());
    embed = register_module("embed", torch::nn::Linear(kWidth, kWidth));
    for (const char* name : {"first", "second", "third"}) layers.push_back(register_module(name, Layer()));
    head = register_module("head", torch::nn::Linear(kWidth, 3));
    unused = register_parameter("unused", torch::ones({5}));
    register_buffer("offset", torch::full({kWidth}, 0.1));
    uint64_t seed = 0;  // several threads make models: the default generator would be anybody's
    for (auto& parameter : parameters())
      parameter.set_data(0.3 * torch::randn(parameter.sizes(), generator(draw_key(++seed, "model"))));
    for (auto& parameter : encoder->parameters()) parameter.requires_grad_(false);
    for (auto& parameter : layers[1]->parameters()) parameter.requires_grad_(false);
    embed->bias.requires_grad_(false);
  }
  torch::Tensor loss(const torch::Tensor& rows_BD) {
    torch::Tensor x_BD;
    {
      const torch::NoGradGuard no_grad;
      x_BD = encoder(rows_BD);
    }
    x_BD = embed(x_BD) + named_buffers()["offset"];
    for (auto& layer : layers) x_BD = layer(x_BD);
    return head(x_BD).square().sum();
  }
  NamedParameters trained() {
    NamedParameters all;
    for (const auto& item : named_parameters())
      if (item.value().requires_grad()) all.emplace_back(item.key(), item.value());
    return all;
  }
};
TORCH_MODULE(Model);

constexpr int64_t kSteps = 3, kMicroBatches = 6;  // of a step, over all ranks

torch::Tensor micro_batch(int64_t step, int64_t index) {
  return torch::randn({2, kWidth}, generator(draw_key(7, "rows", step, index)));
}

// What one rank has in the end.
struct Trained {
  std::map<std::string, torch::Tensor> values;  // on the first rank
  double square_of_gradients = 0;               // of this rank's pieces in the last step
  std::string problem;
};

Trained train(Strategy strategy, const std::shared_ptr<Communicator>& ranks, bool is_bf16) {
  Model model;
  const NamedParameters trained = model->trained();
  const auto autocast = is_bf16 ? std::optional(torch::kBFloat16) : std::nullopt;
  const auto parallel = distribute(*model, trained, torch::kCPU, ranks, strategy, autocast);
  at::autocast::set_autocast_enabled(torch::kCPU, is_bf16);  // on this thread
  at::autocast::set_autocast_dtype(torch::kCPU, torch::kBFloat16);
  Trained result;
  for (int64_t step = 0; step < kSteps; ++step) {
    parallel->enter();
    parallel->clear_gradients();
    const int64_t rounds = kMicroBatches / ranks->world();
    for (int64_t round = 0; round < rounds; ++round) {
      auto loss = model->loss(micro_batch(step, round * ranks->world() + ranks->rank()));
      at::autocast::clear_cache();
      if (round == rounds - 1) parallel->expect_last_backward();
      loss.backward();
    }
    parallel->finish();
    parallel->leave();
    const torch::NoGradGuard no_grad;
    result.square_of_gradients = 0;
    for (const Piece& piece : parallel->pieces()) {
      if (!piece.values.grad().defined() || piece.values.grad().sizes() != piece.values.sizes())
        result.problem = piece.name + " has no gradient of its shape";
      else
        result.square_of_gradients += piece.values.grad().square().sum().item<double>();
      torch::Tensor values = piece.values;
      values.sub_(0.003 * piece.values.grad());
    }
    parallel->updated();
    parallel->enter();  // an evaluation
    model->loss(micro_batch(step, 50));
    at::autocast::clear_cache();
    parallel->leave();
  }
  for (const auto& [name, value] : parallel->host_values()) result.values[name] = value;
  if (strategy == Strategy::kFsdp)  // nothing but the own stretches is there
    for (const auto& item : model->named_parameters())
      if (item.value().storage().nbytes() != 0) result.problem = item.key() + " is still whole";
  return result;
}

std::vector<Trained> train_on(Strategy strategy, int64_t world, bool is_bf16 = false) {
  const auto ranks = world == 1 ? std::vector{single_rank()} : thread_ranks(world);
  std::vector<Trained> results(ranks.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < ranks.size(); ++i)
    threads.emplace_back([&, i] { results[i] = train(strategy, ranks[i], is_bf16); });
  for (auto& thread : threads) thread.join();
  return results;
}

TEST(DataParallel, EveryStrategyMakesTheSameSteps) {
  const auto reference = train_on(Strategy::kDdp, 1)[0];
  ASSERT_EQ(reference.values.size(), 14U);
  for (const Strategy strategy : {Strategy::kDdp, Strategy::kZero1, Strategy::kFsdp})
    for (const int64_t world : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << "strategy " << static_cast<int>(strategy) << " on " << world);
      const auto results = train_on(strategy, world);
      double square = 0;
      for (const auto& result : results) {
        EXPECT_EQ(result.problem, "");
        square += result.square_of_gradients;
        if (&result != &results[0]) EXPECT_TRUE(result.values.empty());
      }
      if (strategy == Strategy::kDdp) square = results[0].square_of_gradients;
      EXPECT_NEAR(square, reference.square_of_gradients, 1e-5 * reference.square_of_gradients);
      ASSERT_EQ(results[0].values.size(), reference.values.size());
      for (const auto& [name, value] : reference.values)
        EXPECT_LT((results[0].values.at(name) - value).abs().max().item<double>(), 1e-6) << name;
    }
}

// Blocks that fetch their matrices in bf16 compute what autocast makes of whole fp32 ones.
TEST(DataParallel, FetchesInTheTypeOfAutocast) {
  const auto reference = train_on(Strategy::kDdp, 2, /*is_bf16=*/true)[0];
  const auto fp32 = train_on(Strategy::kDdp, 2)[0];
  const auto sharded = train_on(Strategy::kFsdp, 2, /*is_bf16=*/true)[0];
  EXPECT_EQ(sharded.problem, "");
  double apart = 0;
  for (const auto& [name, value] : reference.values) {
    EXPECT_EQ(sharded.values.at(name).scalar_type(), torch::kFloat) << name;
    EXPECT_LT((sharded.values.at(name) - value).abs().max().item<double>(), 1e-6) << name;
    apart = std::max(apart, (fp32.values.at(name) - value).abs().max().item<double>());
  }
  EXPECT_GT(apart, 1e-4);  // bf16 was at work
}

// What a step's gradients took is free while the next step computes its own.
TEST(DataParallel, ClearedGradientsAreFree) {
  for (const Strategy strategy : {Strategy::kDdp, Strategy::kZero1, Strategy::kFsdp}) {
    Model model;
    const NamedParameters trained = model->trained();
    const auto parallel = distribute(*model, trained, torch::kCPU, single_rank(), strategy);
    parallel->enter();
    parallel->expect_last_backward();
    model->loss(micro_batch(0, 0)).backward();
    parallel->finish();
    parallel->leave();
    std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> storages;
    for (const Piece& piece : parallel->pieces())
      storages.emplace_back(piece.values.grad().storage().getWeakStorageImpl());
    parallel->clear_gradients();
    for (const auto& storage : storages) EXPECT_TRUE(storage.expired()) << static_cast<int>(strategy);
  }
}

TEST(DataParallel, PiecesCoverEveryParameterOnce) {
  for (const Strategy strategy : {Strategy::kDdp, Strategy::kZero1, Strategy::kFsdp}) {
    const auto ranks = thread_ranks(3);
    std::vector<std::vector<Piece>> pieces(3);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 3; ++i)
      threads.emplace_back([&, i] {
        Model model;
        pieces[i] = distribute(*model, model->trained(), torch::kCPU, ranks[i], strategy)->pieces();
      });
    for (auto& thread : threads) thread.join();
    std::map<std::string, int64_t> ends;
    for (size_t rank = 0; rank < (strategy == Strategy::kDdp ? 1 : 3); ++rank)
      for (const Piece& piece : pieces[rank]) {
        EXPECT_TRUE(piece.values.is_leaf() && piece.values.requires_grad());
        if (piece.values.numel() == 0) continue;
        EXPECT_EQ(piece.values.dim(), static_cast<int64_t>(piece.shape.size())) << piece.name;
        EXPECT_EQ(piece.begin, ends[piece.name]) << piece.name;
        ends[piece.name] = piece.begin + piece.values.numel();
      }
    for (const auto& [name, parameter] : Model()->trained()) EXPECT_EQ(ends[name], parameter.numel()) << name;
  }
}

}  // namespace
}  // namespace usam::dist
