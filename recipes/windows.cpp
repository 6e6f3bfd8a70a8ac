#include "recipes/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <span>

#include "recipes/answers.h"
#include "src/base/error.h"
#include "src/text/merge.h"
#include "src/text/unicode.h"

namespace usam::recipes {
namespace {

std::string merged_text(const std::vector<Answer>& parts, const data::WindowSource& windows) {
  std::vector<text::WindowText> texts;
  for (const Answer& part : parts) texts.push_back({part.text.value_or(""), windows.seconds(part.row)});
  return text::merge_windows(texts, windows.overlap());
}

std::string voted_text(const std::vector<Answer>& parts) {
  std::map<std::string, int64_t> votes;
  for (const Answer& part : parts) ++votes[part.text.value_or("")];
  const auto votes_for = [&](const Answer& part) { return votes.at(part.text.value_or("")); };
  return std::ranges::max_element(parts, {}, votes_for)->text.value_or("");
}

// Of the answers that are numbers; where none is, the first answer.
std::string mean_number(const std::vector<Answer>& parts) {
  double sum = 0;
  int64_t count = 0;
  for (const Answer& part : parts) {
    const std::string text = text::strip(*part.text);
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) continue;
    sum += number;
    ++count;
  }
  return count > 0 ? fmt::format("{:.6g}", sum / static_cast<double>(count)) : parts.front().text.value_or("");
}

std::vector<double> mean_scores(const std::vector<Answer>& parts) {
  std::vector<double> mean(parts.front().scores.size(), 0);
  for (const Answer& part : parts) {
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += part.scores[i];
  }
  for (double& score : mean) score /= static_cast<double>(parts.size());
  return mean;
}

// "scores" and "kept" of the audio tokens whose middle lies in [begin, end) of a window of so many seconds.
void append_tokens(Json& all, const Json& part, double begin, double end) {
  for (const char* name : {"scores", "kept"}) {
    if (!part.contains(name)) continue;
    const auto count = static_cast<double>(part.at(name).size());
    for (size_t i = 0; i < part.at(name).size(); ++i) {
      const double middle = (static_cast<double>(i) + 0.5) / count * part.at("seconds").get<double>();
      if (begin <= middle && middle < end) all[name].push_back(part.at(name)[i]);
    }
  }
}

Json joined_explanation(const std::vector<Answer>& parts, const data::WindowSource& windows) {
  if (parts.front().explained.is_null()) return {};
  Json all = parts.front().explained;
  double seconds = 0;
  for (const char* name : {"scores", "kept"}) all.erase(name);
  auto gates = all.value("gates", std::vector<double>());
  for (size_t i = 0; i < parts.size(); ++i) {
    const double length = windows.seconds(parts[i].row), half = windows.overlap() / 2;
    const double begin = i == 0 ? 0 : half, end = i + 1 == parts.size() ? INFINITY : length - half;
    append_tokens(all, parts[i].explained, begin, end);
    seconds += length - (i == 0 ? 0 : windows.overlap());
    for (size_t e = 0; i > 0 && e < gates.size(); ++e) gates[e] += parts[i].explained.at("gates")[e].get<double>();
  }
  for (size_t e = 0; e < gates.size(); ++e) all["gates"][e] = gates[e] / static_cast<double>(parts.size());
  all["seconds"] = seconds;
  return all;
}

}  // namespace

std::shared_ptr<const data::WindowSource> cut_windows(std::shared_ptr<const data::Source> source,
                                                      const eval::EvaluateConfig& config) {
  if (!config.window) return nullptr;
  return std::make_shared<data::WindowSource>(std::move(source), config.window->seconds, config.window->overlap);
}

Joining joining_of(const eval::EvaluateConfig& config, const std::string& task, const Recipe& recipe) {
  if (dynamic_cast<const Classifies*>(&recipe)) return Joining::kVote;
  switch (task_config(config, task).answer) {
    case eval::Answer::kText:
      return Joining::kText;
    case eval::Answer::kLabel:
      return Joining::kVote;
    case eval::Answer::kNumber:
      return Joining::kNumber;
    case eval::Answer::kLikelihood:
      return Joining::kLikelihood;
  }
  internal_error("unknown kind of answer");
}

Answer join_answers(std::vector<Answer> parts, const data::WindowSource& windows, Joining joining,
                    const std::vector<std::string>& labels) {
  Answer joined;
  joined.row = windows.original(parts.front().row);
  joined.scores = mean_scores(parts);
  joined.explained = joined_explanation(parts, windows);
  if (!parts.front().text) return joined;
  switch (joining) {
    case Joining::kText:
      joined.text = merged_text(parts, windows);
      break;
    case Joining::kVote:
      joined.text = voted_text(parts);
      break;
    case Joining::kNumber:
      joined.text = mean_number(parts);
      break;
    case Joining::kLikelihood:
      joined.text = labels.at(static_cast<size_t>(std::ranges::max_element(joined.scores) - joined.scores.begin()));
      break;
  }
  return joined;
}

std::vector<Answer> join_windows(std::vector<Answer> answers, const data::WindowSource& windows,
                                 const eval::EvaluateConfig& config, const Candidates& candidates,
                                 const Recipe& recipe) {
  std::vector<Answer> all;
  for (size_t begin = 0, end = 0; begin < answers.size(); begin = end) {
    const int64_t original = windows.original(answers[begin].row);
    while (end < answers.size() && windows.original(answers[end].row) == original) ++end;
    const auto parts = std::span(answers).subspan(begin, end - begin);
    if (std::ssize(parts) < windows.parts_of(original)) continue;
    if (parts.size() == 1) {
      all.push_back(std::move(parts.front()));
      all.back().row = original;
      continue;
    }
    const data::Row row = windows.originals().row(original);
    all.push_back(join_answers({std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end())}, windows,
                               joining_of(config, row.task, recipe), candidates.scored(row, config)));
  }
  return all;
}

}  // namespace usam::recipes
