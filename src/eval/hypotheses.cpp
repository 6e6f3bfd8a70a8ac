#include "src/eval/hypotheses.h"

#include <cmath>
#include <sstream>

#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::eval {
namespace {

constexpr int kMostProblems = 20;

// Reads the fields of one line, with messages that name it.
class Line {
 public:
  Line(const std::string& text, const std::string& place) : place_(place) {
    json_ = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json_.is_object()) user_error("{}: this is not a JSON object.", place_);
  }

  bool has(const char* name) const { return json_.contains(name) && !json_[name].is_null(); }

  std::string text(const char* name) const {
    if (!json_[name].is_string()) user_error("{}: \"{}\" must be a string.", place_, name);
    return json_[name].get<std::string>();
  }

  std::string text_or_empty(const char* name) const { return has(name) ? text(name) : ""; }

  std::vector<std::string> texts(const char* name) const {
    if (!json_[name].is_array()) user_error("{}: \"{}\" must be a list of strings.", place_, name);
    std::vector<std::string> all;
    for (const Json& one : json_[name]) {
      if (!one.is_string()) user_error("{}: \"{}\" must be a list of strings.", place_, name);
      all.push_back(one.get<std::string>());
    }
    return all;
  }

  std::map<std::string, double> numbers(const char* name) const {
    if (!json_[name].is_object()) user_error("{}: \"{}\" must be an object {{tag: score}}.", place_, name);
    std::map<std::string, double> all;
    for (const auto& [key, value] : json_[name].items()) {
      if (!value.is_number() || !std::isfinite(value.get<double>()))
        user_error("{}: the score of \"{}\" must be a finite number.", place_, key);
      all[key] = value.get<double>();
    }
    return all;
  }

 private:
  Json json_;
  std::string place_;
};

void read_text_part(const Line& line, Hypothesis& result) {
  if (!line.has("hyp")) user_error("{}: there is a reference but no \"hyp\".", result.place);
  if (line.has("ref") == line.has("refs"))
    user_error("{}: a line with \"hyp\" needs either \"ref\" or \"refs\".", result.place);
  result.answer = line.text("hyp");
  result.references = line.has("ref") ? std::vector<std::string>{line.text("ref")} : line.texts("refs");
  if (result.references.empty()) user_error("{}: \"refs\" holds no reference.", result.place);
}

void read_tags_part(const Line& line, Hypothesis& result) {
  if (!line.has("tags") || !line.has("scores"))
    user_error("{}: \"tags\" and \"scores\" belong together; one of them is missing.", result.place);
  result.tags = line.texts("tags");
  result.scores = line.numbers("scores");
  if (result.scores.empty()) user_error("{}: \"scores\" holds no tag.", result.place);
}

}  // namespace

Json to_json(const Hypothesis& h) {
  Json json = {{"key", h.key}};
  if (!h.task.empty()) json["task"] = h.task;
  if (!h.source.empty()) json["source"] = h.source;
  if (h.answer) {
    if (h.references.size() == 1) {
      json["ref"] = h.references.front();
    } else {
      json["refs"] = h.references;
    }
    json["hyp"] = *h.answer;
  }
  if (!h.scores.empty()) {
    json["tags"] = h.tags;
    json["scores"] = h.scores;
  }
  return json;
}

Hypothesis parse_hypothesis(const std::string& text, const std::string& place) {
  const Line line(text, place);
  Hypothesis result;
  result.place = place;
  if (!line.has("key")) user_error("{}: the line has no \"key\".", place);
  result.key = line.text("key");
  result.task = line.text_or_empty("task");
  result.source = line.text_or_empty("source");
  const bool has_text = line.has("hyp") || line.has("ref") || line.has("refs");
  const bool has_tags = line.has("tags") || line.has("scores");
  if (!has_text && !has_tags)
    user_error("{}: the line has neither \"ref\" and \"hyp\" nor \"tags\" and \"scores\".", place);
  if (has_text) read_text_part(line, result);
  if (has_tags) read_tags_part(line, result);
  return result;
}

std::vector<Hypothesis> read_hypotheses(const std::string& file) {
  std::istringstream in(read_file(file));
  std::vector<Hypothesis> all;
  std::string problems;
  int64_t number = 0, problem_count = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string place = fmt::format("{}:{}", file, ++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      all.push_back(parse_hypothesis(line, place));
    } catch (const UserError& e) {
      if (++problem_count <= kMostProblems) problems += (problems.empty() ? "" : "\n") + std::string(e.what());
    }
  }
  if (problem_count > kMostProblems) problems += fmt::format("\n... and {} more lines.", problem_count - kMostProblems);
  if (problem_count > 0) throw UserError(problems);
  if (all.empty()) user_error("{}: the file holds no hypothesis.", file);
  return all;
}

void write_hypotheses(const std::string& file, const std::vector<Hypothesis>& hypotheses) {
  std::string text;
  for (const Hypothesis& hypothesis : hypotheses) text += to_line(to_json(hypothesis)) + "\n";
  write_file_atomically(file, text);
}

}  // namespace usam::eval
