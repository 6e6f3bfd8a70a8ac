#pragma once
// metrics.jsonl of a run, as curves and sums.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace usam::inspect {

struct Point {
  double step = 0, value = 0;
};
using Points = std::vector<Point>;

// Curves by name, in the order in which they begin.
class NamedPoints {
 public:
  void add(const std::string& name, Point point);
  const std::vector<std::pair<std::string, Points>>& all() const { return all_; }
  const Points* find(const std::string& name) const;  // null where there is none

 private:
  std::vector<std::pair<std::string, Points>> all_;
  std::map<std::string, size_t> places_;
};

// A trouble of docs/troubleshooting.md.
struct Trouble {
  int64_t first = 0, last = 0;  // steps of the first and the last line that has it
  int64_t lines = 0;
};

// Seconds of the logged steps by what they went into, and of evaluations.
struct TimeSpent {
  double data = 0, compute = 0, communication = 0, evaluations = 0;
  double known() const { return data + compute + communication + evaluations; }
};

struct Metrics {
  NamedPoints train, evaluations, time;
  std::map<std::string, Trouble> health;
  std::vector<double> dropped;                          // steps that were not finite
  std::vector<std::pair<int64_t, std::string>> epochs;  // those that are over, by the step that ended them
  TimeSpent spent;
  int64_t last_step = 0;           // 0: none was logged
  std::vector<std::string> notes;  // what of the file could not be read, a sentence each
};
// What of the file is whole. UserError: a file that cannot be read at all.
Metrics read_metrics(const std::string& path);

}  // namespace usam::inspect
