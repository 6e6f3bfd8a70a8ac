#include "src/nn/freeze.h"

#include "src/nn/linear.h"
#include "tests/support.h"

namespace usam::nn {
namespace {

struct FreezeNet : torch::nn::Module {
  FreezeNet() {
    register_module("first", first);
    register_module("second", second);
  }
  Linear first{2, 3}, second{3, 1};
};

TEST(Glob, StarsSpanDotsAndTheWholePathCounts) {
  EXPECT_TRUE(matches("*", "a.b.c"));
  EXPECT_TRUE(matches("model.layers.*.q_proj.weight", "model.layers.10.self_attn.q_proj.weight"));
  EXPECT_TRUE(matches("*a*b", "xaxbxab"));
  EXPECT_TRUE(matches("layers.?.weight", "layers.3.weight"));
  EXPECT_FALSE(matches("layers.?.weight", "layers.13.weight"));
  EXPECT_FALSE(matches("layers", "layers.0"));
  EXPECT_FALSE(matches("*.bias", "bias"));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("a**", "a"));
}

TEST(SetTrainable, TouchesWhatMatchesOnly) {
  FreezeNet net;
  EXPECT_EQ(set_trainable(net, {"*"}, false), 4);
  EXPECT_EQ(set_trainable(net, {"second.*", "*.bias"}, true), 3);
  EXPECT_FALSE(net.first->weight.requires_grad());
  EXPECT_TRUE(net.first->bias.requires_grad());
  EXPECT_TRUE(net.second->weight.requires_grad());
}

TEST(SetTrainable, RefusesAPatternThatMatchesNothing) {
  FreezeNet net;
  EXPECT_EQ(test::message_of([&] { set_trainable(net, {"first.*", "third.*"}, true); }),
            "No parameter's path matches 'third.*'; paths look like 'first.weight'");
}

}  // namespace
}  // namespace usam::nn
