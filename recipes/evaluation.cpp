#include "recipes/evaluation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "data/index_stamp.h"
#include "data/sources/open.h"
#include "data/sources/tar_source.h"
#include "recipes/decoding.h"
#include "recipes/subset.h"
#include "recipes/windows.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/program.h"
#include "src/base/text.h"
#include "src/dist/gather.h"

namespace usam::recipes {
namespace {

// From 0 to 1, by a task's own metric; none where it has no number.
std::optional<double> error_share(const Json& metrics) {
  auto number = [&](const char* name) -> std::optional<double> {
    const auto found = metrics.find(name);
    return found != metrics.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
  };
  // Tags before texts, and the accuracy of a free text, which few captions have any of, last.
  if (const auto precision = number("map")) return 1 - *precision;
  for (const char* name : {"wer", "cer"})
    if (const auto rate = number(name)) return std::min(*rate, 1.0);
  for (const char* name : {"bleu", "accuracy"})
    if (const auto share = number(name)) return 1 - *share;
  return std::nullopt;
}

Json to_json(const Share& share) {
  Json answers = Json::array(), missed = Json::array();
  for (const auto& answer : share.answers) answers.push_back(to_json(answer));
  for (const auto& [micro_batch, s] : share.missed) missed.push_back({micro_batch, s.key, s.file, s.reason});
  return {{"answers", answers}, {"missed", missed}, {"is_cut", share.is_cut}};
}

void append(Share& all, const Json& share) {
  for (const auto& answer : share.at("answers")) all.answers.push_back(answer_from(answer));
  for (const auto& m : share.at("missed")) all.missed.push_back({m[0], {m[1], m[2], m[3]}});
  all.is_cut |= share.at("is_cut").get<bool>();
}

// All ranks' shares, in the order of the rows. Numbers and bytes travel as they are (CBOR).
Share merge(const Share& mine, const data::Source& source, dist::Communicator& ranks) {
  Json told = to_json(mine);
  told["rows"] = source.size();
  const auto bytes = Json::to_cbor(told);
  Share all;
  int64_t rank = 0;
  for (const auto& text : dist::gather_texts({bytes.begin(), bytes.end()}, ranks)) {
    const Json theirs = Json::from_cbor(text);
    const auto rows = theirs.at("rows").get<int64_t>();
    if (rows != source.size())
      user_error("Rank {} has {} rows to answer, rank {} has {}: all ranks need the same manifests.", rank, rows,
                 ranks.rank(), source.size());
    append(all, theirs);
    ++rank;
  }
  std::ranges::stable_sort(all.answers, {}, &Answer::row);
  std::ranges::stable_sort(all.missed, {}, &Missed::micro_batch);
  return all;
}

eval::Hypothesis hypothesis_of(const Answer& answer, const data::Row& row, const std::string& set,
                               const std::vector<std::string>& scored) {
  eval::Hypothesis hypothesis;
  hypothesis.key = row.key;
  hypothesis.task = row.task;
  hypothesis.source = set;
  hypothesis.references = row.references;
  hypothesis.answer = answer.text;
  // A label that was chosen by likelihood is scored as the one tag of its row, too.
  hypothesis.tags = row.tags.empty() && !answer.scores.empty() ? row.references : row.tags;
  for (size_t c = 0; c < answer.scores.size(); ++c) hypothesis.scores[scored[c]] = answer.scores[c];
  return hypothesis;
}

Json explained_of(const Answer& answer, const data::Row& row) {
  Json explained = answer.explained;
  explained.update(
      {{"key", row.key}, {"audio", row.audio().shown()}, {"task", row.task}, {"hyp", answer.text.value_or("")}});
  if (!row.references.empty()) explained["ref"] = row.references.front();
  return explained;
}

// What is left of a plan when some rows are answered. A micro-batch is decoded as planned or not at all: what it comes
// to may depend on who is in it, in the last bits.
struct Rest {
  std::vector<int64_t> micro_batches, rows;
  std::vector<Answer> answers;  // of the other micro-batches
};

Rest rest_of(const data::EpochPlan& plan, const std::vector<Answer>& answered) {
  std::map<int64_t, const Answer*> by_row;
  for (const auto& answer : answered) by_row[answer.row] = &answer;
  Rest rest;
  for (int64_t m = 0; m < plan.size(); ++m) {
    const auto visits = plan.micro_batch(m);
    if (std::ranges::all_of(visits, [&](const data::Visit& visit) { return by_row.contains(visit.row); })) {
      for (const auto& visit : visits) rest.answers.push_back(*by_row[visit.row]);
    } else {
      rest.micro_batches.push_back(m);
      for (const auto& visit : visits) rest.rows.push_back(visit.row);
    }
  }
  return rest;
}

// Says how far the ranks are, at times; the others' share is guessed from this one's.
class DecodingProgress {
 public:
  DecodingProgress(int64_t rows, int64_t earlier, int64_t world) : rows_(rows), earlier_(earlier), world_(world) {
    if (earlier > 0) log::info("{} of {} samples were answered before and are not decoded again", earlier, rows);
  }
  void add() {
    ++mine_;
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < std::chrono::seconds(10)) return;
    told_ = now;
    const auto done = std::min(mine_ * world_, rows_ - earlier_);
    const double rate = static_cast<double>(done) / std::chrono::duration<double>(now - start_).count();
    const auto left = static_cast<double>(rows_ - earlier_ - done) / rate;
    log::info("{} of {} samples decoded, {:.1f} a second, {} left", earlier_ + done, rows_, rate, human_seconds(left));
  }

