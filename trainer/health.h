#pragma once
// Troubles that a run's own figures show, and what to change in its config.
#include <exception>
#include <map>
#include <string>
#include <vector>

namespace usam {

struct StepRecord;

// A figure of a recipe that should stay within bounds.
struct Watch {
  std::string name;    // of the trouble, for metrics.jsonl: "dead_expert/1"
  std::string figure;  // a term or metric of the recipe
  double least = 0, most = 1;
  std::string what;    // "Dead expert: expert 1 hears next to nothing"
  std::string remedy;  // whole sentences that name config keys
};

// Looks at every logged step. A trouble is told when it has lasted for three lines (what is not finite: at once), and
// again when it has lasted ten times as long as when it was told last.
class Health {
 public:
  explicit Health(std::vector<Watch> watches);
  // Notes in the record what is wrong (StepRecord::health, StepRecord::is_starved); returns what there is to tell.
  std::vector<std::string> see(StepRecord& record);

 private:
  // Whether a trouble that is there, or not, is to be told now.
  bool is_due(const std::string& name, bool is_wrong, int64_t patience);
  struct Course {
    int64_t lines = 0, next = 0;
  };
  std::vector<Watch> watches_;
  std::map<std::string, Course> courses_;
};

// Whether the computation failed for want of memory, of the device or of the host.
bool is_out_of_memory(const std::exception& e);
// What a failed step says then.
std::string out_of_memory_message(int64_t step, const std::string& phase, const std::string& device,
                                  const std::vector<std::string>& keys);

}  // namespace usam
