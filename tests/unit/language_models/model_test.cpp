// The decoder itself, on random weights: initial values, packing, cache, precision.
#include <ATen/autocast_mode.h>

#include "src/models/llama/build.h"
#include "src/models/mistral/config.h"
#include "src/models/qwen/config.h"
#include "src/nn/lora.h"
#include "tests/support.h"

namespace usam {
namespace {

using torch::Tensor;

llama::Config tiny() {
  llama::Config config;
  config.init = llama::Init::kRandom;
  config.layers = 2, config.hidden = 32, config.heads = 4, config.kv_heads = 2, config.intermediate = 64;
  return config;
}

std::shared_ptr<llama::Decoder> tiny_model(uint64_t seed = 1, const std::string& name = "llm",
                                           const llama::Family& family = llama::kLlama) {
  auto model = llama::build(tiny(), family, {.seed = seed, .name = name, .vocab_size = 60});
  model->eval();
  return model;
}

Tensor positions_of(const Tensor& x_BTD) {
  return torch::arange(x_BTD.size(1)).expand({x_BTD.size(0), x_BTD.size(1)});
}

TEST(RandomInit, IsAFunctionOfSeedNameAndPath) {
  const auto a = tiny_model()->named_parameters(), b = tiny_model()->named_parameters();
  torch::manual_seed(99);  // the default generator has no part in it
  const auto other_seed = tiny_model(2)->named_parameters(), other_name = tiny_model(1, "x")->named_parameters();
  const std::string path = "model.layers.0.self_attn.q_proj.weight";
  for (auto& item : a) EXPECT_TRUE(item.value().equal(b[item.key()])) << item.key();
  EXPECT_FALSE(a[path].equal(other_seed[path]));
  EXPECT_FALSE(a[path].equal(other_name[path]));
  EXPECT_FALSE(a[path].equal(a["model.layers.1.self_attn.q_proj.weight"]));
}

TEST(RandomInit, ScalesThoseThatWriteToTheResidualStream) {
  const auto p = tiny_model(1, "llm", qwen::kQwen2)->named_parameters();
  EXPECT_NEAR(p["model.embed_tokens.weight"].std().item<double>(), 1, 0.05);  // as loud as what the blocks add
  const auto deviation = [&p](const std::string& path) {                      // as a share of 1 / sqrt(fan in)
    return p[path].std().item<double>() * std::sqrt(static_cast<double>(p[path].size(1)));
  };
  EXPECT_NEAR(deviation("model.layers.0.mlp.up_proj.weight"), 1, 0.1);
  EXPECT_NEAR(deviation("model.layers.0.mlp.down_proj.weight"), 0.5, 0.05);
  EXPECT_NEAR(deviation("model.layers.1.self_attn.o_proj.weight"), 0.5, 0.05);
  EXPECT_TRUE(p["model.layers.1.input_layernorm.weight"].eq(1).all().item<bool>());
  EXPECT_TRUE(p["model.layers.1.self_attn.q_proj.bias"].eq(0).all().item<bool>());
}

TEST(Decoder, PackedSegmentsEqualRowsOfTheirOwn) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  auto model = tiny_model();
  const auto a = torch::randn({1, 4, 32}), b = torch::randn({1, 7, 32}), padding = torch::randn({1, 2, 32});
  const auto packed = torch::cat({a, b, padding}, 1);
  const auto positions = torch::cat({positions_of(a), positions_of(b), positions_of(padding)}, 1);
  const auto segments = torch::tensor({{1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 0, 0}});
  const auto got = model->forward(packed, positions, segments);
  auto alone = [&](const Tensor& x) {
    return model->forward(x, positions_of(x), torch::ones({1, x.size(1)}, torch::kLong));
  };
  EXPECT_TRUE(torch::allclose(got.slice(1, 0, 4), alone(a), 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(got.slice(1, 4, 11), alone(b), 1e-4, 1e-5));
  EXPECT_TRUE(got.isfinite().all().item<bool>());
}

// Families with shared keys, normed heads and windows.
TEST(Decoder, PackedSequencesEqualPaddedRows) {
  for (const auto* family : {&llama::kLlama, &qwen::kQwen3, &mistral::kMistral}) {
    auto config = tiny();
    auto sizes = llama::resolve_sizes(config, *family, 60);
    sizes.window = 5;
    sizes.has_window = {family == &mistral::kMistral, false};
    llama::Decoder model(sizes, *family);
    torch::manual_seed(8);
    for (auto& p : model.parameters()) p.data().normal_(0, 0.2);
    const std::vector<int64_t> lengths = {4, 9, 1};
    const auto x_ND = torch::randn({14, 32}), dy_ND = torch::randn({14, 32});
    auto gradients = [&](bool is_packed) {
      model.zero_grad();
      auto leaf = x_ND.clone().requires_grad_();
      Tensor y_ND;
      if (is_packed) {
        y_ND = model.forward_packed(leaf, lengths);
      } else {
        const auto parts = leaf.split_with_sizes(lengths);
        const auto rows_BTD = torch::nn::utils::rnn::pad_sequence({parts[0], parts[1], parts[2]}, true);
        const auto valid_BT = torch::arange(9) < torch::tensor({{4}, {9}, {1}});
        y_ND = model.forward(rows_BTD, positions_of(rows_BTD), valid_BT.to(torch::kLong)).index({valid_BT});
      }
      (y_ND * dy_ND).sum().backward();
      std::vector<Tensor> out = {y_ND.detach(), leaf.grad()};
      for (const auto& p : model.parameters())
        if (p.grad().defined()) out.push_back(p.grad().clone());
      return out;
    };
    const auto packed = gradients(true), rows = gradients(false);
    ASSERT_EQ(packed.size(), rows.size());
    EXPECT_GT(packed.size(), 15u);
    for (size_t i = 0; i < packed.size(); ++i) {
      const double scale = rows[i].abs().max().item<double>();
      EXPECT_LT((packed[i] - rows[i]).abs().max().item<double>(), 2e-5 * scale) << family->model_type << " " << i;
    }
  }
}

// What packed sequences leave in a cache is what padded rows leave, windows included.
TEST(Decoder, PackedSequencesFillACache) {
  torch::NoGradGuard no_grad;
  for (const auto* family : {&llama::kLlama, &mistral::kMistral}) {
    auto sizes = llama::resolve_sizes(tiny(), *family, 60);
    sizes.window = 5;
    sizes.has_window = {family == &mistral::kMistral, false};
    llama::Decoder model(sizes, *family);
    torch::manual_seed(8);
    for (auto& p : model.parameters()) p.data().normal_(0, 0.2);
    const auto rows_BTD = torch::randn({3, 9, 32}), next_B1D = torch::randn({3, 1, 32});
    const auto lengths_B1 = torch::tensor({{4}, {9}, {1}});
    const auto valid_BT = torch::arange(9) < lengths_B1;
    const auto padded = model.make_cache(), packed = model.make_cache();
    model.forward(rows_BTD, positions_of(rows_BTD), valid_BT.to(torch::kLong), padded.get());
    model.forward_packed(rows_BTD.index({valid_BT}), {4, 9, 1}, packed.get());
    EXPECT_EQ(packed->length(), 9);
    for (int64_t step = 0; step < 2; ++step) {
      const auto next = [&](KvCache* cache) {
        return model.forward(next_B1D, lengths_B1 + step, torch::ones({3, 1}, torch::kLong), cache);
      };
      EXPECT_TRUE(torch::allclose(next(packed.get()), next(padded.get()), 1e-4, 1e-5)) << family->model_type;
    }
    EXPECT_THROW(model.forward_packed(next_B1D[0], {1}, packed.get()), std::logic_error);  // no place for prompts now
  }
}

TEST(Decoder, CacheInPiecesEqualsOnePass) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(6);
  auto model = tiny_model();
  const auto x = torch::randn({3, 12, 32});
  const auto segments = torch::tensor({{0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                                       {1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1},
                                       {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}});
  const auto positions = (segments.cumsum(1) - 1).clamp_min(0);
  const auto whole = model->forward(x, positions, segments);
  auto cache = model->make_cache();
  std::vector<Tensor> pieces;
  int64_t begin = 0;
  for (int64_t end : {6, 7, 10, 11, 12}) {
    pieces.push_back(model->forward(x.slice(1, begin, end), positions.slice(1, begin, end),
                                    segments.slice(1, begin, end), cache.get()));
    EXPECT_EQ(cache->length(), end);
    begin = end;
  }
  const auto valid = segments.gt(0);
  EXPECT_TRUE(torch::allclose(torch::cat(pieces, 1).index({valid}), whole.index({valid}), 1e-4, 1e-5));
}

TEST(Decoder, CopiedCacheRowsGoTheirOwnWay) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(7);
  auto model = tiny_model();
  const auto prompts = torch::randn({2, 5, 32}), next = torch::randn({3, 1, 32}), other = torch::randn({3, 1, 32});
  auto cache = model->make_cache();
  model->forward(prompts, positions_of(prompts), torch::ones({2, 5}, torch::kLong), cache.get());
  const auto rows = torch::tensor({1, 0, 1}), at_five = torch::full({3, 1}, 5), one = torch::ones({3, 1}, torch::kLong);
  auto copy = cache->copy_rows(rows), second = cache->copy_rows(rows);
  EXPECT_EQ(copy->length(), 5);
  const auto first_result = model->forward(next, at_five, one, copy.get());
  model->forward(other, at_five, one, second.get());
  EXPECT_EQ(cache->length(), 5);
  auto again = cache->copy_rows(rows);
  EXPECT_TRUE(model->forward(next, at_five, one, again.get()).equal(first_result));
  const auto whole = torch::cat({prompts.index_select(0, rows), next}, 1);
  const auto expected = model->forward(whole, positions_of(whole), torch::ones({3, 6}, torch::kLong));
  EXPECT_TRUE(torch::allclose(first_result.select(1, 0), expected.select(1, 5), 1e-4, 1e-5));
}

TEST(Decoder, RefusesToCacheGradients) {
  auto model = tiny_model();
  auto cache = model->make_cache();
  const auto x = torch::randn({1, 2, 32});
  EXPECT_EQ(
      test::message_of([&] { model->forward(x, positions_of(x), torch::ones({1, 2}, torch::kLong), cache.get()); }),
      "a key/value cache holds no gradients: use it under NoGradGuard");
}

TEST(Decoder, LaterPositionsNeverReachEarlierOnes) {
  auto model = tiny_model();
  auto x = torch::randn({1, 6, 32}).requires_grad_();
  const auto hidden = model->forward(x, positions_of(x), torch::ones({1, 6}, torch::kLong));
  hidden.select(1, 2).sum().backward();
  EXPECT_GT(x.grad().slice(1, 0, 3).abs().sum().item<double>(), 0);
  EXPECT_EQ(x.grad().slice(1, 3).abs().sum().item<double>(), 0);
}

TEST(Decoder, RunsInLowPrecisionAndUnderAutocast) {
  torch::NoGradGuard no_grad;
  for (const auto& family : {llama::kLlama, qwen::kQwen2, qwen::kQwen3}) {
    auto model = tiny_model(1, "llm", family);
    const auto x = torch::randn({2, 5, 32});
    const auto segments = torch::tensor({{1, 1, 1, 1, 1}, {0, 1, 1, 1, 1}});
    const auto expected = model->forward(x, positions_of(x), segments);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    auto cache = model->make_cache();
    const auto cast = model->forward(x, positions_of(x), segments, cache.get());
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
    EXPECT_LT((cast.to(torch::kFloat) - expected).abs().max().item<double>(), 0.1) << family.model_type;
    model->to(torch::kBFloat16);
    const auto low = model->forward(x.to(torch::kBFloat16), positions_of(x), segments);
    EXPECT_EQ(low.scalar_type(), torch::kBFloat16);
    EXPECT_LT((low.to(torch::kFloat) - expected).abs().max().item<double>(), 0.1) << family.model_type;
    EXPECT_EQ(model->rope_frequencies().scalar_type(), torch::kFloat);
  }
}

// A tied table is a table of embeddings and an output projection: in bfloat16_dynamic it is there once, in bfloat16.
TEST(Decoder, KeepsATiedTableOnceInBFloat16) {
  auto config = tiny();
  config.tied = true;
  const ModelInit how{.seed = 1, .name = "llm", .vocab_size = 60};
  const auto exact = llama::build(config, llama::kLlama, how);
  config.store = KeptStore::kBFloat16Dynamic;
  const auto kept = llama::build(config, llama::kLlama, how);
  EXPECT_EQ(kept->named_parameters()["model.embed_tokens.weight"].scalar_type(), torch::kBFloat16);
  const auto ids = torch::arange(40).view({2, 20});
  const auto logits_of = [&](llama::Decoder& model, const torch::Tensor& embeds) {
    return model.logits(model.forward(embeds, positions_of(ids), torch::ones_like(ids)));
  };
  const auto embeds = kept->embed(ids).detach().requires_grad_(), same = exact->embed(ids).detach().requires_grad_();
  EXPECT_EQ(embeds.scalar_type(), torch::kFloat);
  const auto got = logits_of(*kept, embeds), expected = logits_of(*exact, same);
  EXPECT_EQ(got.scalar_type(), torch::kFloat);
  const auto error = [](const torch::Tensor& a, const torch::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
  };
  EXPECT_LT(error(got, expected), 2e-2);
  EXPECT_GT(error(got, expected), 1e-5);
  got.log_softmax(-1).select(2, 3).sum().backward();
  expected.log_softmax(-1).select(2, 3).sum().backward();
  EXPECT_LT(error(embeds.grad(), same.grad()), 5e-2);
  const torch::InferenceMode inference;
  EXPECT_LT(error(logits_of(*kept, embeds.detach()), expected), 2e-2);
}

TEST(Decoder, RandomWeightsAreKeptInTheTypeAskedFor) {
  auto config = tiny();
  config.dtype = KeptDtype::kBFloat16;
  const auto low = llama::build(config, llama::kLlama, {.seed = 1, .name = "llm", .vocab_size = 60});
  const auto full = tiny_model();
  for (const auto& item : low->named_parameters())
    EXPECT_TRUE(item.value().equal(full->named_parameters()[item.key()].to(torch::kBFloat16))) << item.key();
  torch::NoGradGuard no_grad;
  const auto x = torch::randn({1, 5, 32});  // what a recipe lays out: audio in fp32 beside embeddings
  EXPECT_EQ(low->forward(x, positions_of(x), torch::ones({1, 5}, torch::kLong)).scalar_type(), torch::kBFloat16);
}

TEST(Decoder, LoraFindsItsProjections) {
  auto model = tiny_model();
  nn::LoraConfig config;
  config.targets = {"q_proj", "mlp.down_proj"};
  const auto paths = nn::attach_lora(*model, config, 1, "llm");
  EXPECT_EQ(paths.size(), 4u);
  EXPECT_TRUE(model->named_parameters().contains("model.layers.1.mlp.down_proj.lora_B.weight"));
  config.targets = {"query"};
  EXPECT_EQ(test::message_of([&] { nn::attach_lora(*tiny_model(), config, 1); }),
            "lora.targets: no linear layer's path ends with 'query'; the layers' names are down_proj, gate_proj, "
            "k_proj, lm_head, o_proj, q_proj, up_proj and v_proj");
}

}  // namespace
}  // namespace usam
