#include "src/io/peft.h"

#include <cmath>
#include <set>

#include "src/base/error.h"
#include "src/io/weights.h"
#include "tests/support.h"
#include "tests/unit/io/python.h"

namespace usam::io {
namespace {

using test::message_of;

// For a Llama of one layer, hidden 16, 4 heads of 4, 2 key and value heads.
PeftAdapter small_adapter() {
  torch::manual_seed(5);
  PeftAdapter adapter;
  adapter.base_model = "tiny";
  adapter.rank = 2;
  adapter.alpha = 6;
  adapter.dropout = 0.1;
  adapter.targets = {"q_proj", "v_proj"};
  adapter.rank_pattern = {{"v_proj", 3}};
  adapter.alpha_pattern = {{"self_attn\\.v_proj", 5}};
  const std::string attention = "model.layers.0.self_attn.";
  adapter.tensors = {{attention + "q_proj.lora_A.weight", torch::randn({2, 16})},
                     {attention + "q_proj.lora_B.weight", torch::randn({16, 2})},
                     {attention + "v_proj.lora_A.weight", torch::randn({3, 16})},
                     {attention + "v_proj.lora_B.weight", torch::randn({8, 3})}};
  return adapter;
}

void expect_equal(const PeftAdapter& a, const PeftAdapter& b) {
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.alpha, b.alpha);
  EXPECT_EQ(a.dropout, b.dropout);
  EXPECT_EQ(a.rank_stabilized, b.rank_stabilized);
  EXPECT_EQ(std::set(a.targets.begin(), a.targets.end()), std::set(b.targets.begin(), b.targets.end()));
  EXPECT_EQ(a.targets_is_regex, b.targets_is_regex);
  EXPECT_EQ(a.rank_pattern, b.rank_pattern);
  EXPECT_EQ(a.alpha_pattern, b.alpha_pattern);
  EXPECT_EQ(a.bias, b.bias);
  EXPECT_EQ(a.keeps_tying, b.keeps_tying);
  EXPECT_EQ(a.residual, b.residual);
  EXPECT_EQ(a.task, b.task);
  EXPECT_EQ(a.modules_to_save, b.modules_to_save);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  const std::map<std::string, torch::Tensor> tensors(b.tensors.begin(), b.tensors.end());
  for (const auto& [name, tensor] : a.tensors) EXPECT_TRUE(torch::equal(tensor, tensors.at(name))) << name;
}

TEST(Peft, RoundTrip) {
  test::TemporaryFolder folder;
  auto adapter = small_adapter();
  write_peft_adapter(folder.path() / "a", adapter);
  expect_equal(adapter, read_peft_adapter(folder.path() / "a"));
  EXPECT_TRUE(SafetensorsFile(folder.path() / "a/adapter_model.safetensors")
                  .contains("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"));
  const Json config = read_folder_json(folder.path() / "a", "adapter_config.json");
  for (const char* key : {"peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout",
                          "target_modules", "bias", "fan_in_fan_out", "use_rslora", "use_dora", "modules_to_save",
                          "rank_pattern", "alpha_pattern", "inference_mode"})
    EXPECT_TRUE(config.contains(key)) << key;

  adapter.rank_stabilized = true;
  adapter.targets = {".*\\.(q|v)_proj"};
  adapter.targets_is_regex = true;
  adapter.alpha = 6.5;
  adapter.modules_to_save = {"lm_head"};
  adapter.tensors.emplace_back("lm_head.weight", torch::ones({4, 16}));
  adapter.bias = "all";
  adapter.keeps_tying = true;
  adapter.residual = PeftResidual::kOlora;
  adapter.task = "";
  write_peft_adapter(folder.path() / "b", adapter);
  expect_equal(adapter, read_peft_adapter(folder.path() / "b"));
}

TEST(Peft, ScaleFollowsPatternsAndStabilisation) {
  auto adapter = small_adapter();
  EXPECT_EQ(adapter.scale("model.layers.0.self_attn.q_proj"), 6.0 / 2);
  EXPECT_EQ(adapter.scale("model.layers.0.self_attn.v_proj"), 5.0 / 3);
  EXPECT_EQ(adapter.scale("model.layers.0.self_attn.xv_proj"), 6.0 / 2);  // a pattern begins after a dot
  EXPECT_EQ(adapter.scale("v_proj"), 6.0 / 3);
  adapter.rank_stabilized = true;
  EXPECT_EQ(adapter.scale("model.layers.0.self_attn.v_proj"), 5 / std::sqrt(3.0));
}

TEST(Peft, TheFirstPatternThatMatchesCounts) {
  PeftConfig config;
  config.rank_pattern = {{"q_proj", 2}, {"layers.0.q_proj", 3}, {"(?i)v_PROJ", 4}};
  EXPECT_EQ(config.rank_at("layers.0.q_proj"), 2);
  EXPECT_EQ(config.rank_at("v_proj"), 4);  // Python's syntax
  std::swap(config.rank_pattern[0], config.rank_pattern[1]);
  EXPECT_EQ(config.rank_at("layers.0.q_proj"), 3);
  EXPECT_EQ(config.rank_at("layers.1.q_proj"), 2);
}

TEST(Peft, RefusesActiveSettingsThatItDoesNotKnow) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  write_peft_adapter(root, small_adapter());
  const std::string path = root + "/adapter_config.json";
  Json config = read_folder_json(root, "adapter_config.json");
  config.update({{"use_dora", false},
                 {"loftq_config", Json::object()},
                 {"trainable_token_indices", nullptr},
                 {"megatron_core", "megatron.core"},
                 {"init_lora_weights", "gaussian"},
                 {"future", false}});
  folder.write("adapter_config.json", config.dump());
  expect_equal(small_adapter(), read_peft_adapter(root));
  config.update({{"use_dora", true},
                 {"loftq_config", {{"bits", 4}}},
                 {"trainable_token_indices", {1, 2}},
                 {"init_lora_weights", "corda"},
                 {"bias", "some"},
                 {"r", "two"},
                 {"alpha_pattern", {{"(", 1}}}});
  folder.write("adapter_config.json", config.dump());
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }), path +
                                                              ": usam cannot use this adapter:\n"
                                                              "  bias = \"some\" is not supported\n"
                                                              "  init_lora_weights = \"corda\" is not supported\n"
                                                              "  r = \"two\" is of the wrong type\n"
                                                              "  use_dora = true is not supported\n"
                                                              "  loftq_config = {\"bits\":4} is not supported\n"
                                                              "  trainable_token_indices = [1,2] is not supported\n"
                                                              "  the pattern '(' is not a regular expression");
  folder.write("adapter_config.json", R"({"peft_type":"IA3"})");
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }),
            path +
                ": usam cannot use this adapter:\n  peft_type is \"IA3\" instead of \"LORA\"\n  r is missing\n"
                "  lora_alpha is missing");
}

