// Adapters that usam wrote, opened by peft, and folders that it merged, opened by transformers: the same values. One
// Python process computes them all.
#include <sstream>

#include "recipes/usam/assets.h"
#include "src/base/json.h"
#include "src/io/weights.h"
#include "src/models/model_registry.h"
#include "src/nn/lora.h"
#include "tests/parity/peft/parity.h"
#include "tests/unit/io/python.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/folder_part.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

class PeftRoundTrip : public testing::Test {
 protected:
  std::string base(const std::string& name) const { return oracles_ + "/" + name; }
  std::string path(const std::string& name) const { return folder_.path() / name; }

  // A job for Python, whose answer `tensor` must equal `expected`.
  void expect(const std::string& name, Json job, const io::NamedTensors& inputs, const std::string& tensor,
              const torch::Tensor& expected, double bound = kLogits) {
    io::write_safetensors(path(name + ".in"), inputs);
    job["input"] = path(name + ".in");
    job["output"] = path(name + ".out");
    jobs_.push_back(job);
    checks_.push_back({name, tensor, expected.clone(), bound});
  }

  void run() {
    const auto jobs = folder_.write("jobs.json", jobs_.dump());
    const auto ran = run_command(oracle_python() + " tests/parity/peft/open_ours.py " + jobs);
    ASSERT_EQ(ran.status, 0) << ran.text;
    for (const auto& check : checks_) {
      const auto theirs = io::SafetensorsFile(path(check.name + ".out")).get(check.tensor);
      EXPECT_LT(error_of_scale(check.expected, theirs), check.bound) << check.name;
    }
  }

  // Updates of random values on a model's layers.
  static nn::LoraConfig update(torch::nn::Module& model, std::vector<std::string> targets) {
    const nn::LoraConfig lora{.rank = 4, .alpha = 6, .dropout = 0.1, .targets = std::move(targets)};
    nn::attach_lora(model, lora, 3);
    const torch::NoGradGuard no_grad;
    torch::manual_seed(3);
    for (auto& parameter : model.named_parameters())
      if (parameter.key().ends_with("lora_B.weight")) parameter.value().normal_(0, 0.05);
    model.eval();
    return lora;
  }

  // A model's values as a checkpoint has them, where the model stands in the recipe.
  static io::NamedTensors values_of(const torch::nn::Module& model, const std::string& prefix) {
    io::NamedTensors values;
    for (const auto& parameter : model.named_parameters())
      values.emplace_back(prefix + parameter.key(), parameter.value());
    return values;
  }

  void language_model(const std::string& name) {
    const auto model = inspect::open_language_model(base(name));
    recipes::LlmSlot slot;
    slot.part = part_of(language_model_registry(), name);
    slot.train = recipes::Train::kLora;
    slot.lora = update(*model, {"q_proj", "self_attn.v_proj", "down_proj"});
    recipes::save_adapter(slot, values_of(*model, "llm."), path(name));
    const auto ids = torch::randint(model->vocab_size(), {2, 9});
    const auto logits = logits_of_rows(*model, ids);
    expect(name, {{"kind", "adapter"}, {"base", base(name)}, {"folder", path(name + "/adapter")}}, {{"ids", ids}},
           "logits", logits);
  }

  template <class Registry>
  Part part_of(const Registry& registry, const std::string& name) const {
    return inspect::part_of_folder(base(name), registry.types_of_folders(), registry.choices(),
                                   {{"whisper", {{"pad", "30s"}}}});
  }

  void encoder(const std::string& name, const torch::Tensor& features_BTM) {
    recipes::EncoderSlot slot;
    slot.part = part_of(encoder_registry(), name);
    slot.train = recipes::Train::kLora;
    const auto model = encoder_registry().build(slot.part, {.name = name});
    slot.lora = update(*model, {"q_proj", "v_proj"});
    recipes::save_adapter(slot, name, *model, values_of(*model, "encoders." + name + "."), path(name));
    const torch::NoGradGuard no_grad;
    const auto states = model->forward(features_BTM, torch::tensor({features_BTM.size(1)}), false).last_BTD;
    const auto features = features_BTM.dim() == 3 ? features_BTM.transpose(1, 2).contiguous() : features_BTM;
    expect(name, {{"kind", "encoder"}, {"base", base(name)}, {"folder", path(name + "/adapter/" + name)}},
           {{"features", features}}, "states", states);
  }

