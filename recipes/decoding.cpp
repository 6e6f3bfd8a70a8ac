// B samples, T positions, D width, C labels.
#include "recipes/decoding.h"

#include <algorithm>
#include <set>

#include "data/loader.h"
#include "src/base/error.h"
#include "src/decode/constraint.h"
#include "src/decode/score.h"

namespace usam::recipes {
namespace {

// The next batch; whoever watches this rank reads which samples it waits for or decodes.
std::optional<data::Batch> next_batch(data::Loader& loader, dist::ActivityMonitor& monitor) {
  const int64_t step = monitor.view().activity.step;  // training may be under way
  for (std::vector<std::string> missing; !(missing = loader.missing_after(std::chrono::seconds(1))).empty();)
    monitor.at({step, "data to decode", missing, 1});
  auto batch = loader.next();
  if (batch) monitor.at({step, "decoding", batch->keys, 1});
  return batch;
}

// Whether each label of the row's task is scored: of rows with tags those that the task itself lists, else all tags
// are.
bool takes_likeliest(const eval::TaskConfig& task, const data::Row& row) {
  return task.answer == eval::Answer::kLikelihood && (row.tags.empty() || !task.labels.empty());
}

std::vector<std::string> in_order(const std::set<std::string>& all) {
  return {all.begin(), all.end()};
}

const std::vector<std::string> kNone;

}  // namespace

const eval::TaskConfig& task_config(const eval::EvaluateConfig& config, const std::string& task) {
  static const eval::TaskConfig plain;
  const auto found = config.tasks.find(task);
  return found == config.tasks.end() ? plain : found->second;
}

int64_t rows_of(const data::DataSet& data) {
  return data.plan(0)->visits();
}

const std::vector<std::string>& Candidates::scored(const data::Row& row, const eval::EvaluateConfig& config) const {
  const auto of_task = labels.find(row.task);
  if (of_task != labels.end() && takes_likeliest(task_config(config, row.task), row)) return of_task->second;
  return row.tags.empty() ? kNone : tags;
}

Candidates candidates_of(const data::Source& source, const eval::EvaluateConfig& config, const Recipe& recipe) {
  // Rows of a classifier have a score for each of its labels, whatever the config says of their task's answers.
  if (const auto* classifies = dynamic_cast<const Classifies*>(&recipe)) return {classifies->labels(), {}};
  std::set<std::string> tags;
  std::map<std::string, std::set<std::string>> labels;
  for (int64_t i = 0; i < source.size(); ++i) {
    const auto row = source.row(i);
    tags.insert(row.tags.begin(), row.tags.end());
    const auto& own = task_config(config, row.task);
    if (own.answer == eval::Answer::kLabel || takes_likeliest(own, row))
      labels[row.task].insert(row.references.begin(), row.references.end());
  }
  Candidates out;
  out.tags = config.tags.empty() ? in_order(tags) : eval::read_tags(config.tags.value);
  for (const auto& [task, of_rows] : labels) {
    const auto& file = task_config(config, task).labels;
    out.labels[task] = file.empty() ? in_order(of_rows) : eval::read_labels(file.value);
  }
  return out;
}

Decoder::Decoder(Recipe& recipe, const RunConfig& config, DecoderParts parts)
    : recipe_(recipe),
      config_(config),
      parts_(std::move(parts)),
      answers_(dynamic_cast<Answers*>(&recipe)),
      classifies_(dynamic_cast<Classifies*>(&recipe)) {
  if (!answers_ && !classifies_)
    user_error("The recipe '{}' gives no answers, so it cannot be evaluated by decoding.", config.recipe.type);
  if (classifies_ && parts_.explains)
    user_error("The recipe '{}' has nothing to explain: leave --explain out.", config.recipe.type);
}

Share Decoder::decode(const std::shared_ptr<const data::DataSet>& data, const data::SkipList& skips,
                      dist::Communicator& ranks) {
  data::Loader loader(data, {{}, ranks.rank(), ranks.world()});
  const int64_t rows = rows_of(*data);
  share_ = {}, waiting_.clear(), under_way_.clear(), session_.reset();
  if (answers_) session_.emplace(answers_->language_model());
  for (bool has_more = true; has_more || !under_way_.empty();) {
    if (parts_.stops && parts_.stops()) {
      share_.is_cut = true;
      break;
    }
    if (has_more && waiting_.empty()) {
      const auto batch = next_batch(loader, ranks.monitor());
      has_more = batch.has_value();
      if (has_more) {
        for (const auto& skipped : batch->skipped) share_.missed.push_back({batch->cursor.micro_batch, skipped});
        if (!skips.allows(std::ssize(share_.missed), rows)) break;
        if (batch->size() > 0) take(*batch, data->source());
      }
    }
    refill();
    if (!session_) continue;
    for (const auto& [row, hypotheses] : session_->step()) {
      auto answer = under_way_.extract(row);
      answer.mapped().text = hypotheses.front().text;
      add(std::move(answer.mapped()));
    }
  }
  return std::move(share_);
}

void Decoder::take(const data::Batch& loaded, const data::Source& source) {
  const auto batch = loaded.to(recipe_.module().parameters().front().device());
  if (classifies_) {
    classify(batch, source);
  } else {
    prepare(batch, source);
  }
}

void Decoder::classify(const data::Batch& batch, const data::Source& source) {
  const auto scores_BC = classifies_->scores(batch).to(torch::kDouble).contiguous();
  if (!scores_BC.isfinite().all().item<bool>())
    user_error("The classifier's scores are no finite numbers: training of these values has diverged.");
  for (int64_t b = 0; b < batch.size(); ++b) {
    const auto* scores = scores_BC[b].data_ptr<double>();
    Answer answer{.row = batch.rows[static_cast<size_t>(b)], .text = {}, .scores = {}, .explained = {}};
    answer.text =
        classifies_->labels().at(static_cast<size_t>(std::max_element(scores, scores + scores_BC.size(1)) - scores));
    if (!source.row(answer.row).tags.empty()) answer.scores.assign(scores, scores + scores_BC.size(1));
    add(std::move(answer));
  }
}

// Scores what is to be scored, answers those that take the likeliest label, and lets the others wait for the session.
void Decoder::prepare(const data::Batch& batch, const data::Source& source) {
  const torch::NoGradGuard no_grad;
  const auto prompts = answers_->prompts(batch);
  auto explained = parts_.explains ? answers_->explain(batch) : std::vector<Json>(batch.rows.size());
  std::vector<std::vector<decode::Ids>> candidates(batch.rows.size());
  for (size_t b = 0; b < batch.rows.size(); ++b)
    for (const auto& text : parts_.candidates.scored(source.row(batch.rows[b]), config_.evaluate))
      candidates[b].push_back(answers_->tokenizer()->encode(text));
  auto scores = decode::score(answers_->language_model(), prompts.embeds_BTD, prompts.lengths_B, candidates);
  for (size_t b = 0; b < batch.rows.size(); ++b) {
    const auto row = source.row(batch.rows[b]);
    Answer answer{batch.rows[b], {}, std::move(scores[b]), std::move(explained[b])};
    if (task_config(config_.evaluate, row.task).answer == eval::Answer::kLikelihood) {
      const auto best = std::ranges::max_element(answer.scores) - answer.scores.begin();
      if (row.tags.empty()) answer.text = parts_.candidates.labels.at(row.task).at(static_cast<size_t>(best));
      add(std::move(answer));
      continue;
    }
    const auto at = static_cast<int64_t>(b);
    const auto length = prompts.lengths_B[at].item<int64_t>();
    waiting_.push_back({prompts.embeds_BTD[at].narrow(0, 0, length), {answer.row, row.key, options_of(row.task)}});
    under_way_.emplace(answer.row, std::move(answer));
  }
}

std::shared_ptr<const decode::Options> Decoder::options_of(const std::string& task) {
  auto& options = options_[task];
  if (options) return options;
  const auto& own = task_config(config_.evaluate, task);
  auto made = decoding_options(config_.evaluate, *answers_);
  made.max_new_tokens = own.max_new_tokens.value_or(made.max_new_tokens);
  if (own.answer == eval::Answer::kNumber) made.constraint = decode::a_number(*made.tokenizer);
  if (own.answer == eval::Answer::kLabel) {
    const auto& labels = parts_.candidates.labels.at(task);
    for (const auto& label : labels) {
      if (const auto tokens = std::ssize(made.tokenizer->encode(label)); tokens > made.max_new_tokens)
        user_error("The label '{}' of {} has {} tokens: evaluate.max_new_tokens {} would cut it.", label, task, tokens,
                   made.max_new_tokens);
    }
    made.constraint = decode::one_of(labels, *made.tokenizer);
  }
  return options = std::make_shared<const decode::Options>(std::move(made));
}

// Prompts join in numbers: reading them costs less together.
void Decoder::refill() {
  if (!session_ || waiting_.empty()) return;
  const int64_t room = config_.evaluate.batch_rows, free = room - session_->size();
  if (4 * free < room) return;
  std::vector<torch::Tensor> prompts;
  std::vector<int64_t> lengths;
  std::vector<decode::Request> requests;
  for (; std::ssize(requests) < free && !waiting_.empty(); waiting_.pop_front()) {
    prompts.push_back(waiting_.front().prompt_TD);
    lengths.push_back(prompts.back().size(0));
    requests.push_back(waiting_.front().request);
  }
  session_->add(torch::nn::utils::rnn::pad_sequence(prompts, /*batch_first=*/true), torch::tensor(lengths), requests);
}

void Decoder::add(Answer answer) {
  if (parts_.on_answer) parts_.on_answer(answer);
  share_.answers.push_back(std::move(answer));
}

}  // namespace usam::recipes
