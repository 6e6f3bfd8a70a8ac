#include "recipes/report/report.h"

#include <filesystem>
#include <map>
#include <set>

#include "data/loader.h"
#include "recipes/answers.h"
#include "recipes/report/clip.h"
#include "recipes/subset.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/eval/html/examples.h"
#include "src/eval/html/figures.h"
#include "src/eval/html/page.h"

namespace usam::recipes {
namespace {

using eval::html::Heard;
using eval::html::TaskExamples;

// The keys of the examples: the worst of each task, then the second of each, and so on.
std::vector<std::string> keys_of(const std::vector<TaskExamples>& tasks,
                                 const std::vector<eval::Hypothesis>& hypotheses) {
  std::vector<std::string> keys;
  std::set<std::string> seen;
  for (size_t rank = 0, left = 1; left > 0; ++rank) {
    left = 0;
    for (const auto& task : tasks) {
      if (rank >= task.worst.size()) continue;
      const auto& key = hypotheses[task.worst[rank].index].key;
      if (seen.insert(key).second) keys.push_back(key);
      ++left;
    }
  }
  return keys;
}

// Where the rows with these keys stand in a source, in its order.
std::map<std::string, int64_t> rows_of(const std::vector<std::string>& keys, const data::Source& source) {
  const std::set<std::string> wanted(keys.begin(), keys.end());
  std::map<std::string, int64_t> rows;
  for (int64_t i = 0; i < source.size() && rows.size() < wanted.size(); ++i) {
    if (auto key = source.row(i).key; wanted.contains(key)) rows.emplace(std::move(key), i);
  }
  return rows;
}

// How a recipe hears these rows, by key; of one that cannot say, nothing.
std::map<std::string, Json> explained(Recipe& recipe, const std::shared_ptr<const data::Source>& source,
                                      const std::map<std::string, int64_t>& rows, const RunConfig& run) {
  auto* answers = dynamic_cast<Answers*>(&recipe);
  if (!answers || rows.empty()) return {};
  std::vector<int64_t> chosen;
  for (const auto& [key, row] : rows) chosen.push_back(row);
  RunConfig config = decoding_config(run);
  config.data.on_error = data::OnError::kSkip;
  config.data.long_audio = data::LongAudio::kTruncate;
  const auto subset = std::make_shared<Subset>(source, chosen);
  data::Loader loader(make_data_set(subset, recipe, config, false, nullptr), {});
  std::map<std::string, Json> all;
  while (const auto loaded = loader.next()) {
    if (loaded->size() == 0) continue;
    const auto said = answers->explain(loaded->to(recipe.module().parameters().front().device()));
    for (size_t i = 0; i < said.size(); ++i) all[loaded->keys[i]] = said[i];
  }
  return all;
}

// A clip for a page in `folder`; takes the bytes of its audio from `budget`, or leaves them outside.
Heard heard(const data::Row& row, const std::string& folder, int64_t& budget) {
  Heard one;
  try {
    const auto clip = read_shown(row);
    one.seconds = clip.seconds;
    one.spectrogram = spectrogram_png(clip.samples);
    one.audio = audio_uri(clip);
    if (clip.is_cut) one.note = fmt::format("The first {:g} seconds are shown.", kShownSeconds);
  } catch (const UserError& e) {
    one.note = e.what();
    return one;
  }
  if (std::ssize(one.audio) <= budget) {
    budget -= std::ssize(one.audio);
  } else if (row.audio().member.empty()) {
    one.audio = audio_link(row, folder);
  } else {  // no page can link into a tar
    one.audio.clear();
    one.note += fmt::format("{}The recording is {}; evaluate.report.audio_megabytes lets more into this page.",
                            one.note.empty() ? "" : " ", row.audio().shown());
  }
  return one;
}

std::string subtitle(const AnsweredSet& answered, const Json& metrics) {
  const auto count = std::ssize(answered.hypotheses);
  const auto sets = std::ssize(metrics.at("sources"));
  return fmt::format("{} sample{} of {} test set{}", eval::html::count_text(count), count == 1 ? "" : "s", sets,
                     sets == 1 ? "" : "s");
}

}  // namespace

void write_report(Recipe& recipe, const AnsweredSet& answered, const RunConfig& config, const ReportParts& parts) {
  const auto options = eval::score_options(config.evaluate);
  const auto& asked = config.evaluate.report;
  eval::html::Page page{parts.title, subtitle(answered, parts.metrics), parts.metrics, asked.examples, {},
                        parts.origin};
  const auto worst =
      eval::html::worst_examples(answered.hypotheses, parts.metrics.at("tasks"), options, asked.examples);
  const auto keys = keys_of(worst, answered.hypotheses);
  const auto source = open_data(config.data.test, config);
  const auto rows = rows_of(keys, *source);
  std::map<std::string, Json> said;
  for (const auto& one : answered.explained) said[one.at("key").get<std::string>()] = one;
  if (answered.explained.empty()) said = explained(recipe, source, rows, config);
  auto budget = static_cast<int64_t>(asked.audio_megabytes * 1e6);
  for (const auto& key : keys) {
    auto& one = page.heard[key] = heard(source->row(rows.at(key)), parts.output, budget);
    if (const auto found = said.find(key); found != said.end()) one.explained = found->second;
  }
  write_file_atomically(parts.output + "/report.html", render(page, answered.hypotheses, options));
}

}  // namespace usam::recipes
