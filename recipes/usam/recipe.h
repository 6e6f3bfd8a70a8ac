#pragma once
// U-SAM (arXiv 2505.13880): how its parts become a training step and an answer.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "losses/text_pool.h"
#include "recipes/answers.h"
#include "recipes/recipe_registry.h"
#include "recipes/usam/assets.h"
#include "recipes/usam/model.h"
#include "recipes/usam/prompts.h"
#include "src/base/json.h"
#include "src/text/tokenizer.h"
#include "trainer/recipe.h"

namespace usam::recipes {

class UsamRecipe final : public Recipe, public Answers {
 public:
  UsamRecipe(const UsamConfig& config, const RecipeInit& init);

  data::DataPlan data_plan() const override;
  Counts count(const data::Batch& batch) const override;
  StepOutput forward(const data::Batch& batch) override;
  torch::nn::Module& module() override { return *model_; }
  std::vector<std::string> doubts(const data::SampleLength& median) const override;
  std::vector<Watch> watches() const override;
  void train(bool on) override { model_->set_training(on); }
  void save_assets(const std::string& folder, const io::NamedTensors& values) const override;
  void check_assets(const std::string& folder) const override;

  PromptRows prompts(const data::Batch& batch) override;
  LanguageModel& language_model() override { return *model_->llm; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  std::vector<int64_t> end_ids() const override { return eos_; }
  std::vector<ShownSample> show(const data::Batch& batch) const override;
  // {"seconds", "scores", "kept": of each audio token, with the sample's own text; "gates": mean weight of each expert}
  std::vector<Json> explain(const data::Batch& batch) override;
  const UsamModel& model() const { return *model_; }

 private:
  data::Example make_example(const data::Row& row, const data::Clip& clip) const;
  void check_ids(const data::Row& row, const std::vector<int64_t>& ids) const;
  std::string target_text(const data::Row& row, const data::Clip& clip) const;
  nn::Projected hear(const data::Batch& batch);
  losses::TextTokens embed(const losses::TextPool& texts) const;
  losses::SaclmOutput contrast(const Frames& audio, const losses::TextPool& own);
  std::vector<Metric> task_metrics(const data::Batch& batch, const nn::Projected& heard,
                                   const torch::Tensor& losses_N) const;

  UsamConfig config_;
  RecipeInit init_;
  std::shared_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Prompts> prompts_;
  std::shared_ptr<UsamModel> model_;
  std::vector<int64_t> eos_;
  std::shared_ptr<dist::Communicator> pool_;  // the ranks that a sample's negatives come from
  mutable std::once_flag bases_once_, cache_once_;
  mutable Bases bases_;  // base.json, made when it is first asked for
};

}  // namespace usam::recipes
