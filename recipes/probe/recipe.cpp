// B samples, C classes.
#include "recipes/probe/recipe.h"

#include <algorithm>
#include <set>

#include "losses/cross_entropy.h"
#include "losses/sigmoid_cross_entropy.h"
#include "recipes/overlays.h"
#include "recipes/usam/assets.h"
#include "recipes/usam/model.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/json.h"

namespace usam::recipes {
namespace {

constexpr double kMinSeconds = 0.15;  // as in U-SAM: shorter clips are zero-padded to it
constexpr const char* kFile = "/labels.json";

std::vector<std::string> saved_labels(const std::string& folder) {
  try {
    return Json::parse(read_file(folder + kFile)).get<std::vector<std::string>>();
  } catch (const Json::exception& e) {
    user_error("{}{}: this is not a list of labels: {}", folder, kFile, e.what());
  }
}

std::vector<std::string> labels_of(const ProbeConfig& config, const RecipeInit& init) {
  const bool are_tags = config.target == Target::kTags;
  if (!init.assets.empty()) return saved_labels(init.assets);
  if (!config.labels.empty())
    return are_tags ? eval::read_tags(config.labels.value) : eval::read_labels(config.labels.value);
  const auto all = are_tags ? init.tags() : init.labels();
  const std::set<std::string> different(all.begin(), all.end());
  if (different.empty())
    user_error("No row of data.train has {}, which 'recipe.target: {}' learns.", are_tags ? "'tags'" : "a 'label'",
               are_tags ? "tags" : "label");
  if (!are_tags && different.size() == 1)
    user_error("All rows of data.train have the label '{}': there is nothing to tell apart.", *different.begin());
  return {different.begin(), different.end()};
}

}  // namespace

ProbeRecipe::ProbeRecipe(const ProbeConfig& config, const RecipeInit& init)
    : config_(config), init_(init), labels_(labels_of(config, init)) {
  for (const auto& label : labels_) classes_.emplace(label, std::ssize(classes_));
  model_ = std::make_shared<ProbeModel>(config_, init_.seed, std::ssize(labels_));
}

// A row that is only answered may have a label that was never learnt: it counts as wrong there.
int64_t ProbeRecipe::class_of(const std::string& name, bool is_training) const {
  const auto found = classes_.find(name);
  if (found != classes_.end()) return found->second;
  if (!is_training) return -1;
  user_error("the {} '{}' is none of the {} that {}", config_.target == Target::kTags ? "tag" : "label", name,
             labels_.size(), config_.labels.empty() ? "the probe knows" : config_.labels.value + " lists");
}

torch::Tensor ProbeRecipe::target_of(const data::Row& row, bool is_training) const {
  if (config_.target == Target::kLabel) {
    const std::string label = row.references.empty() ? "" : row.references.front();
    return torch::tensor({class_of(label, is_training)}, torch::kInt64);
  }
  auto target_C = torch::zeros({std::ssize(labels_)});
  for (const auto& tag : row.tags) {
    if (const auto number = class_of(tag, is_training); number >= 0) target_C[number] = 1;
  }
  return target_C;
}

data::DataPlan ProbeRecipe::data_plan() const {
  data::DataPlan plan;
  plan.min_seconds = kMinSeconds;
  const auto encoder = model_->encoder;
  plan.streams.push_back({"audio", encoder->front_end(), encoder->min_samples()});
  plan.fields = {{"audio"},
                 {"steps", data::Layout::kPadded, /*stays_on_host=*/true},
                 {"target", data::Layout::kPadded, /*stays_on_host=*/config_.target == Target::kLabel}};
  plan.length = [encoder](const data::Row&, double seconds) {
    const auto rate = static_cast<double>(sample_rate(encoder->front_end()));
    const auto samples = std::max<int64_t>(std::llround(seconds * rate), encoder->min_samples());
    return data::SampleLength{seconds, encoder->output_frames(samples), 0};
  };
  plan.make_example = [this, encoder](const data::Row& row, const data::Clip& clip) {
    data::Example example;
    const auto& features = clip.features.at("audio");
    example["audio"] = features;
    example["steps"] = torch::tensor({valid_steps(*encoder, features, clip.samples.at("audio"))}, torch::kInt64);
    example["target"] = target_of(row, clip.draw.has_value());
    return example;
  };
  return plan;
}

Counts ProbeRecipe::count(const data::Batch& batch) const {
  if (batch.size() == 0) return {{"samples", 0}};
  const auto& target = batch.field("target").data;
  return {{"samples",
           config_.target == Target::kTags ? static_cast<double>(batch.size()) : (target >= 0).sum().item<double>()}};
}

StepOutput ProbeRecipe::forward(const data::Batch& batch) {
  if (batch.size() == 0) return {};
  const auto logits_BC = model_->forward(batch);
  const auto& target = batch.field("target").data;
  if (config_.target == Target::kTags) return {{losses::sigmoid_cross_entropy(logits_BC, target)}, {}};
  const auto known_N = (target.squeeze(1) >= 0).nonzero().squeeze(1);
  const auto known_NC = logits_BC.index_select(0, to_device(known_N, logits_BC.device()));
  const auto classes_N = to_device(target.squeeze(1).index_select(0, known_N), logits_BC.device());
  auto term = losses::cross_entropy(known_NC, classes_N, {});
  term.count = "samples";
  const torch::NoGradGuard no_grad;
  return {{term}, {{"accuracy", (known_NC.argmax(1) == classes_N).sum(), static_cast<double>(known_N.size(0))}}};
}

torch::Tensor ProbeRecipe::scores(const data::Batch& batch) {
  const torch::NoGradGuard no_grad;
  const auto logits_BC = model_->forward(batch);
  return (config_.target == Target::kTags ? logits_BC.sigmoid() : logits_BC.softmax(1)).cpu();
}

void ProbeRecipe::save_assets(const std::string& folder, const io::NamedTensors& values) const {
  write_file_atomically(folder + kFile, to_lines(labels_));
  save_adapter(config_.encoder, config_.encoder.part.type, *model_->encoder, values, folder);
  std::call_once(bases_once_, [this] {
    bases_.models.push_back(describe_base("encoder", config_.encoder.part, init_.seed));
    for (const auto& path : init_.overlays) bases_.overlays.push_back(hashed_base("", path, overlay_files(path)));
  });
  write_bases(folder, bases_);
}

void ProbeRecipe::check_assets(const std::string& folder) const {
  ProbeConfig config = config_;
  Fields fields;
  describe(fields, config);
  check_bases(folder, print_fields(fields));
  const auto saved = saved_labels(folder);
  if (saved == labels_) return;
  std::vector<std::string> only;
  std::ranges::set_symmetric_difference(std::set(saved.begin(), saved.end()), std::set(labels_.begin(), labels_.end()),
                                        std::back_inserter(only));
  user_error("{} was trained on {} labels, and now there are {}{}: the classes would be taken for others.", folder,
             saved.size(), labels_.size(),
             only.empty() ? ", in another order" : "; '" + only.front() + "' is only on one side");
}

}  // namespace usam::recipes
