#pragma once
// A linear probe on an audio encoder: classification of clips by labels or tags.
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "recipes/answers.h"
#include "recipes/bases.h"
#include "recipes/probe/model.h"
#include "recipes/recipe_registry.h"
#include "trainer/recipe.h"

namespace usam::recipes {

class ProbeRecipe final : public Recipe, public Classifies {
 public:
  ProbeRecipe(const ProbeConfig& config, const RecipeInit& init);

  data::DataPlan data_plan() const override;
  // "samples": those whose label or tags are in the set.
  Counts count(const data::Batch& batch) const override;
  StepOutput forward(const data::Batch& batch) override;
  torch::nn::Module& module() override { return *model_; }
  void train(bool on) override { model_->set_training(on); }
  void save_assets(const std::string& folder, const io::NamedTensors& values) const override;
  void check_assets(const std::string& folder) const override;

  const std::vector<std::string>& labels() const override { return labels_; }
  // Of labels they sum to 1; each tag has its own probability.
  torch::Tensor scores(const data::Batch& batch) override;
  ProbeModel& model() { return *model_; }

 private:
  int64_t class_of(const std::string& name, bool is_training) const;
  torch::Tensor target_of(const data::Row& row, bool is_training) const;

  ProbeConfig config_;
  RecipeInit init_;
  std::vector<std::string> labels_;
  std::map<std::string, int64_t> classes_;  // by label
  std::shared_ptr<ProbeModel> model_;
  mutable std::once_flag bases_once_;
  mutable Bases bases_;  // base.json, made when it is first asked for
};

}  // namespace usam::recipes
