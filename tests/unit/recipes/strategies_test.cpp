// What is trained is what the config says: frozen, lora or full, for encoders and the language model (defect 26).
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::TinyRun;

class Strategies : public testing::TestWithParam<std::string> {
 protected:
  // Trains two steps and gives the parameters of a module that moved, by path.
  std::set<std::string> moved(const TinyRun& run, const torch::nn::Module& module) const {
    std::map<std::string, torch::Tensor> before;
    for (const auto& p : module.named_parameters()) before[p.key()] = p.value().detach().clone();
    EXPECT_EQ(run.train(), Outcome::kFinished);
    std::set<std::string> names;
    for (const auto& p : module.named_parameters()) {
      EXPECT_TRUE(p.value().isfinite().all().item<bool>()) << p.key();
      if (!p.value().equal(before.at(p.key()))) names.insert(p.key());
    }
    return names;
  }
  std::vector<std::string> overrides(const std::string& part) const {
    return {"trainer.max_steps=3", "trainer.schedule={type: constant}", part + ".train=" + GetParam(),
            part + ".lora={rank: 2, dropout: 0}"};
  }
  void expect(const std::set<std::string>& names, const torch::nn::Module& module) const {
    const auto all = module.named_parameters();
    const auto is_update = [](const std::string& name) { return name.find(".lora_") != std::string::npos; };
    const auto updates = std::count_if(all.begin(), all.end(), [&](const auto& p) { return is_update(p.key()); });
    if (GetParam() == "frozen") EXPECT_TRUE(names.empty()) << *names.begin();
    if (GetParam() == "lora") {
      EXPECT_GT(updates, 0);
      EXPECT_EQ(std::ssize(names), updates);
      for (const auto& name : names) EXPECT_TRUE(is_update(name)) << name;
    }
    if (GetParam() == "full") {
      EXPECT_EQ(updates, 0);
      EXPECT_GT(2 * names.size(), all.size());
      EXPECT_TRUE(
          std::any_of(names.begin(), names.end(), [](const auto& name) { return name.ends_with("q_proj.weight"); }));
    }
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_P(Strategies, OfAnEncoder) {
  const TinyRun run(folder_.path() / "run", overrides("recipe.encoders.whisper"));
  for (const auto& part : run.model().encoders) {
    EXPECT_EQ(part.encoder->is_training(), part.name == "whisper" && GetParam() != "frozen") << part.name;
  }
  const auto& whisper = *run.model().encoders.at(1).encoder;
  ASSERT_EQ(run.model().encoders.at(1).name, "whisper");
  expect(moved(run, whisper), whisper);
}

TEST_P(Strategies, OfTheLanguageModel) {
  const TinyRun run(folder_.path() / "run", overrides("recipe.llm"));
  EXPECT_EQ(run.model().llm->is_training(), GetParam() != "frozen");
  const auto& llm = *run.model().llm;
  expect(moved(run, llm), llm);
  // Only updates are exported.
  EXPECT_EQ(std::filesystem::exists(folder_.path() / "run/last/adapter"), GetParam() == "lora");
}

INSTANTIATE_TEST_SUITE_P(All, Strategies, testing::Values("frozen", "lora", "full"),
                         [](const auto& strategy) { return strategy.param; });

}  // namespace
}  // namespace usam::recipes