  // Merges an adapter of make_adapters.py; transformers must compute what peft computed unmerged.
  Json merged(const std::string& model, const std::string& adapter, const std::string& output) {
    std::ostringstream out;
    EXPECT_EQ(inspect::merge({.llm = base(model), .adapter = adapter, .output = path(output), .ids = {}}, out), 0);
    return Json::parse(out.str());
  }
  void merge(const std::string& name) {
    const std::string adapter = base("peft/" + name), output = "merged-" + name;
    const Json report = merged(name.substr(0, name.find('-')), adapter, output);
    EXPECT_LT(report.at("largest_logit_drift").get<double>(), kLogits * report.at("largest_logit").get<double>())
        << name;
    const io::SafetensorsFile golden(adapter + "/golden.safetensors");
    expect(output, {{"kind", "merged"}, {"base", path(output)}}, {{"ids", golden.get("ids")}}, "logits",
           golden.get("logits"));
  }

  TemporaryFolder folder_;
  std::string oracles_ = oracle_folder();
  Json jobs_ = Json::array();
  struct Check {
    std::string name, tensor;
    torch::Tensor expected;
    double bound;
  };
  std::vector<Check> checks_;
};

TEST_F(PeftRoundTrip, PeftAndTransformersComputeTheSame) {
  USAM_NEEDS_ORACLES();
  USAM_NEEDS_ORACLE_PYTHON();
  language_model("llama");
  language_model("qwen2");
  encoder("whisper", torch::randn({1, 3000, 80}));
  encoder("whisper-v3", torch::randn({1, 3000, 128}));
  encoder("mert", torch::randn({1, 16000}));
  for (const char* name :
       {"llama-rank_pattern", "llama-rslora", "llama-both_saved", "llama-head_updated", "llama-pissa",
        "qwen2-embedding_saved", "qwen2-head_updated", "qwen2-kept_tied", "qwen2-bias_all"})
    merge(name);
  run();
}

// Weights stored in 16 bits cannot hold the sum exactly: the drift is what is lost.
TEST_F(PeftRoundTrip, TheDriftIsThatOfTheTypeStored) {
  USAM_NEEDS_ORACLES();
  USAM_NEEDS_ORACLE_PYTHON();
  for (const char* name : {"llama-tied-bf16", "llama-sharded"}) {
    const auto model = inspect::open_language_model(base(name));
    recipes::LlmSlot slot;
    slot.part = part_of(language_model_registry(), name);
    slot.train = recipes::Train::kLora;
    slot.lora = update(*model, {"q_proj", "down_proj"});
    recipes::save_adapter(slot, values_of(*model, "llm."), path(name));
    const std::string output = std::string("merged-") + name;
    const Json report = merged(name, path(name) + "/adapter", output);
    const auto ids = torch::tensor(report.at("ids").get<std::vector<int64_t>>(), torch::kInt64).unsqueeze(0);
    ASSERT_EQ(ids.size(1), 64);
    const auto as_stored = inspect::logits_of(*inspect::open_language_model(path(output)), ids);
    const auto unmerged = inspect::logits_of(*model, ids);
    const double drift = report.at("largest_logit_drift").get<double>();
    EXPECT_NEAR((as_stored - unmerged).abs().max().item<double>(), drift, 1e-6);
    const bool is_narrow = std::string(name) == "llama-tied-bf16";
    EXPECT_EQ(drift > 1e-4, is_narrow) << name << " " << drift;
    expect(output, {{"kind", "merged"}, {"base", path(output)}}, {{"ids", ids}}, "logits", as_stored);
    for (const auto& entry : fs::directory_iterator(base(name))) {
      const std::string file = entry.path().filename();
      if (!file.starts_with("golden") && file != "lora") EXPECT_TRUE(fs::exists(path(output) + "/" + file)) << file;
    }
    const io::WeightFiles before(base(name)), after(path(output));
    EXPECT_EQ(before.names().size(), after.names().size());
    for (const auto& tensor : before.names()) {
      const bool is_changed = tensor.find("q_proj") != tensor.npos || tensor.find("down_proj") != tensor.npos;
      EXPECT_EQ(after.get(tensor).scalar_type(), before.get(tensor).scalar_type()) << tensor;
      EXPECT_EQ(torch::equal(after.get(tensor), before.get(tensor)), !is_changed) << tensor;
    }
  }
  run();
}

}  // namespace
}  // namespace usam::test