TEST(Peft, RefusesTensorsThatDisagreeWithTheConfig) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  folder.write("adapter_config.json", R"({"peft_type":"LORA","r":2,"lora_alpha":4})");
  const std::string model = root + "/adapter_model.safetensors";
  write_safetensors(model, {{"base_model.model.q.lora_A.weight", torch::ones({3, 4})},
                            {"base_model.model.v.lora_B.weight", torch::ones({4, 2})}});
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }), root +
                                                              "/adapter_config.json: usam cannot use this adapter:\n"
                                                              "  tensor 'q.lora_A.weight' is not of rank 2\n"
                                                              "  'q' has lora_A but no lora_B\n"
                                                              "  'v' has lora_B but no lora_A");
  write_safetensors(model, {{"q.lora_A.weight", torch::ones({2, 4})}});
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }),
            model + ": the name of tensor 'q.lora_A.weight' does not begin with base_model.model.");
}

TEST(Peft, WrappedLayersHaveTheirPlainNames) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  folder.write("adapter_config.json", R"({"peft_type":"LORA","r":2,"lora_alpha":4,"bias":"all"})");
  write_safetensors(root + "/adapter_model.safetensors",
                    {{"base_model.model.a.q_proj.base_layer.bias", torch::ones({3})}});
  EXPECT_EQ(read_peft_adapter(root).tensors.at(0).first, "a.q_proj.bias");
}

TEST(Peft, RefusesTensorsThatItHasNot) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  folder.write("adapter_config.json", R"({"peft_type":"LORA","r":2,"lora_alpha":4})");
  const std::string prefix = "base_model.model.";
  write_safetensors(root + "/adapter_model.safetensors", {{prefix + "embed.lora_embedding_A", torch::ones({2, 4})},
                                                          {prefix + "head.base_layer.weight", torch::ones({1})},
                                                          {prefix + "head.weight", torch::full({1}, NAN)},
                                                          {prefix + "norm.weight", torch::ones({1}, torch::kLong)}});
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }),
            root +
                "/adapter_config.json: usam cannot use this adapter:\n"
                "  tensor 'norm.weight' holds Long, not real numbers\n"
                "  tensor 'embed.lora_embedding_A' is of a kind that usam has not\n"
                "  tensor 'head.weight' stands twice\n"
                "  tensor 'head.weight' holds NaN or infinity");
}