 private:
  int64_t rows_, earlier_, world_, mine_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), told_ = start_;
};

// This rank's share of what the journal lacks; the first rank's has what the journal holds, too.
Share decode_rest(Recipe& recipe, const data::DataSet& whole, const std::shared_ptr<const data::Source>& source,
                  const RunConfig& config, DecoderParts parts, const AnswerOptions& options) {
  const auto& ranks = options.ranks;
  const auto rest = rest_of(*whole.plan(0), options.journal ? options.journal->answers() : std::vector<Answer>{});
  Share share;
  if (!rest.rows.empty()) {
    const auto subset = std::make_shared<Subset>(source, rest.rows);
    DecodingProgress progress(rows_of(whole), std::ssize(rest.answers), ranks->world());
    parts.on_answer = [&](const Answer& answer) {
      progress.add();
      if (!options.journal) return;
      Answer kept = answer;
      kept.row = subset->original(answer.row);
      options.journal->add(kept);
    };
    // As many samples may be skipped as of the whole; whether they are too many is checked when all are known.
    const double share_of_rest = static_cast<double>(rows_of(whole)) / static_cast<double>(subset->size());
    const data::SkipList skips(config.data.max_skipped * share_of_rest * (1 + 1e-9), nullptr);
    Decoder decoder(recipe, config, std::move(parts));
    share = decoder.decode(make_data_set(subset, recipe, decoding_config(config), false, nullptr), skips, *ranks);
    for (auto& answer : share.answers) answer.row = subset->original(answer.row);
    for (auto& missed : share.missed)
      missed.micro_batch = rest.micro_batches.at(static_cast<size_t>(missed.micro_batch));
  }
  if (ranks->rank() == 0) share.answers.insert(share.answers.end(), rest.answers.begin(), rest.answers.end());
  return share;
}

// A test set need not have every task of the config; a name that is misspelt is worth a word.
void tell_unused_tasks(const data::Source& source, const eval::EvaluateConfig& config) {
  std::set<std::string> unused;
  for (const auto& [task, own] : config.tasks) unused.insert(task);
  for (int64_t i = 0; i < source.size() && !unused.empty(); ++i) unused.erase(source.row(i).task);
  if (!unused.empty())
    log::warn("No row has the task {} that evaluate.tasks has.", fmt::format("{}", fmt::join(unused, " or ")));
}

// The last `depth` parts of a path.
std::string path_end(const std::filesystem::path& path, int depth) {
  std::filesystem::path end = path.filename(), rest = path.parent_path();
  for (int i = 1; i < depth && rest.has_filename(); ++i, rest = rest.parent_path()) end = rest.filename() / end;
  return end;
}

// What a test set's rows follow from: its files by what they hold, those of a large one (tars) by size, time of the
// last change and samples.
std::string rows_hash(const data::ManifestConfig& manifest) {
  constexpr int64_t kReadWhole = 256 << 20;
  const auto files = data::source_files(manifest);
  if (data::total_bytes(files) > kReadWhole)
    return to_line(to_json(data::stamp_files(manifest.path.value, files, /*with_whole=*/false)));
  std::string hashes;
  for (const auto& file : files) hashes += sha256_file(file);
  return hashes;
}

}  // namespace

RunConfig decoding_config(const RunConfig& config) {
  RunConfig decoding = config;
  decoding.data.batch = {.rows = config.evaluate.batch_rows};
  decoding.data.cache_memory = 0;
  return decoding;
}

