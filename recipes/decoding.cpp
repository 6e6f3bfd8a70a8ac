#include "recipes/decoding.h"

#include <algorithm>
#include <set>

#include "data/loader.h"
#include "src/base/error.h"
#include "src/base/log.h"

namespace usam::recipes {
namespace {

// The next batch; whoever watches this rank reads which samples it waits for or decodes.
std::optional<data::Batch> next_batch(data::Loader& loader, dist::Post& post) {
  const int64_t step = post.view().activity.step;  // training may be under way
  for (std::vector<std::string> missing; !(missing = loader.missing_after(std::chrono::seconds(1))).empty();)
    post.at({step, "data to decode", missing, 1});
  auto batch = loader.next();
  if (batch) post.at({step, "decoding", batch->keys, 1});
  return batch;
}

}  // namespace

int64_t rows_of(const data::DataSet& data) {
  return std::ssize(data.plan(0)->visits);
}

std::vector<std::string> tag_candidates(const data::Source& source, const eval::EvaluateConfig& config) {
  if (!config.tags.empty()) return eval::read_tags(config.tags.value);
  std::set<std::string> all;
  for (int64_t i = 0; i < source.size(); ++i) {
    for (const auto& tag : source.row(i).tags) all.insert(tag);
  }
  return {all.begin(), all.end()};
}

Decoder::Decoder(Recipe& recipe, const RunConfig& config, std::vector<std::string> candidates, bool explains)
    : recipe_(recipe), config_(config), candidates_(std::move(candidates)), explains_(explains) {
  answers_ = dynamic_cast<Answers*>(&recipe);
  if (!answers_)
    user_error("The recipe '{}' gives no text, so it cannot be evaluated by decoding.", config.recipe.type);
}

Share Decoder::decode(const std::shared_ptr<const data::DataSet>& data, const data::SkipList& skips,
                      dist::Communicator& ranks) {
  data::Loader loader(data, {{}, ranks.rank(), ranks.world()});
  const int64_t rows = rows_of(*data);
  Share share;
  while (const auto batch = next_batch(loader, ranks.post())) {
    for (const auto& skipped : batch->skipped) share.missed.push_back({batch->cursor.micro_batch, skipped});
    if (!skips.allows(std::ssize(share.missed), rows)) break;
    if (batch->size() == 0) continue;
    add(share, *batch, data->source());
    const int64_t done = std::ssize(share.answers);
    if (done % 256 < batch->size())
      log::info("{} of {} samples decoded", std::min(done * ranks.world(), rows), rows);  // the others' are guessed
  }
  return share;
}

void Decoder::add(Share& share, const data::Batch& loaded, const data::Source& source) {
  const auto batch = loaded.to(recipe_.module().parameters().front().device());
  const auto has_tags = [&](int64_t row) { return !source.row(row).tags.empty(); };
  const auto hypotheses = generate(*answers_, batch, decoding_options(config_.evaluate, *answers_));
  const auto scores = std::ranges::any_of(batch.rows, has_tags) ? score(*answers_, batch, candidates_)
                                                                : std::vector<std::vector<double>>{};
  const auto explained = explains_ ? answers_->explain(batch) : std::vector<Json>(hypotheses.size());
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    const auto row = batch.rows[i];
    share.answers.push_back(
        {row, hypotheses[i].front().text, has_tags(row) ? scores[i] : std::vector<double>{}, explained[i]});
  }
}

}  // namespace usam::recipes
