// Operators with a backward pass of their own against autograd of their definition. B batch, T positions, H query
// heads, G key heads, K head width.
#include <gtest/gtest.h>

#include <functional>

#include "src/nn/rms_norm.h"
#include "src/nn/rope.h"
#include "src/nn/swiglu.h"

namespace usam::nn {
namespace {

using Tensors = std::vector<torch::Tensor>;
using Operator = std::function<Tensors(const Tensors&)>;

// Values of the operator, then the gradients of its operands under weights that no symmetry survives.
Tensors values_and_gradients(const Operator& f, const Tensors& operands) {
  Tensors leaves;
  for (const auto& x : operands) leaves.push_back(x.detach().clone().requires_grad_(x.requires_grad()));
  Tensors out = f(leaves);
  torch::manual_seed(99);
  torch::Tensor loss = torch::zeros({});
  for (const auto& y : out) loss = loss + (y * torch::randn(y.sizes())).sum();
  loss.backward();
  for (const auto& x : leaves)
    if (x.requires_grad()) out.push_back(x.grad());
  return out;
}

void expect_same(const Operator& fused, const Operator& composite, const Tensors& operands) {
  const auto got = values_and_gradients(fused, operands), expected = values_and_gradients(composite, operands);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].sizes(), expected[i].sizes());
    const double error = (got[i] - expected[i]).abs().max().item<double>();
    EXPECT_LT(error, 3e-6 * std::max(1.0, expected[i].abs().max().item<double>())) << "tensor " << i;
  }
  const torch::NoGradGuard no_grad;
  const auto values = fused(operands);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_TRUE(values[i].equal(got[i])) << "without a graph the same numbers";
    EXPECT_FALSE(values[i].requires_grad());
  }
}

size_t nodes_of(const torch::Tensor& y) {
  size_t count = 0;
  for (auto node = y.grad_fn(); node && !node->name().ends_with("AccumulateGrad"); node = node->next_edge(0).function)
    ++count;
  return count;
}

torch::Tensor leaf(torch::IntArrayRef sizes, bool wants_gradient = true) {
  return torch::randn(sizes).requires_grad_(wants_gradient);
}

TEST(Fused, RmsNormIsItsDefinition) {
  torch::manual_seed(1);
  for (const int64_t width : {1, 7, 16, 33, 130, 896}) {
    for (const bool weight_is_trained : {true, false}) {
      RmsNorm norm(width, 1e-5);
      auto with = [&](const Tensors& x) { return norm->weight = x[1], Tensors{norm(x[0])}; };
      auto composite = [](const Tensors& x) { return Tensors{composite_rms_norm(x[0], x[1], 1e-5)}; };
      expect_same(with, composite, {leaf({3, 50, width}), leaf({width}, weight_is_trained)});
      if (weight_is_trained) expect_same(with, composite, {leaf({4, width}, false), leaf({width})});
    }
  }
}

TEST(Fused, RmsNormOfASumIsItsDefinition) {
  torch::manual_seed(2);
  for (const bool first_is_trained : {true, false}) {
    RmsNorm norm(40, 1e-5);
    expect_same(
        [&](const Tensors& x) {
          norm->weight = x[2];
          const auto [sum, y] = norm->add(x[0], x[1]);
          return Tensors{sum, y};
        },
        [](const Tensors& x) { return Tensors{x[0] + x[1], composite_rms_norm(x[0] + x[1], x[2], 1e-5)}; },
        {leaf({3, 9, 40}, first_is_trained), leaf({3, 9, 40}), leaf({40}, first_is_trained)});
  }
}

TEST(Fused, ASumWhoseNormIsNotUsedHasItsGradient) {
  RmsNorm norm(4, 1e-5);
  const auto x = leaf({2, 4}), y = leaf({2, 4});
  norm->add(x, y).first.sum().backward();
  EXPECT_TRUE(x.grad().equal(torch::ones({2, 4})));
  EXPECT_TRUE(y.grad().equal(torch::ones({2, 4})));
}