std::vector<std::string> set_names(const std::vector<data::ManifestConfig>& manifests) {
  std::vector<std::string> names(manifests.size());
  std::vector<int> depths(manifests.size(), 1);
  for (bool is_unique = false; !is_unique;) {
    std::map<std::string, std::vector<size_t>> by_name;
    for (size_t i = 0; i < names.size(); ++i) {
      names[i] = path_end(manifests[i].path.value, depths[i]);
      by_name[names[i]].push_back(i);
    }
    is_unique = true;
    for (const auto& [name, those] : by_name) {
      for (const size_t i : those) {
        // One manifest that stands twice has no other name.
        if (those.size() == 1 || name == path_end(manifests[i].path.value, depths[i] + 1)) continue;
        ++depths[i];
        is_unique = false;
      }
    }
  }
  return names;
}

AnsweredSet answer(Recipe& recipe, const std::vector<data::ManifestConfig>& manifests, const RunConfig& config,
                   const AnswerOptions& options) {
  eval::score_options(config.evaluate);  // what is wrong with its files is told before anything is decoded
  const auto source = open_data(manifests, config);
  const auto names = set_names(manifests);
  tell_unused_tasks(*source, config.evaluate);
  const auto candidates = candidates_of(*source, config.evaluate, recipe);
  const auto windows = cut_windows(source, config.evaluate);
  const std::shared_ptr<const data::Source> decoded = windows ? windows : source;
  const auto data_set = make_data_set(decoded, recipe, decoding_config(config), false, nullptr);
  const auto skips = options.skips ? options.skips : std::make_shared<data::SkipList>(config.data.max_skipped, nullptr);
  auto& ranks = *options.ranks;
  const Share mine =
      decode_rest(recipe, *data_set, decoded, config, {candidates, options.explains, {}, options.stops}, options);
  Share all = merge(mine, data_set->source(), ranks);
  AnsweredSet out;
  out.is_cut = all.is_cut;
  if (out.is_cut) return out;
  int64_t count = 0;
  for (const auto& [micro_batch, sample] : all.missed) {
    skips->add(sample);
    skips->check(++count, rows_of(*data_set), sample);
  }
  if (windows) all.answers = join_windows(std::move(all.answers), *windows, config.evaluate, candidates, recipe);
  for (const auto& one : all.answers) {
    const auto row = source->row(one.row);
    out.hypotheses.push_back(
        hypothesis_of(one, row, names.at(static_cast<size_t>(row.source)), candidates.scored(row, config.evaluate)));
    if (options.explains) out.explained.push_back(explained_of(one, row));
  }
  return out;
}

Json answers_origin(const std::string& checkpoint, RunConfig config, bool explains) {
  std::string rows;
  for (const auto& manifest : config.data.test) rows += rows_hash(manifest);
  if (!config.evaluate.tags.empty()) rows += sha256_file(config.evaluate.tags.value);
  for (const auto& [name, task] : config.evaluate.tasks)
    if (!task.labels.empty()) rows += sha256_file(task.labels.value);
  config.run = {};
  config.trainer = {};
  config.parallel = {};
  config.data.train.clear();
  config.data.valid.clear();
  config.data.threads = 0;
  config.evaluate.report = {};
  // How answers are scored changes none of them.
  const eval::EvaluateConfig plain;
  config.evaluate.normalizer = plain.normalizer, config.evaluate.spelling = plain.spelling;
  config.evaluate.bleu_tokens = plain.bleu_tokens;
  config.evaluate.bootstrap = plain.bootstrap, config.evaluate.bootstrap_seed = plain.bootstrap_seed;
  for (auto& [name, task] : config.evaluate.tasks) task.normalizer = {}, task.metrics.clear();
  return {{"the checkpoint", sha256_file(checkpoint + "/manifest.json")},
          {"the config", sha256_text(print_config(config))},
          {"the test sets", sha256_text(rows)},
          {"--explain", explains},
          {"usam's version", version()}};
}

std::map<std::string, double> figures(const Json& report) {
  std::map<std::string, double> all;
  double errors = 0;
  int64_t tasks = 0;
  for (const auto& [task, metrics] : report.at("tasks").items()) {
    for (const auto& [name, value] : metrics.items()) {
      if (value.is_number()) all[task + "/" + name] = value.get<double>();
      if (value.is_null()) all[task + "/" + name] = NAN;
    }
    if (const auto error = error_share(metrics)) {
      errors += *error;
      ++tasks;
    }
  }
  if (tasks > 0) all["tasks/error"] = errors / static_cast<double>(tasks);
  return all;
}

}  // namespace usam::recipes
