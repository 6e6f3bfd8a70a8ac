#include "src/text/chrf.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

constexpr size_t kChrfOrders = std::tuple_size_v<ChrfStatistics> / 3;
constexpr double kRecallWeight = 4;  // beta squared

std::u32string without_space(const std::string& text) {
  std::u32string points = code_points(text);
  std::erase_if(points, is_space);
  return points;
}

std::unordered_map<std::u32string_view, int64_t> stretches(std::u32string_view text, size_t length) {
  std::unordered_map<std::u32string_view, int64_t> counts;
  for (size_t at = 0; at + length <= text.size(); ++at) ++counts[text.substr(at, length)];
  return counts;
}

ChrfStatistics statistics(const std::u32string& reference, const std::u32string& hypothesis) {
  ChrfStatistics result = {};
  for (size_t order = 0; order < kChrfOrders; ++order) {
    const auto expected = stretches(reference, order + 1);
    double* const of_order = &result[3 * order];
    for (const auto& [stretch, count] : stretches(hypothesis, order + 1)) {
      if (const auto found = expected.find(stretch); found != expected.end())
        of_order[2] += static_cast<double>(std::min(count, found->second));
      if (!expected.empty()) of_order[0] += static_cast<double>(count);
    }
    for (const auto& entry : expected) of_order[1] += static_cast<double>(entry.second);
  }
  return result;
}

}  // namespace

ChrfStatistics chrf_statistics(const TextPair& pair) {
  const std::u32string hypothesis = without_space(pair.hypothesis);
  ChrfStatistics best = {};
  double best_score = -1;
  for (const std::string& reference : pair.references) {
    const ChrfStatistics one = statistics(without_space(reference), hypothesis);
    if (chrf(one) <= best_score) continue;
    best = one;
    best_score = chrf(one);
  }
  return best;
}

double chrf(const ChrfStatistics& sums) {
  double precision = 0, recall = 0, orders = 0;
  for (size_t order = 0; order < kChrfOrders; ++order) {
    const double hypothesis = sums[3 * order], reference = sums[3 * order + 1], both = sums[3 * order + 2];
    if (hypothesis == 0 || reference == 0) continue;
    precision += both / hypothesis;
    recall += both / reference;
    ++orders;
  }
  if (precision + recall == 0) return 0;
  precision /= orders;
  recall /= orders;
  return (1 + kRecallWeight) * precision * recall / (kRecallWeight * precision + recall);
}

}  // namespace usam::text
