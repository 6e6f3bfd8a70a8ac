#pragma once
// hypotheses.jsonl: what a model answered, one JSON object a line.
//   text  {"key", "task"?, "source"?, "ref": "..." | "refs": ["...", ...], "hyp": "..."}
//   tags  {"key", "task"?, "source"?, "tags": ["piano", ...], "scores": {"piano": 0.9, "drums": 0.1, ...}}
// One line may be both. For retrieval the scores are those of all candidates, each line's own, and the tags are the
// right ones among them.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/base/json.h"

namespace usam::eval {

struct Hypothesis {
  std::string key;
  std::string task;    // "" where the line names none
  std::string source;  // the data set it comes from; "" where the line names none
  std::vector<std::string> references;
  std::optional<std::string> answer;  // raw text of the model; absent on lines that only score tags
  std::vector<std::string> tags;      // the true ones
  std::map<std::string, double> scores;
  std::string place;  // `file:line` where it was read, for messages

  // `place`, or the key where it was not read from a file.
  std::string where() const { return place.empty() ? "sample '" + key + "'" : place; }
};

Json to_json(const Hypothesis& hypothesis);

// Reads one line; throws UserError `place: sentence` for one that is not in the form above.
Hypothesis parse_hypothesis(const std::string& line, const std::string& place);

// Reads a file; empty lines are skipped. Throws UserError with all malformed lines (the first twenty), each as
// `file:line: sentence`, or when the file is missing or holds no line.
std::vector<Hypothesis> read_hypotheses(const std::string& file);

// Writes a file, whole or not at all.
void write_hypotheses(const std::string& file, const std::vector<Hypothesis>& hypotheses);

}  // namespace usam::eval