TEST(Fused, RotationIsItsDefinition) {
  torch::manual_seed(3);
  for (const int64_t width : {2, 6, 32, 64}) {
    const auto by = rotation(rope_frequencies(width, 100), torch::randint(0, 50, {2, 5}));
    expect_same(
        [&](const Tensors& x) {
          const auto [q, k] = rotate(x[0], x[1], by);
          return Tensors{q, k};
        },
        [&](const Tensors& x) { return Tensors{composite_rotate(x[0], by), composite_rotate(x[1], by)}; },
        {leaf({2, 5, 4, width}), leaf({2, 5, 2, width}, width > 2)});
  }
}

TEST(Fused, SwigluIsItsDefinition) {
  torch::manual_seed(4);
  const auto composite = [](const Tensors& x) { return Tensors{torch::silu(x[0]) * x[1]}; };
  const auto fused = [](const Tensors& x) { return Tensors{swiglu(x[0], x[1])}; };
  expect_same(fused, composite, {leaf({5, 7, 33}), leaf({5, 7, 33})});
  const auto far = torch::tensor({-200.f, -90.f, -30.f, -1e-6f, 0.f, 1e-6f, 30.f, 90.f, 200.f}).requires_grad_();
  expect_same(fused, composite, {far, torch::ones({9}).requires_grad_()});
}

TEST(Fused, NotANumberStaysOne) {
  const torch::NoGradGuard no_grad;
  const auto x = torch::tensor({{1.f, NAN, 2.f}});
  EXPECT_TRUE(RmsNorm(3, 1e-5)(x).isnan().all().item<bool>());
  EXPECT_TRUE(swiglu(x, torch::ones_like(x)).isnan().equal(x.isnan()));
}

TEST(Fused, ManyThreadsGiveTheSameSums) {
  const int threads = at::get_num_threads();
  torch::manual_seed(5);
  RmsNorm norm(128, 1e-5);
  const auto x = torch::randn({2000, 128}), dy = torch::randn({2000, 128});
  auto weight_gradient = [&] {
    norm->zero_grad();
    (norm(x) * dy).sum().backward();
    return norm->weight.grad().clone();
  };
  at::set_num_threads(1);
  const auto one = weight_gradient();
  at::set_num_threads(2);
  const auto two = weight_gradient();
  EXPECT_TRUE(two.equal(weight_gradient()));
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::allclose(one, two, 1e-5, 1e-4));
}

TEST(Fused, EachIsOneNode) {
  RmsNorm norm(4, 1e-5);
  const auto x = leaf({2, 3, 2, 4});
  const auto by = rotation(rope_frequencies(4, 100), torch::zeros({2, 3}, torch::kLong));
  EXPECT_EQ(nodes_of(norm(x)), 1u);
  EXPECT_EQ(nodes_of(norm->add(x, x).second), 1u);
  EXPECT_EQ(nodes_of(swiglu(x, x)), 1u);
  EXPECT_EQ(nodes_of(std::get<0>(rotate(x, x, by))), 1u);
}

// Other types and layouts take torch's own operators.
TEST(Fused, OtherTypesAndStridesAreTheirDefinitionToo) {
  torch::manual_seed(6);
  const auto low = torch::randn({2, 3, 2, 4}).to(torch::kBFloat16);
  EXPECT_TRUE(swiglu(low, low).equal(torch::silu(low) * low));
  const auto by = rotation(rope_frequencies(4, 100), torch::arange(6).view({2, 3}));
  EXPECT_TRUE(std::get<0>(rotate(low, low, by)).equal(composite_rotate(low, by)));
  RmsNorm norm(4, 1e-5);
  EXPECT_TRUE(norm(low).equal(composite_rms_norm(low, norm->weight, 1e-5)));
  const auto strided = torch::randn({4, 3}).t();
  EXPECT_TRUE(norm(strided).equal(composite_rms_norm(strided, norm->weight, 1e-5)));
  EXPECT_TRUE(swiglu(strided, strided).equal(torch::silu(strided) * strided));
  EXPECT_TRUE(norm->add(low, low).second.equal(composite_rms_norm(low + low, norm->weight, 1e-5)));
}

}  // namespace
}  // namespace usam::nn
