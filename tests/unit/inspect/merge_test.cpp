// usam-inspect merge: what it refuses, and that nothing is left where it fails. Its values are compared with peft's in
// tests/parity/peft.
#include "src/base/json.h"
#include "src/io/peft.h"
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

class Merge : public UsamInspect {
 protected:
  void SetUp() override { USAM_NEEDS_ORACLES(); }
  std::string command(const std::string& llm, const std::string& adapter, const std::string& options = "") const {
    return "merge --llm " + llm + " --adapter " + adapter + " --output " + path("merged") + " " + options;
  }
  // An adapter of one layer with these factors.
  std::string write_adapter(const torch::Tensor& a, const torch::Tensor& b) const {
    io::PeftAdapter adapter;
    adapter.rank = a.size(0);
    adapter.targets = {"q_proj"};
    const std::string layer = "model.layers.0.self_attn.q_proj";
    adapter.tensors = {{layer + ".lora_A.weight", a}, {layer + ".lora_B.weight", b}};
    io::write_peft_adapter(path("adapter"), adapter);
    return path("adapter");
  }
  void expect_nothing_left() const {
    for (const char* name : {"merged", "merged.partial"}) EXPECT_FALSE(std::filesystem::exists(path(name))) << name;
  }
};

TEST_F(Merge, UserErrors) {
  const std::string llama = oracle("llama"), lora = llama + "/lora";
  expect_user_error(command(llama, lora, "--ids 1,9999"),
                    "The id 9999 is not in the language model's vocabulary, which has 1216 entries from 0.");
  expect_user_error(command(llama, write_adapter(torch::ones({2, 3}), torch::ones({64, 2}))),
                    "The adapter " + path("adapter") +
                        " does not fit the language model:\n  model.layers.0.self_attn.q_proj: the adapter is for a "
                        "layer of 3 to 64, the model's is of 64 to 64");
  expect_nothing_left();
  std::filesystem::create_directory(path("merged"));
  expect_user_error(command(llama, lora),
                    path("merged") + " exists already and is not overwritten; give another --output.");
}

TEST_F(Merge, ValuesBeyondTheStoredTypeAreRefused) {
  std::filesystem::create_directory(path("half"));
  std::filesystem::copy_file(oracle("llama") + "/config.json", path("half/config.json"));
  const io::SafetensorsFile file(oracle("llama") + "/model.safetensors");
  io::NamedTensors tensors;
  for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name).to(torch::kHalf));
  io::write_safetensors(path("half/model.safetensors"), tensors);
  expect_user_error(command(path("half"), write_adapter(torch::ones({2, 64}), torch::full({64, 2}, 1e5))),
                    "model.layers.0.self_attn.q_proj.weight: the merged values do not fit into Half, the type of the "
                    "base's weights.");
  expect_nothing_left();
}

TEST_F(Merge, TheSeedPicksTheIds) {
  const auto ids_of = [this](const std::string& options) {
    const Outcome got = run(command(oracle("llama"), oracle("llama") + "/lora", options));
    EXPECT_EQ(got.code, 0) << got.errors;
    std::filesystem::remove_all(path("merged"));
    return Json::parse(got.output).at("ids").get<std::vector<int64_t>>();
  };
  const auto first = ids_of("--seed 1");
  EXPECT_EQ(first.size(), 64U);
  EXPECT_EQ(first, ids_of("--seed 1"));
  EXPECT_NE(first, ids_of("--seed 2"));
  EXPECT_EQ(ids_of("--ids 5,6"), (std::vector<int64_t>{5, 6}));
}

}  // namespace
}  // namespace usam::test
