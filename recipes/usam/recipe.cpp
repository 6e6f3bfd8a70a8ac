#include "recipes/usam/recipe.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "recipes/usam/assets.h"
#include "recipes/usam/feature_cache.h"
#include "src/base/error.h"
#include "src/nn/frame_select.h"
#include "src/nn/task_moe.h"
#include "src/tensor/rng.h"

namespace usam::recipes {
namespace {

constexpr int64_t kMinSamples = 2400;  // at 16 kHz: shorter clips are zero-padded to 0.15 s before all encoders

std::map<std::string, std::string> with_defaults(std::map<std::string, std::string> prompts) {
  prompts.insert(default_prompts().begin(), default_prompts().end());
  return prompts;
}

std::shared_ptr<Tokenizer> tokenizer_of(const UsamConfig& config, const RecipeInit& init) {
  if (!init.assets.empty()) return open_tokenizer(init.assets + "/tokenizer");
  std::vector<std::string> texts;
  if (config.llm.tokenizer.train) {
    texts = init.labels();
    for (auto& side : Prompts::sides(with_defaults(config.prompts))) texts.push_back(std::move(side));
  }
  return make_tokenizer(config.llm.tokenizer, texts);
}

Frames no_audio(const UsamModel& model) {
  const auto device = model.saclm->parameters().front().device();
  return {torch::zeros({0, 1, model.llm->width()}, device), torch::zeros({0}, torch::kInt64), 1};
}

// Of each sample the mean over its frames of the experts' weights -> (B, E).
torch::Tensor mean_gates(const nn::Projected& heard) {
  const auto frames_B = to_device(heard.audio.lengths_B.clamp_min(1), heard.gates_BTE.device());
  return heard.gates_BTE.to(torch::kFloat32).sum(1) / frames_B.unsqueeze(1);
}

// A batch's target texts, without their end tokens.
losses::TextPool target_texts(const data::Batch& batch) {
  if (batch.size() == 0) return {torch::zeros({0, 0}, torch::kInt64), torch::zeros({0}, torch::kInt64)};
  const auto& target = batch.field("target");
  return {target.data, target.lengths_B - 1};
}

}  // namespace

UsamRecipe::UsamRecipe(const UsamConfig& config, const RecipeInit& init)
    : config_(config), init_(init), tokenizer_(tokenizer_of(config, init)) {
  config_.prompts = with_defaults(config.prompts);
  prompts_ = std::make_unique<Prompts>(config_.prompts, tokenizer_, config_.chat);
  model_ = std::make_shared<UsamModel>(config_, init_.seed, tokenizer_->vocab_size());
  if (!config_.loss.balance.weight) config_.loss.balance.weight = model_->routes_sparsely() ? 0.01 : 0;
  eos_ = recipes::end_ids(config_.llm.part, prompts_->end_of_turn());
  const auto& saclm = config_.loss.saclm;
  pool_ = saclm && saclm->negatives == losses::Negatives::kRanks ? init_.ranks : dist::single_rank();
}

data::DataPlan UsamRecipe::data_plan() const {
  data::DataPlan plan;
  plan.min_seconds = static_cast<double>(kMinSamples) / 16000;
  std::call_once(cache_once_, [&] {
    if (config_.cache) model_->cache = std::make_shared<FeatureCache>(config_, model_->encoders, plan.min_seconds);
  });
  plan.memory = model_->cache;
  plan.takes_windows = true;
  const auto add = [&plan](const std::string& name, bool stays_on_host) {
    plan.fields.push_back({name, data::Layout::kPadded, stays_on_host});
  };
  for (const char* name : {"left", "right", "target"}) add(name, false);
  for (const char* name : {"seconds", "audio_tokens", "task", "windows"}) add(name, true);
  if (plan.memory) add("memory", true);
  for (const auto& part : model_->encoders) {
    plan.streams.push_back({part.name, part.encoder->front_end(), part.encoder->min_samples()});
    add("audio." + part.name, false);
    for (const char* name : {"steps.", "sizes."}) add(name + part.name, true);
    if (model_->cache && model_->cache->keeps(part.name)) add("kept." + part.name, false);
  }
  plan.length = [this](const data::Row& row, double seconds) {
    const AudioEncoder& encoder = *model_->encoders.front().encoder;
    const auto rate = static_cast<double>(sample_rate(encoder.front_end()));
    const int64_t samples = std::max<int64_t>(std::llround(seconds * rate), encoder.min_samples());
    const auto prompt = prompts_->of(row);
    const auto target = tokenizer_->encode(row.references.empty() ? "" : row.references.front());
    return data::SampleLength{seconds, model_->audio_tokens(encoder.output_frames(samples), seconds),
                              static_cast<int64_t>(prompt.left.size() + prompt.right.size() + target.size() + 1)};
  };
  plan.make_example = [this](const data::Row& row, const data::Clip& clip) { return make_example(row, clip); };
  return plan;
}

std::string UsamRecipe::target_text(const data::Row& row, const data::Clip& clip) const {
  if (row.references.empty()) return "";
  const bool label_is_tags =
      !row.tags.empty() && row.references.front() == fmt::format("{}", fmt::join(row.tags, ", "));
  if (!config_.shuffle_tags || !clip.draw || !label_is_tags) return row.references.front();
  std::vector<std::string> tags = row.tags;
  for (size_t i = tags.size(); i > 1; --i) std::swap(tags[i - 1], tags[below(DrawKey(*clip.draw).with("tags"), i, i)]);
  return fmt::format("{}", fmt::join(tags, ", "));
}

// On a GPU such an id would end the process without a name.
void UsamRecipe::check_ids(const data::Row& row, const std::vector<int64_t>& ids) const {
  const int64_t vocabulary = model_->llm->vocab_size();
  const auto largest = std::ranges::max_element(ids);
  if (largest != ids.end() && *largest >= vocabulary)
    user_error(
        "The text of '{}' has token {}, but the language model's vocabulary ends at {}: its folder's tokenizer belongs "
        "to another model.",
        row.key, *largest, vocabulary - 1);
}

data::Example UsamRecipe::make_example(const data::Row& row, const data::Clip& clip) const {
  const auto prompt = prompts_->of(row);
  auto target = tokenizer_->encode(target_text(row, clip));
  target.push_back(prompts_->end_of_turn());
  for (const std::vector<int64_t>* ids : {&prompt.left, &prompt.right, &std::as_const(target)}) check_ids(row, *ids);
  const FeatureCache* cache = model_->cache.get();
  data::Example example = shared_fields(clip, cache != nullptr);
  for (const auto& part : model_->encoders) {
    const bool is_kept = cache && cache->keeps(part.name);
    example.merge(encoder_fields(part, clip, is_kept ? std::optional(cache->type()) : std::nullopt));
  }
  example["left"] = ids_tensor(prompt.left);
  example["right"] = ids_tensor(prompt.right);
  example["target"] = ids_tensor(target);
  const auto task = config_.prompts.find(row.task);  // a row with its own prompt may be of a task without one
  example["task"] = ids_tensor({task == config_.prompts.end() ? -1 : std::distance(config_.prompts.begin(), task)});
  example["audio_tokens"] =
      ids_tensor({model_->audio_tokens(encoded_frames(model_->encoders.front(), clip), clip.seconds)});
  return example;
}

// The texts of the pool are gathered also where this rank has none: the others wait for it.
Counts UsamRecipe::count(const data::Batch& batch) const {
  const auto own = target_texts(batch);
  const auto texts = losses::pool_texts(own.ids_NW, own.lengths_N, *pool_);
  Counts counts = losses::saclm_counts(texts.lengths_N, losses::equal_texts(texts), texts.first, batch.size());
  counts["tokens"] = batch.size() == 0 ? 0 : batch.field("target").lengths_B.sum().item<double>();
  counts["frames"] = batch.size() == 0 ? 0 : batch.field("audio_tokens").data.sum().item<double>();
  return counts;
}

nn::Projected UsamRecipe::hear(const data::Batch& batch) {
  return model_->project(batch, model_->prompt_vector(batch));
}

losses::TextTokens UsamRecipe::embed(const losses::TextPool& texts) const {
  torch::NoGradGuard no_grad;
  return {model_->llm->embed(texts.ids_NW).to(torch::kFloat32),
          length_mask(texts.lengths_N, texts.ids_NW.size(1), texts.ids_NW.device())};
}

losses::SaclmOutput UsamRecipe::contrast(const Frames& audio, const losses::TextPool& own) {
  const auto device = audio.x_BTD.device();
  const auto texts = losses::pool_texts(to_device(own.ids_NW, device), own.lengths_N, *pool_);
  const losses::Pool pool{embed(texts), losses::equal_texts(texts), texts.first, pool_};
  auto out = model_->saclm->forward(audio, pool);
  if (model_->is_training()) return out;
  const auto figures = model_->saclm->evaluate(audio, pool);
  out.metrics.insert(out.metrics.end(), figures.begin(), figures.end());
  return out;
}

// A micro-batch without samples computes nothing, but has its turn where the ranks' samples are compared.
StepOutput UsamRecipe::forward(const data::Batch& batch) {
  if (batch.size() == 0) {
    if (pool_->world() > 1) contrast(no_audio(*model_), target_texts(batch));
    return {};
  }
  StepOutput out;
  const auto heard = hear(batch);
  const auto& target = batch.field("target");
  const auto audio = to_part(model_->prune(heard.audio));
  const auto packed = pack({model_->embed(batch.field("left")),
                            {audio.x_ND.to(torch::kFloat32), audio.lengths},
                            model_->embed(batch.field("right")),
                            model_->embed(target)});
  const auto hidden_ND = model_->llm->forward_packed(packed.embeds_ND, packed.lengths);
  const auto supervised = hidden_ND.index_select(0, packed.predictors_N);
  const auto targets = UsamModel::valid_ids(target);
  const auto head = [this](const torch::Tensor& rows_ND) { return model_->llm->logits(rows_ND); };
  torch::Tensor losses_N;
  out.terms.push_back(losses::cross_entropy(supervised, head, targets, config_.loss.ce, &losses_N));
  if (!model_->saclm.is_empty()) {
    const auto contrasted = contrast(heard.audio, target_texts(batch));
    out.terms.insert(out.terms.end(), contrasted.terms.begin(), contrasted.terms.end());
    out.metrics = contrasted.metrics;
  }
  if (model_->routes_sparsely())  // a constant elsewhere
    out.terms.push_back(
        losses::load_balance(heard.probabilities_BTE, heard.chosen_BTE, heard.audio.valid_BT(), config_.loss.balance));
  const auto tasks = task_metrics(batch, heard, losses_N);
  out.metrics.insert(out.metrics.end(), tasks.begin(), tasks.end());
  return out;
}

// By task the cross-entropy of its tokens and the experts' weights; by expert its weight over all samples.
std::vector<Metric> UsamRecipe::task_metrics(const data::Batch& batch, const nn::Projected& heard,
                                             const torch::Tensor& losses_N) const {
  torch::NoGradGuard no_grad;
  const auto gates_BE = mean_gates(heard);
  const auto tasks = to_vector(batch.field("task").data.squeeze(1)),
             tokens = to_vector(batch.field("target").lengths_B);
  std::map<int64_t, std::vector<int64_t>> rows, places;  // by task: its samples, and its tokens among all
  for (size_t b = 0, first = 0; b < tasks.size(); first += static_cast<size_t>(tokens[b++])) {
    rows[tasks[b]].push_back(static_cast<int64_t>(b));
    for (int64_t i = 0; i < tokens[b]; ++i) places[tasks[b]].push_back(static_cast<int64_t>(first) + i);
  }
  const auto sum_of = [](const torch::Tensor& x, const std::vector<int64_t>& index) {
    return x.index_select(0, to_device(index, x.device())).to(torch::kFloat64).sum(0);
  };
  std::vector<Metric> metrics;
  for (const auto& [task, of_task] : rows) {
    const std::string name = task < 0 ? "other" : std::next(config_.prompts.begin(), task)->first;
    const auto samples = static_cast<double>(of_task.size());
    metrics.push_back({"ce/" + name, sum_of(losses_N, places[task]), static_cast<double>(places[task].size())});
    const auto gates_E = sum_of(gates_BE, of_task);
    for (int64_t e = 0; e < gates_E.size(0); ++e) {
      metrics.push_back({fmt::format("router/{}/{}", name, e), gates_E[e], samples});
      if (gates_E.size(0) > 1) metrics.push_back({fmt::format("experts/{}", e), gates_E[e], samples});
    }
  }
  return metrics;
}

std::vector<std::string> UsamRecipe::doubts(const data::SampleLength& median) const {
  const auto& saclm = config_.loss.saclm;
  if (!saclm || saclm->decision != losses::Decision::kTopK) return {};
  const auto kept = nn::kept_frames(torch::tensor({median.audio_tokens}), saclm->rho).item<int64_t>();
  if (kept >= saclm->slots) return {};
  return {
      fmt::format("The median clip of {:.2f} s has {} audio tokens, of which the contrastive loss keeps {} (rho {:g}): "
                  "fewer than the {} slots that it gathers them into. Lower recipe.loss.saclm.slots, or "
                  "recipe.bridge.window for more tokens.",
                  median.seconds, median.audio_tokens, kept, saclm->rho, saclm->slots)};
}

std::vector<Watch> UsamRecipe::watches() const {
  constexpr double kNothing = 0.01, kAll = 0.95;
  std::vector<Watch> all;
  const auto* moe = dynamic_cast<const nn::TaskMoeImpl*>(model_->projector.get());
  const int64_t experts = moe ? moe->config().experts : 1;
  const std::string level = model_->routes_sparsely()
                                ? "Raise recipe.loss.balance.weight"
                                : "Set recipe.projector.top_k, which brings a loss that draws experts level";
  for (int64_t e = 0; experts > 1 && e < experts; ++e) {
    const std::string figure = fmt::format("experts/{}", e);
    all.push_back({fmt::format("dead_expert/{}", e), figure, kNothing, 1, fmt::format("Dead expert {}", e),
                   fmt::format("The router gives it next to nothing, so it learns nothing. {}, lower "
                               "trainer.optimizer.lr, or give recipe.projector fewer experts.",
                               level)});
    all.push_back({fmt::format("router_collapse/{}", e), figure, 0, kAll,
                   fmt::format("Router collapse to expert {}", e),
                   fmt::format("All sounds and tasks go the same way. {}, lower trainer.optimizer.lr, or set "
                               "recipe.projector.router_input to both.",
                               level)});
  }
  if (config_.loss.saclm && config_.loss.saclm->decision == losses::Decision::kThreshold)
    all.push_back(
        {"mask_collapse", "saclm_kept", 0.02, 0.98, "Mask collapse",
         "The contrastive loss keeps hardly any audio token, or nearly all. Lower recipe.loss.saclm.threshold "
         "where it keeps none and raise it where it keeps all, or set recipe.loss.saclm.decision to topk, which keeps "
         "the share rho."});
  return all;
}

PromptRows UsamRecipe::prompts(const data::Batch& batch) {
  const auto audio = to_part(model_->prune(hear(batch).audio));
  const auto sequence = lay_out({model_->embed(batch.field("left")), audio, model_->embed(batch.field("right"))});
  return {sequence.embeds_BTD, sequence.lengths_B};
}

std::vector<ShownSample> UsamRecipe::show(const data::Batch& batch) const {
  std::vector<ShownSample> all(static_cast<size_t>(batch.size()));
  for (int64_t b = 0; b < batch.size(); ++b) {
    ShownSample& sample = all[static_cast<size_t>(b)];
    const auto text = [&](const char* name) {
      const auto& field = batch.field(name);
      const auto ids = to_vector(field.data[b].narrow(0, 0, field.lengths_B[b].item<int64_t>()));
      sample.text_tokens += std::ssize(ids);
      return tokenizer_->decode(ids, SpecialText::kKept);
    };
    sample.audio_tokens = batch.field("audio_tokens").data[b].item<int64_t>();
    sample.text = text("left") + fmt::format("<audio: {} tokens>", sample.audio_tokens);
    sample.text += text("right") + text("target");
    for (const auto& part : model_->encoders)
      sample.frames.emplace_back(part.name, batch.field("steps." + part.name).data[b].sum().item<int64_t>());
  }
  return all;
}

std::vector<Json> UsamRecipe::explain(const data::Batch& batch) {
  torch::NoGradGuard no_grad;
  const auto heard = hear(batch);
  const auto lengths = to_vector(heard.audio.lengths_B);
  losses::FrameSelection selection;
  if (!model_->saclm.is_empty()) {
    const auto text = embed(target_texts(batch));
    selection = model_->saclm->select(heard.audio, &text);
  }
  auto list = [](const torch::Tensor& values, int64_t count) {
    const auto host = values.slice(0, 0, count).to(torch::kCPU, torch::kFloat32).contiguous();
    return std::vector<float>(host.data_ptr<float>(), host.data_ptr<float>() + host.numel());
  };
  const auto gates_BE = mean_gates(heard);
  std::vector<Json> all;
  for (int64_t b = 0; b < batch.size(); ++b) {
    const int64_t tokens = lengths[static_cast<size_t>(b)];
    Json one = {{"seconds", batch.field("seconds").data[b].item<double>()},
                {"gates", list(gates_BE[b], gates_BE.size(1))}};
    if (selection.scores_BT.defined()) {
      one["scores"] = list(selection.scores_BT[b], tokens);
      one["kept"] = list(selection.kept_BT[b], tokens);
    }
    all.push_back(std::move(one));
  }
  return all;
}

void UsamRecipe::save_assets(const std::string& folder, const io::NamedTensors& values) const {
  save_tokenizer(*tokenizer_, folder);
  save_adapter(config_.llm, values, folder);
  for (const auto& part : model_->encoders)
    for (const auto& [name, slot] : config_.encoders)
      if (name == part.name) save_adapter(slot, name, *part.encoder, values, folder);
  std::call_once(bases_once_,
                 [this] { bases_ = describe_bases(config_, init_); });  // hashing large files takes a while
  write_bases(folder, bases_);
}

void UsamRecipe::check_assets(const std::string& folder) const {
  UsamConfig config = config_;
  Fields fields;
  describe(fields, config);
  check_bases(folder, print_fields(fields));
}

}  // namespace usam::recipes
