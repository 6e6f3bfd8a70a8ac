#include "tools/inspect/data/label_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/index.h"
#include "src/text/lettering.h"
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

// Places in ascending order; equal values share the mean of theirs.
std::vector<double> ranks_of(const std::vector<float>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end - 1) / 2;
    begin = end;
  }
  return ranks;
}

// Spearman's: outliers, which are looked for, must not decide it.
double correlation(const std::vector<float>& of_a, const std::vector<float>& of_b) {
  const auto a = ranks_of(of_a), b = ranks_of(of_b);
  const auto n = static_cast<double>(a.size());
  double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sa += a[i];
    sb += b[i];
    saa += a[i] * a[i];
    sbb += b[i] * b[i];
    sab += a[i] * b[i];
  }
  const double va = saa - sa * sa / n, vb = sbb - sb * sb / n;
  return va > 1e-9 && vb > 1e-9 ? (sab - sa * sb / n) / std::sqrt(va * vb) : 0;
}

std::string shortened(const std::string& label) {
  const auto points = text::code_points(label);
  return points.size() <= kLongestShown ? label : text::to_utf8(points.substr(0, kLongestShown)) + "…";
}

}  // namespace

std::vector<std::string> label_oddities(const data::Row& row) {
  std::vector<std::string> all;
  for (const std::string& label : row.references) {
    if (const auto unseen = text::unseen_character(label); !unseen.empty())
      all.push_back("the label holds the character " + unseen);
    if (text::strip(label) != label) all.push_back("the label has white space at its ends");
    if (const auto word = text::mixed_script_word(label); !word.empty())
      all.push_back(fmt::format("the label's word '{}' mixes scripts", shortened(word)));
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
  if (is_new && counts_.size() <= kTextsKept) counted->second.text = shortened(label);
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
  std::vector<float> points, seconds, pace;
  for (const Paced& paced : paced_) {
    points.push_back(std::log(paced.points));
    seconds.push_back(std::log(paced.seconds));
    pace.push_back(points.back() - seconds.back());
  }
  if (correlation(points, seconds) < kLeastCorrelation) return {};
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
