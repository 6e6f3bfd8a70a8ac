// The real recipe with the real loader: a run that is cut short and continued leaves the bytes of one that is not.
#include <csignal>

#include "tests/train/tiny_run.h"

namespace usam::test {
namespace {

// The recipe itself, but that a signal arrives while one micro-batch is computed.
class Interrupted final : public Recipe {
 public:
  Interrupted(std::shared_ptr<Recipe> recipe, data::Cursor where, int signal)
      : recipe_(std::move(recipe)), where_(where), signal_(signal) {}
  data::DataPlan data_plan() const override { return recipe_->data_plan(); }
  Counts count(const data::Batch& batch) const override { return recipe_->count(batch); }
  StepOutput forward(const data::Batch& batch) override {
    if (batch.cursor == where_ && batch.size() > 0 && torch::GradMode::is_enabled()) raise(signal_);
    return recipe_->forward(batch);
  }
  std::vector<ParameterGroup> groups() override { return recipe_->groups(); }
  torch::nn::Module& module() override { return recipe_->module(); }
  std::vector<std::pair<std::string, torch::Tensor>> statistics() override { return recipe_->statistics(); }
  void train(bool on) override { recipe_->train(on); }
  void save_assets(const std::string& folder, const io::NamedTensors& values) const override {
    recipe_->save_assets(folder, values);
  }
  void check_assets(const std::string& folder) const override { recipe_->check_assets(folder); }

 private:
  std::shared_ptr<Recipe> recipe_;
  data::Cursor where_;
  int signal_;
};

// Starts or continues a run as a new process would, and stops it in the micro-batch `where`.
Outcome go_on(const std::string& run, std::optional<data::Cursor> where,
              const std::vector<std::string>& overrides = {}) {
  const TinyRun tiny(run, overrides);
  auto parts = tiny.parts();
  if (where) parts.recipe = std::make_shared<Interrupted>(tiny.recipe, *where, SIGTERM);
  parts.checkpoint = choose_resume(run, "auto");
  return Trainer(tiny.config.trainer, std::move(parts)).run();
}

TEST(TinyResume, EqualsAnUninterruptedRunBitForBit) {
  const Corpus corpus;
  const TemporaryFolder folder;
  const auto whole = folder.path() / "whole", cut = folder.path() / "cut";
  ASSERT_EQ(go_on(whole, std::nullopt), Outcome::kFinished);
  // 13 rows in pairs are 7 micro-batches an epoch, so 4 steps: in the first step, in the short last one of an epoch,
  // and in the middle of another epoch.
  ASSERT_EQ(go_on(cut, data::Cursor{0, 1}), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut).back().step, 1);
  ASSERT_EQ(go_on(cut, data::Cursor{0, 6}), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut).back().step, 4);
  ASSERT_EQ(go_on(cut, data::Cursor{2, 2}), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut).back().step, 10);
  ASSERT_EQ(go_on(cut, std::nullopt), Outcome::kFinished);

  for (const char* link : {"last", "best"}) {
    EXPECT_EQ(std::filesystem::read_symlink(whole / link), std::filesystem::read_symlink(cut / link));
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json", "base.json",
                             "adapter/adapter_model.safetensors", "tokenizer/tokenizer.model"}) {
      const auto expected = bytes_of(whole / link / name);
      EXPECT_FALSE(expected.empty()) << name;
      EXPECT_TRUE(bytes_of(cut / link / name) == expected) << link << "/" << name;
    }
  }
  EXPECT_EQ(rows_of(cut / "metrics.jsonl"), rows_of(whole / "metrics.jsonl"));
}

// Frozen values come from init_from, in fp32, into layers that keep fewer bits; checkpoints hold what is trained alone.
TEST(TinyResume, EqualsAnUninterruptedRunInFewerBits) {
  const Corpus corpus;
  const TemporaryFolder folder;
  const std::string first = folder.path() / "first.safetensors";
  {
    const TinyRun tiny(folder.path() / "run");
    io::NamedTensors values;
    for (const auto& item : tiny.model().named_parameters())
      values.emplace_back(item.key(), (item.value().detach() * 1.25).contiguous());
    io::write_safetensors(first, values);
  }
  const std::vector<std::string> bits = {"init_from=" + first,
                                         "recipe.encoders.whisper.store=int8",
                                         "recipe.encoders.ced.store=nf4",
                                         "recipe.encoders.mert.store=int8_dynamic",
                                         "recipe.llm.store=bfloat16_dynamic",
                                         "recipe.llm.tied=false"};
  const auto whole = folder.path() / "whole", cut = folder.path() / "cut";
  ASSERT_EQ(go_on(whole, std::nullopt, bits), Outcome::kFinished);
  ASSERT_EQ(go_on(cut, data::Cursor{0, 6}, bits), Outcome::kStopped);
  ASSERT_EQ(go_on(cut, std::nullopt, bits), Outcome::kFinished);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_TRUE(bytes_of(cut / "last" / name) == bytes_of(whole / "last" / name)) << name;
  for (const auto& name : io::SafetensorsFile(whole / "last/model.safetensors").names())
    EXPECT_TRUE(!name.starts_with("encoders.") &&
                (!name.starts_with("llm.") || name.find(".lora_") != std::string::npos))
        << name;
}

}  // namespace
}  // namespace usam::test
