#include "tools/inspect/data/label_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/index.h"
#include "src/text/lettering.h"
#include "src/text/number_metrics.h"
#include "src/text/unicode.h"

namespace usam::inspect {
namespace {

constexpr size_t kTextsKept = 100000;
constexpr size_t kLongestShown = 60;  // code points

template <class T>
T median_of(std::vector<T> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<std::string> label_oddities(const data::Row& row) {
  std::vector<std::string> all;
  for (const std::string& label : row.references) {
    if (const auto unseen = text::unseen_character(label); !unseen.empty())
      all.push_back("the label holds the character " + unseen);
    if (text::strip(label) != label) all.push_back("the label has white space at its ends");
    if (const auto word = text::mixed_script_word(label); !word.empty())
      all.push_back(fmt::format("the label's word '{}' mixes scripts", text::shortened(word, kLongestShown)));
  }
  return all;
}

void LabelSums::add(int64_t row, const std::string& label, double seconds) {
  const text::Lettering lettering = text::lettering_of(label);
  if (seconds > 0 && lettering.points > 0)
    paced_.push_back({row, static_cast<float>(lettering.points), static_cast<float>(seconds)});
  ++style_.labels;
  style_.with_capitals += lettering.has_capitals;
  style_.with_punctuation += lettering.has_punctuation;
  const auto [counted, is_new] = counts_.try_emplace(data::key_hash(label));
  if (is_new && counts_.size() <= kTextsKept) counted->second.text = text::shortened(label, kLongestShown);
  ++counted->second.count;
}

std::vector<float> LabelSums::paces() const {
  std::vector<float> all;
  for (const Paced& paced : paced_) all.push_back(paced.points / paced.seconds);
  return all;
}

std::vector<LabelSums::PaceOutlier> LabelSums::pace_outliers() const {
  constexpr size_t kFewest = 20;
  constexpr double kLeastCorrelation = 0.5, kDeviations = 6, kLeastDeviation = 0.25;
  if (paced_.size() < kFewest) return {};
  std::vector<text::NumberPair> pairs;
  std::vector<float> pace;
  for (const Paced& paced : paced_) {
    pairs.push_back({paced.points, paced.seconds});
    pace.push_back(std::log(paced.points) - std::log(paced.seconds));
  }
  // By ranks: outliers, which are looked for, must not decide it. NaN where all are equal.
  if (!(text::Spearman(pairs)() >= kLeastCorrelation)) return {};
  const float median = median_of(pace);
  std::vector<float> deviations;
  for (const float p : pace) deviations.push_back(std::abs(p - median));
  const double limit = kDeviations * std::max(1.4826 * median_of(deviations), kLeastDeviation);
  std::vector<PaceOutlier> outliers;
  for (size_t i = 0; i < pace.size(); ++i)
    if (std::abs(pace[i] - median) > limit) outliers.push_back({paced_[i].row, std::exp(pace[i]), std::exp(median)});
  return outliers;
}

std::pair<std::string, int64_t> LabelSums::commonest() const {
  const Counted* best = nullptr;
  for (const auto& [hash, counted] : counts_)
    if (!best || counted.count > best->count) best = &counted;
  return best ? std::pair(best->text, best->count) : std::pair(std::string(), int64_t{0});
}

}  // namespace usam::inspect
