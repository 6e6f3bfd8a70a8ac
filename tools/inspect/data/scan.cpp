#include "tools/inspect/data/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "data/index.h"
#include "data/manifest.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/base/log.h"
#include "src/base/thread.h"
#include "src/text/lettering.h"

namespace usam::inspect {
namespace {

constexpr int64_t kTogether = 16;  // rows that a thread examines at a time
constexpr auto kTellEvery = std::chrono::seconds(10);

std::string language_of(const data::Row& row) {
  const Json extra = Json::parse(row.extra, nullptr, false);
  if (!extra.is_object()) return "";
  for (const char* name : {"lang", "language"})
    if (extra.contains(name) && extra[name].is_string()) return extra[name].get<std::string>();
  return "";
}

void count(Amounts& amounts, const std::string& name, double seconds) {
  Amount& amount = amounts[name];
  ++amount.rows;
  amount.seconds += std::max(seconds, 0.0);
}

// As --fix writes them.
std::string joined_labels(const data::Row& row) {
  std::string all;
  for (const auto& label : row.references) all += text::without_unseen(label) + "\t";
  return all;
}

void find(Scan& scan, int64_t row, Kind kind, std::string sentence) {
  ++scan.counts[static_cast<size_t>(kind)];
  scan.findings.push_back({row, kind, std::move(sentence)});
}

// "label of the task ASR with capitals" in per cent, where manifests are far apart.
void compare_styles(const std::string& task, const std::vector<std::pair<std::string, LabelSums::Style>>& styles,
                    std::vector<std::string>& sentences) {
  constexpr int64_t kFewest = 20;
  constexpr double kApart = 0.5;
  const auto compare = [&](const char* what, int64_t LabelSums::Style::* member) {
    std::vector<std::pair<double, std::string>> shares;
    for (const auto& [path, style] : styles)
      if (style.labels >= kFewest)
        shares.emplace_back(static_cast<double>(style.*member) / static_cast<double>(style.labels), path);
    if (shares.size() < 2) return;
    const auto [least, most] = std::ranges::minmax_element(shares);
    if (most->first - least->first > kApart)
      sentences.push_back(fmt::format("{}: {:.0f} % of the labels of {} have {}, and {:.0f} % of those of {}", task,
                                      100 * most->first, most->second, what, 100 * least->first, least->second));
  };
  compare("capitals", &LabelSums::Style::with_capitals);
  compare("punctuation", &LabelSums::Style::with_punctuation);
}

}  // namespace

const KindText& text_of(Kind kind) {
  static const std::array<KindText, kKinds> kTexts = {{
      {"unreadable", "left out", true},
      {"without a label", "left out", true},
      {"with several recordings", "left out", true},
      {"twice in a set", "the later ones left out", true},
      {"wrong length", "the recording's own is written", false},
      {"odd label", "blanks at the ends and unseen characters are taken out", false},
      {"recording in two sets", "kept: which set is to lose it?", false},
      {"recording with several labels", "kept: which label is right?", false},
      {"label too long or short for the clip", "kept", false},
      {"odd sound", "kept", false},
  }};
  return kTexts.at(static_cast<size_t>(kind));
}

double Scan::seconds() const {
  return std::accumulate(lengths.begin(), lengths.end(), 0.0);
}

int64_t Scan::rows_found(bool is_rejected) const {
  std::set<int64_t> rejected, others;
  for (const Finding& finding : findings) (text_of(finding.kind).is_rejected ? rejected : others).insert(finding.row);
  if (is_rejected) return std::ssize(rejected);
  return std::ranges::count_if(others, [&](int64_t row) { return !rejected.contains(row); });
}

Scanner::Examined Scanner::examine(const data::Source& source, int64_t index, AudioDepth depth) {
  Examined examined;
  try {
    examined.row = source.row(index);
    examined.label_oddities = label_oddities(examined.row);
    if (examined.row.audios.size() == 1) examined.facts = check_audio(examined.row, depth);
  } catch (const UserError& e) {
    examined.facts.failure = e.what();
  }
  return examined;
}

Scan Scanner::scan(ScanInput input) {
  Scan scan;
  scan.input = std::move(input);
  scan.depth = options_.depth;
  if (!scan.input.source) return scan;
  const data::Source& source = *scan.input.source;
  const int64_t rows = source.size();
  OrderedStream<std::vector<Examined>> stream(
      options_.threads, 4 * options_.threads, [&](int64_t chunk) -> std::optional<std::vector<Examined>> {
        std::vector<Examined> some;
        for (int64_t i = chunk * kTogether; i < std::min((chunk + 1) * kTogether, rows); ++i)
          some.push_back(examine(source, i, options_.depth));
        return some.empty() ? std::nullopt : std::optional(std::move(some));
      });
  auto told = std::chrono::steady_clock::now();
  for (int64_t index = 0; auto some = stream.next();) {
    for (const Examined& examined : *some) take(scan, index++, examined);
    if (std::chrono::steady_clock::now() - told < kTellEvery) continue;
    told = std::chrono::steady_clock::now();
    log::info("{}: {} of {} rows inspected", scan.input.path, index, rows);
  }
  for (const auto& [group, sums] : scan.labels)
    for (const auto& outlier : sums.pace_outliers())
      find(scan, outlier.row, Kind::kPace,
           fmt::format("the label has {:.1f} characters a second, where {:.1f} are usual", outlier.pace,
                       outlier.median));
  std::ranges::stable_sort(scan.findings, {}, &Finding::row);
  return scan;
}

void Scanner::take(Scan& scan, int64_t index, const Examined& examined) {
  const data::Row& row = examined.row;
  if (row.audios.empty()) return find(scan, index, Kind::kUnreadable, examined.facts.failure);
  if (row.audios.size() > 1)
    find(scan, index, Kind::kSeveral, fmt::format("the row has {} recordings", row.audios.size()));
  take_audio(scan, index, examined);

  const bool is_readable = examined.facts.failure.empty();
  const double seconds = examined.facts.seconds >= 0 || !is_readable ? examined.facts.seconds : row.seconds;
  if (seconds > 0) scan.lengths.push_back(static_cast<float>(seconds));
  const std::string language = language_of(row);
  count(scan.tasks, row.task, seconds);
  if (!language.empty()) count(scan.languages, language, seconds);
  for (const auto& tag : row.tags) ++scan.tags[tag];
  if (row.references.empty() && row.tags.empty())
    find(scan, index, Kind::kNoLabel, "the row has neither a label nor tags");
  if (!row.references.empty()) scan.labels[{row.task, language}].add(index, row.references.front(), seconds);
  for (const auto& oddity : examined.label_oddities) find(scan, index, Kind::kLabel, oddity);
}

void Scanner::take_audio(Scan& scan, int64_t index, const Examined& examined) {
  const data::Row& row = examined.row;
  const AudioFacts& facts = examined.facts;
  if (!facts.failure.empty()) return find(scan, index, Kind::kUnreadable, facts.failure);
  if (facts.sample_rate == 0) return;  // not looked at
  count(scan.rates, fmt::format("{} Hz", facts.sample_rate), facts.seconds);
  count(scan.channels, std::to_string(facts.channels), facts.seconds);
  count(scan.formats, facts.format, facts.seconds);
  if (std::string wrong = data::wrong_length(row, facts.seconds); !wrong.empty()) {
    scan.measured[index] = facts.seconds;
    find(scan, index, Kind::kLength, std::move(wrong));
  }
  for (const auto& suspicion : suspicions(facts)) find(scan, index, Kind::kSound, suspicion);
  if (facts.wave && facts.wave->peak > 0) compare_audio(scan, index, examined);
}

// Against those with the same samples: a row says something once, of the first that it meets.
void Scanner::compare_audio(Scan& scan, int64_t index, const Examined& examined) {
  const data::Row& row = examined.row;
  const uint64_t task = data::key_hash(row.task + "\n" + row.prompt);
  const uint64_t content = data::key_hash(fmt::format("{}\n{}\n{}", row.task, row.prompt, joined_labels(row)));
  std::vector<Heard>& before = heard_[examined.facts.wave->hash];
  const auto first = [&](auto is_such) {
    const auto found = std::ranges::find_if(before, is_such);
    return found == before.end() ? std::string() : found->place;
  };
  const std::string& set = scan.input.set;
  const auto same = first([&](const Heard& h) { return h.set == set && h.content == content; });
  const auto other = first([&](const Heard& h) { return h.set == set && h.task == task && h.content != content; });
  const auto across = first([&](const Heard& h) { return h.set != set; });
  if (!same.empty()) {
    find(scan, index, Kind::kDuplicate, fmt::format("the same samples and label as {}", same));
  } else if (!other.empty()) {
    find(scan, index, Kind::kConflict, fmt::format("the same samples as {}, another label", other));
  }
  if (!across.empty()) find(scan, index, Kind::kAcross, fmt::format("the same samples as {}", across));
  if (same.empty()) before.push_back({content, task, set, scan.input.source->place(index)});
}

std::vector<std::string> style_differences(const std::vector<Scan>& scans) {
  std::map<std::string, std::vector<std::pair<std::string, LabelSums::Style>>> by_task;
  for (const Scan& scan : scans)
    for (const auto& [group, sums] : scan.labels)
      by_task[group.first + (group.second.empty() ? "" : ", " + group.second)].emplace_back(scan.input.path,
                                                                                            sums.style());
  std::vector<std::string> sentences;
  for (const auto& [task, styles] : by_task) compare_styles(task, styles, sentences);
  return sentences;
}

}  // namespace usam::inspect
