#include "src/nn/linear.h"

#include <gtest/gtest.h>

namespace usam::nn {
namespace {

TEST(Linear, ProductAndItsInputGradientAreThoseOfAutograd) {
  torch::manual_seed(1);
  Linear layer(6, 4);
  const auto x_NI = torch::randn({3, 6}).requires_grad_();
  const auto y_NO = layer->product(x_NI);
  EXPECT_TRUE(torch::equal(y_NO, torch::linear(x_NI, layer->weight, layer->bias)));
  const auto dy_NO = torch::randn_like(y_NO);
  y_NO.backward(dy_NO);
  const auto dx_NI = layer->input_gradient(dy_NO);
  EXPECT_TRUE(torch::allclose(dx_NI, x_NI.grad(), 1e-6, 1e-6));
  EXPECT_FALSE(dx_NI.requires_grad());
}

}  // namespace
}  // namespace usam::nn
