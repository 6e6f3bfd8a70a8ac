// Adapters that do not fit: every misfit is listed.
#include "src/base/error.h"
#include "src/nn/linear.h"
#include "tests/support.h"
#include "tools/inspect/attach_adapter.h"

namespace usam::inspect {
namespace {

struct SmallImpl : torch::nn::Module {
  SmallImpl() { proj = register_module("proj", nn::Linear(3, 2, false)); }
  nn::Linear proj{nullptr};
};

io::PeftAdapter adapter_of(io::NamedTensors tensors) {
  io::PeftAdapter adapter;
  adapter.rank = 2;
  adapter.alpha = 6;
  adapter.tensors = std::move(tensors);
  return adapter;
}

TEST(AttachAdapter, AddsTheScaledProduct) {
  SmallImpl model;
  const auto a = torch::randn({2, 3}), b = torch::randn({2, 2}), x = torch::randn({4, 3});
  const auto expected = x.matmul((model.proj->weight + 3 * b.matmul(a)).t());
  attach_adapter(model, adapter_of({{"proj.lora_A.weight", a}, {"proj.lora_B.weight", b}}), "adapter");
  EXPECT_TRUE(model.proj(x).allclose(expected, 1e-5, 1e-5));
}

TEST(AttachAdapter, OverwritesSavedModules) {
  SmallImpl model;
  attach_adapter(model, adapter_of({{"proj.weight", torch::full({2, 3}, 7.0)}}), "adapter");
  EXPECT_TRUE(model.proj->weight.eq(7).all().item<bool>());
}

TEST(AttachAdapter, ListsWhatDoesNotFit) {
  SmallImpl model;
  const auto adapter = adapter_of({{"head.weight", torch::ones({1})},
                                   {"proj.lora_A.weight", torch::ones({2, 4})},
                                   {"proj.lora_B.weight", torch::ones({2, 2})},
                                   {"proj.weight", torch::ones({2, 2})},
                                   {"q_proj.lora_A.weight", torch::ones({2, 3})},
                                   {"q_proj.lora_B.weight", torch::ones({2, 2})}});
  EXPECT_EQ(test::message_of([&] { attach_adapter(model, adapter, "here"); }),
            "The adapter here does not fit the language model:\n"
            "  head.weight: the model has no such parameter\n"
            "  proj.weight: the adapter has (2, 2), the model (2, 3)\n"
            "  proj: the adapter is for a layer of 4 to 2, the model's is of 3 to 2\n"
            "  q_proj: the model has no such linear layer");
}

}  // namespace
}  // namespace usam::inspect
