// train_focal GAMMA CONFIG [key=value ...]: trains a probe with the focal loss (Lin et al., arXiv 1708.02002) instead
// of cross-entropy. Samples B, classes C.
#include <filesystem>
#include <string>
#include <vector>

#include "losses/full_precision.h"
#include "recipes/probe/recipe.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/program.h"
#include "trainer/run_folder.h"
#include "trainer/trainer.h"

namespace {

using namespace usam;

// The loss. A term is a sum over items and the name of what it is divided by, here the batch's "samples": so it does
// not matter how a step's samples are spread over micro-batches and ranks.
Term focal(const torch::Tensor& logits_BC, const torch::Tensor& classes_B, double gamma) {
  const losses::FullPrecision guard;
  const auto log_p_B = logits_BC.to(torch::kFloat).log_softmax(1).gather(1, classes_B.unsqueeze(1)).squeeze(1);
  return {"focal", -((1 - log_p_B.exp()).pow(gamma) * log_p_B).sum(), "samples"};
}

// A probe in everything but its loss: data, classes, parameters and what a checkpoint holds are the probe's own, so
// that usam-eval reads the checkpoint without knowing of this program.
class FocalProbe final : public Recipe {
 public:
  FocalProbe(std::shared_ptr<recipes::ProbeRecipe> probe, double gamma) : probe_(std::move(probe)), gamma_(gamma) {}

  StepOutput forward(const data::Batch& batch) override {
    if (batch.size() == 0) return {};
    const auto target_B = batch.field("target").data.squeeze(1);  // -1: a class that was never learnt, not counted
    const auto known_B = target_B >= 0;
    const auto logits_BC = probe_->model().forward(batch).index({known_B});
    return {{focal(logits_BC, target_B.index({known_B}), gamma_)}, {}};
  }

  data::DataPlan data_plan() const override { return probe_->data_plan(); }
  Counts count(const data::Batch& batch) const override { return probe_->count(batch); }
  std::vector<ParameterGroup> groups() override { return probe_->groups(); }
  torch::nn::Module& module() override { return probe_->module(); }
  void train(bool on) override { probe_->train(on); }
  void save_assets(const std::string& folder, const io::NamedTensors& values) const override {
    probe_->save_assets(folder, values);
  }
  void check_assets(const std::string& folder) const override { probe_->check_assets(folder); }

 private:
  std::shared_ptr<recipes::ProbeRecipe> probe_;
  double gamma_;
};

int train(double gamma, const std::string& file, const std::vector<std::string>& overrides) {
  recipes::RunConfig config;
  load_config(file, {overrides}, config);
  if (config.recipe.type != "probe" || config.recipe.as<recipes::ProbeConfig>().target != recipes::Target::kLabel)
    user_error("{}: train_focal trains 'recipe: {{type: probe, target: label}}' and nothing else.", file);
  const auto source = recipes::open_data(config.data.train, config);
  const auto probe = std::dynamic_pointer_cast<recipes::ProbeRecipe>(recipes::build_recipe(config, *source));

  TrainerParts parts;
  parts.recipe = std::make_shared<FocalProbe>(probe, gamma);
  parts.run = config.run.dir.value;
  parts.checkpoint = choose_resume(parts.run, "auto");
  if (!parts.checkpoint.empty()) check_resumed_config(parts.checkpoint, config);
  parts.config_yaml = print_config(config);
  parts.seed = static_cast<uint64_t>(config.seed);
  std::filesystem::create_directories(parts.run);
  const auto batches = [&](const std::vector<data::ManifestConfig>& manifests, bool is_training) {
    const auto rows = recipes::open_data(manifests, config);
    const auto skips = std::make_shared<data::SkipList>(config.data.max_skipped,
                                                        data::SkipList::append_to(parts.run + "/skipped.jsonl"));
    return recipes::make_batches(recipes::make_data_set(rows, *parts.recipe, config, is_training, skips), *parts.ranks);
  };
  parts.train = batches(config.data.train, true);
  if (!config.data.valid.empty()) parts.valid = batches(config.data.valid, false);
  parts.recipe->train(true);
  return Trainer(config.trainer, std::move(parts)).run() == Outcome::kStopped ? kPreempted : kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return usam::run_program([&] {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 2) user_error("Usage: train_focal GAMMA CONFIG [key=value ...]");
    double gamma = -1;
    try {
      gamma = std::stod(arguments[0]);
    } catch (const std::exception&) {
    }
    if (gamma < 0) user_error("GAMMA must be a number from 0 on, found '{}'.", arguments[0]);
    return train(gamma, arguments[1], {arguments.begin() + 2, arguments.end()});
  });
}
