// init_from: an adapter in peft's layout laid over a recipe's own low-rank updates.
#include "recipes/overlays.h"
#include "src/io/peft.h"
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
