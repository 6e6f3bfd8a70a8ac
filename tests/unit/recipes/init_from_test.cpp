// init_from: an adapter in peft's layout laid over a recipe's own low-rank updates.
#include "recipes/overlays.h"
#include "src/io/peft.h"
#include "src/models/mert/model.h"
#include "src/models/pretrained.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::TinyRun;

class InitFrom : public testing::Test {
 protected:
  // An adapter for the tiny config's language model, as a checkpoint writes it.
  std::string adapter() const {
    const TinyRun run(folder_.path() / "first");
    const torch::NoGradGuard no_grad;
    for (auto& [name, parameter] : run.parameters()) parameter.add_(0.01 * torch::randn_like(parameter));
    run.recipe->save_assets(folder_.path(), run.parameters());
    return folder_.path() / "adapter";
  }
  std::string message(const std::vector<std::string>& overrides) const {
    return test::message_of([&] { TinyRun(folder_.path() / "second", overrides); });
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(InitFrom, AnAdapterTakesTheUpdatesPlace) {
  const std::string path = adapter();
  const TinyRun plain(folder_.path() / "second"), run(folder_.path() / "second", {"init_from=" + path});
  const auto expected = overlay_tensors(path);
  EXPECT_EQ(expected.size(), 8U);  // two layers, two targets, two factors
  auto values = run.model().named_parameters();
  for (const auto& [name, tensor] : expected) {
    EXPECT_TRUE(values[name].equal(tensor)) << name;
    values.erase(name);
  }
  const auto before = plain.model().named_parameters();
  for (const auto& item : values) EXPECT_TRUE(item.value().equal(before[item.key()])) << item.key();
}

TEST_F(InitFrom, AnAdapterOfAnotherKindIsRefused) {
  const std::string path = adapter();
  const std::string head = "The adapter " + path + " is not of the kind that recipe.llm.lora makes:\n";
  const std::string remedy =
      "\nMake recipe.llm.lora like the adapter, or merge it into its base model (usam-inspect merge) and begin with "
      "that "
      "folder.";
  EXPECT_EQ(
      message({"init_from=" + path, "recipe.llm.lora.rank=2"}),
      head + "  q_proj: rank 4 in the adapter, 2 here (2 layers)\n  v_proj: rank 4 in the adapter, 2 here (2 layers)" +
          remedy);
  EXPECT_EQ(message({"init_from=" + path, "recipe.llm.lora.alpha=4", "recipe.llm.lora.targets=[q_proj, o_proj]"}),
            head +
                "  o_proj: updated by recipe.llm.lora, not by the adapter (2 layers)\n"
                "  q_proj: scaled by 4 in the adapter, by 1 here; an alpha of 16 does the same (2 layers)\n"
                "  v_proj: updated by the adapter, not by recipe.llm.lora (2 layers)" +
                remedy);
  // Of rslora the scale has a root, which no decimal alpha gives exactly.
  const std::string rslora = folder_.path() / "rslora";
  auto rooted = io::read_peft_adapter(path);
  rooted.rank_stabilized = true;
  rooted.rank = 3;
  for (auto& [name, tensor] : rooted.tensors) tensor = tensor.narrow(tensor.size(0) == 4 ? 0 : 1, 0, 3).contiguous();
  io::write_peft_adapter(rslora, rooted);
  const auto refused = message({"init_from=" + rslora, "recipe.llm.lora.rank=3"});
  const auto at = refused.find("an alpha of ") + 12;
  EXPECT_EQ(message({"init_from=" + rslora, "recipe.llm.lora.rank=3",
                     "recipe.llm.lora.alpha=" + refused.substr(at, refused.find(' ', at) - at)}),
            "");
  auto saved = io::read_peft_adapter(path);
  saved.tensors.emplace_back("lm_head.weight", torch::ones({3}));
  saved.tensors.emplace_back("model.layers.9.bias", torch::ones({3}));
  io::write_peft_adapter(folder_.path() / "more", saved);
  const std::string more = folder_.path() / "more";
  const auto said = message({"init_from=" + more});
  EXPECT_NE(said.find("  lm_head.weight: (3) in the adapter, ("), std::string::npos) << said;
  EXPECT_NE(said.find("  model.layers.9.bias: not a parameter of the recipe's language model\n"), std::string::npos)
      << said;
  auto tied = io::read_peft_adapter(path);
  tied.tensors.emplace_back("model.embed_tokens.weight", overlay_tensors(path).front().second);
  io::write_peft_adapter(more, tied);
  const auto of_tied = message({"init_from=" + more, "recipe.llm.tied=true"});
  EXPECT_NE(of_tied.find("  model.embed_tokens.weight: here the output projection too, in the adapter not\n"),
            std::string::npos)
      << of_tied;
}

// The module's parameters as they would be with the store, had the values been there first.
void keep_in(UsamModel& model, KeptStore store) {
  ModelSource source;
  source.store = store;
  for (auto& part : model.encoders) {
    keep_random(*part.encoder, source);
    auto* mert = dynamic_cast<MertEncoder*>(part.encoder.get());
    if (mert && store == KeptStore::kInt8Dynamic) mert->quantise_convolutions();
  }
  keep_random(*model.llm, source);
}

std::vector<std::string> with_store(const std::string& store) {
  std::vector<std::string> overrides;
  for (const char* part : {"encoders.whisper", "encoders.ced", "encoders.mert", "llm"})
    overrides.push_back(fmt::format("recipe.{}.store={}", part, store));
  return overrides;
}

constexpr std::pair<const char*, KeptStore> kStores[] = {{"bfloat16", KeptStore::kBFloat16},
                                                         {"float16", KeptStore::kFloat16},
                                                         {"bfloat16_dynamic", KeptStore::kBFloat16Dynamic},
                                                         {"int8", KeptStore::kInt8},
                                                         {"int8_dynamic", KeptStore::kInt8Dynamic},
                                                         {"nf4", KeptStore::kNf4}};

// Bit for bit what a model keeps that has the values from the start; a later overlay takes the earlier one's place.
TEST_F(InitFrom, ValuesAreConvertedIntoTheLayersStore) {
  using test::operator+;
  const std::string first = folder_.path() / "first.safetensors", last = folder_.path() / "last.safetensors";
  for (const auto& path : {first, last}) {
    const TinyRun run(folder_.path() / "run");
    const torch::NoGradGuard no_grad;
    io::NamedTensors values;
    for (const auto& item : run.model().named_parameters())
      values.emplace_back(item.key(), (item.value() + 0.05 * torch::randn_like(item.value())).contiguous());
    io::write_safetensors(path, values);
  }
  for (const auto& [name, store] : kStores) {
    const TinyRun expected(folder_.path() / "run", {"init_from=" + last});
    keep_in(expected.model(), store);
    const TinyRun run(folder_.path() / "run",
                      with_store(name) + std::vector{fmt::format("init_from=[{},{}]", first, last)});
    const auto values = expected.model().named_parameters(), got = run.model().named_parameters();
    int64_t lower = 0;
    for (const auto& item : got) {
      if (item.key().find(".lora_") != std::string::npos) {  // fp32, whatever is updated
        EXPECT_TRUE(item.value().equal(io::SafetensorsFile(last).get(item.key()))) << item.key();
        continue;
      }
      ASSERT_TRUE(values.contains(item.key())) << name << " " << item.key();
      const auto& other = values[item.key()];
      EXPECT_EQ(item.value().scalar_type(), other.scalar_type()) << name << " " << item.key();
      EXPECT_TRUE(item.value().equal(other)) << name << " " << item.key();
      EXPECT_EQ(item.value().requires_grad(), other.requires_grad()) << name << " " << item.key();
      lower += item.value().scalar_type() != torch::kFloat;
    }
    // Three encoder blocks, MERT's and CED's projections of frames, two decoder blocks, the head but in nf4;
    // convolutions.
    EXPECT_GE(lower, 3 * 6 + 2 * 7) << name;
    EXPECT_EQ(got["encoders.mert.feature_extractor.conv_layers.1.conv.weight"].scalar_type(),
              store == KeptStore::kInt8Dynamic ? torch::kChar : torch::kFloat);
  }
}

TEST_F(InitFrom, CodesAreNoValues) {
  const TinyRun run(folder_.path() / "run", with_store("nf4"));
  const std::string name = "llm.model.layers.0.mlp.up_proj.", path = folder_.path() / "codes.safetensors";
  const auto values = run.model().named_parameters();
  io::write_safetensors(path, {{name + "weight", values[name + "weight"]}, {name + "scales", values[name + "scales"]}});
  EXPECT_EQ(test::message_of(
                [&] { TinyRun(folder_.path() / "second", test::operator+(with_store("nf4"), {"init_from=" + path})); }),
            path + ": the weights do not fit the model, in 2 tensors (0 fit):\n  unexpected: " + name +
                "scales\n  shape of " + name + "weight: expected [64, 32], got [1024]");
}

// A whole layer that an adapter holds (modules_to_save).
TEST_F(InitFrom, AnAdaptersHeadIsConvertedToo) {
  auto adapter_values = io::read_peft_adapter(adapter());
  const auto head = torch::randn({160, 32});
  adapter_values.tensors.emplace_back("lm_head.weight", head);
  const std::string more = folder_.path() / "more";
  io::write_peft_adapter(more, adapter_values);
  const TinyRun run(folder_.path() / "second", test::operator+(with_store("int8"), {"init_from=" + more}));
  const auto expected = nn::store_weight(head, nn::WeightStore::kInt8);
  const auto values = run.model().named_parameters();
  EXPECT_TRUE(values["llm.lm_head.weight"].equal(expected.values));
  EXPECT_TRUE(values["llm.lm_head.scales"].equal(expected.scales));
}

TEST_F(InitFrom, AnEncodersUpdatesAreExportedToo) {
  const TinyRun run(folder_.path() / "run",
                    {"recipe.encoders.whisper.train=lora", "recipe.encoders.whisper.lora.rank=3"});
  run.recipe->save_assets(folder_.path(), run.parameters());
  const auto adapter = io::read_peft_adapter(folder_.path() / "adapter/whisper");
  EXPECT_EQ(adapter.rank, 3);
  EXPECT_EQ(adapter.task, "");
  EXPECT_EQ(adapter.targets, (std::vector<std::string>{"layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj"}));
  EXPECT_EQ(adapter.tensors.size(), 4U);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "adapter/ced"));
}

}  // namespace
}  // namespace usam::recipes