TEST(Peft, AbsentFiles) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }), root + ": there is no adapter_config.json in the folder");
  folder.write("adapter_config.json", R"({"peft_type":"LORA","r":2,"lora_alpha":4})");
  EXPECT_EQ(message_of([&] { read_peft_adapter(root); }),
            root + ": there is no adapter_model.safetensors in the folder");
  folder.write("adapter_model.bin", "");
  EXPECT_EQ(
      message_of([&] { read_peft_adapter(root); }),
      root +
          ": the adapter is there only as adapter_model.bin, which usam does not read; open it with peft and save "
          "it again, which writes adapter_model.safetensors");
}

TEST(Peft, BadConfigTexts) {
  const auto message = [](const std::string& text) { return message_of([&] { parse_peft_config(text, "a.json"); }); };
  const std::string head = "a.json: usam cannot use this adapter:\n  ";
  EXPECT_EQ(message("{"), "a.json: the file is not valid JSON (at byte 2)");
  EXPECT_EQ(message("[]"), "a.json: the file holds no JSON object");
  EXPECT_EQ(message(R"({"r": 1e999})"), "a.json: the file holds a number that is too large");
  EXPECT_EQ(message(std::string(1000, '[')), "a.json: the JSON is nested deeper than 64 levels");
  EXPECT_EQ(message(R"({"peft_type":"LORA","r":0,"lora_alpha":1})"), head + "r = 0 is not positive");
  EXPECT_EQ(message(R"({"peft_type":"LORA","r":2.5,"lora_alpha":1})"), head + "r = 2.5 is of the wrong type");
  EXPECT_EQ(message(R"({"peft_type":"LORA","r":2,"lora_alpha":1,"rank_pattern":{"a":-1}})"),
            head + "the rank -1 of rank_pattern 'a' is not positive");
}

TEST(Peft, TheWriterRefusesPathsThatPeftRewrites) {
  test::TemporaryFolder folder;
  for (const std::string module : {"lora_layer", "weighting"}) {
    PeftAdapter adapter;
    adapter.rank = 1;
    adapter.tensors = {{module + ".lora_A.weight", torch::ones({1, 2})},
                       {module + ".lora_B.weight", torch::ones({2, 1})}};
    EXPECT_THROW(write_peft_adapter(folder.path() / "a", adapter), std::logic_error);
  }
}

constexpr const char* kLoadAdapter = R"(
import sys, warnings
warnings.simplefilter('error', UserWarning)  # peft warns of adapter keys that are missing
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM
root = sys.argv[1]
base = LlamaForCausalLM(LlamaConfig(vocab_size=8, hidden_size=16, intermediate_size=8, num_hidden_layers=1,
                                    num_attention_heads=4, num_key_value_heads=2))
base.name_or_path = 'tiny'
model = PeftModel.from_pretrained(base, root + '/ours')
layers = {name[len('base_model.model.'):]: m for name, m in model.named_modules() if hasattr(m, 'lora_A')}
assert len(layers) == 2, layers
save_file({name: m.get_delta_weight('default').detach() for name, m in layers.items()}, root + '/deltas.safetensors')
warnings.simplefilter('default', UserWarning)
model.save_pretrained(root + '/theirs')
)";

TEST(Peft, PeftLoadsOursAndWeReadWhatItSaves) {
  USAM_NEEDS_ORACLE_PYTHON();
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  const auto adapter = small_adapter();
  write_peft_adapter(root + "/ours", adapter);
  const auto run = test::run_command(test::oracle_python() + " " + folder.write("load.py", kLoadAdapter) + " " + root);
  ASSERT_EQ(run.status, 0) << run.text;
  const SafetensorsFile deltas(root + "/deltas.safetensors");
  const std::map<std::string, torch::Tensor> tensors(adapter.tensors.begin(), adapter.tensors.end());
  for (const auto& module : deltas.names()) {
    const auto expected =
        adapter.scale(module) * tensors.at(module + ".lora_B.weight").mm(tensors.at(module + ".lora_A.weight"));
    EXPECT_LT((deltas.get(module) - expected).abs().max().item<double>(), 1e-5) << module;
  }
  EXPECT_EQ(deltas.names().size(), 2);
  expect_equal(adapter, read_peft_adapter(root + "/theirs"));
}

}  // namespace
}  // namespace usam::io
