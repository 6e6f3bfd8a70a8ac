#pragma once
// All that the folder of a run tells of it.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/json.h"
#include "tools/inspect/report/config_keys.h"
#include "tools/inspect/report/metrics.h"
#include "tools/inspect/report/pictures.h"
#include "trainer/checkpoint.h"

namespace usam::inspect {

// What usam-eval wrote into a folder of the run's.
struct RunEvaluation {
  std::string folder;  // its name in the run's folder
  Json metrics;        // the content of metrics.json
  bool has_page = false;
};

struct RunRecord {
  std::string path, name;
  std::string config;  // the text of config.yaml; "" without one
  FlatConfig keys;
  std::vector<Json> starts;  // the lines of starts.jsonl; none of a run that an older usam trained
  Metrics metrics;
  Pictures pictures;
  std::optional<RunState> state;  // of the newest checkpoint
  std::optional<Json> alive;      // rank-0.json of a run that is under way
  std::vector<RunEvaluation> evaluations;
  std::vector<std::string> notes;  // what could not be read, a sentence each

  // "" for what no start tells.
  std::string told(const std::string& what) const;
  int64_t last_step() const;
  // The steps that the run is to take; 0: not known.
  int64_t total_steps() const;
  // "finished after 800 steps", "under way at step 120 of 800, forward", "stopped at step 120 of 800".
  std::string standing() const;
  // From the first sign of life of each start to its last; 0: not known.
  double seconds() const;
  // The last evaluation at which the figure was told up to now, and at the best checkpoint's.
  std::optional<Point> last(const std::string& figure) const;
  std::optional<Point> at_best(const std::string& figure) const;
};

// Of a text that is nothing but digits, and not too many.
std::optional<int64_t> whole_number(const std::string& text);

// UserError: no folder, or one that is not a run's.
RunRecord read_run(const std::string& path);

}  // namespace usam::inspect
