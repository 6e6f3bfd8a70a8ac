#include "src/eval/html/figures.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "src/base/error.h"

namespace usam::eval::html {

MetricStyle style_of(const std::string& metric) {
  static const std::map<std::string, MetricStyle> styles = {
      {"wer", {"WER", 100, true, -1}},
      {"cer", {"CER", 100, true, -1}},
      {"mer", {"MER", 100, true, -1}},
      {"bleu", {"BLEU", 100, false, 1}},
      {"chrf", {"chrF", 100, false, 1}},
      {"rouge_l", {"ROUGE-L", 100, false, 1}},
      {"meteor_exact", {"METEOR, exact", 100, false, 1}},
      {"accuracy", {"accuracy", 100, true, 1}},
      {"f1", {"macro F1", 100, true, 1}},
      {"weighted_f1", {"weighted F1", 100, true, 1}},
      {"map", {"mAP", 100, true, 1}},
      {"roc_auc", {"ROC AUC", 100, true, 1}},
      {"pr_auc", {"PR AUC", 100, true, 1}},
      {"recall_at_1", {"R@1", 100, true, 1}},
      {"recall_at_5", {"R@5", 100, true, 1}},
      {"recall_at_10", {"R@10", 100, true, 1}},
      {"mae", {"MAE", 1, false, -1}},
      {"rmse", {"RMSE", 1, false, -1}},
      {"pearson", {"Pearson r", 1, false, 1}},
      {"spearman", {"Spearman ρ", 1, false, 1}},
  };
  const auto found = styles.find(metric);
  return found == styles.end() ? MetricStyle{metric, 1, false, 0} : found->second;
}

std::string number_text(double value, int decimals) {
  if (!std::isfinite(value)) return "–";
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.starts_with("-")) text = "−" + text.substr(1);
  return text;
}

std::string shown(const std::string& metric, const Json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) return "–";
  const auto style = style_of(metric);
  const std::string text = number_text(value.get<double>() * style.scale, style.scale == 1 ? 3 : 1);
  return style.is_percent ? text + "\u202F%" : text;
}

std::string count_text(int64_t count) {
  std::string text = std::to_string(count);
  for (auto at = std::ssize(text) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), "\u202F");
  return text;
}

std::vector<std::string> metrics_in(const Json& task) {
  std::vector<std::string> names;
  const auto baseline = task.find("majority");
  if (baseline == task.end() || !baseline->is_object()) return names;
  for (const auto& [name, value] : baseline->items()) names.push_back(name);
  const auto lead = std::ranges::find(names, "map");
  if (lead != names.end()) std::rotate(names.begin(), lead, lead + 1);
  return names;
}

std::optional<std::pair<double, double>> interval_of(const Json& task, const std::string& metric) {
  const Json bounds = task.value(metric + "_ci", Json());
  if (!bounds.is_array() || bounds.size() != 2 || !bounds[0].is_number() || !bounds[1].is_number()) return std::nullopt;
  return std::pair(bounds[0].get<double>(), bounds[1].get<double>());
}

}  // namespace usam::eval::html
