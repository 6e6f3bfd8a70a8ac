#pragma once
// What a run comes to in a few figures: the head of its page, a column where runs are compared.
#include <optional>
#include <string>
#include <vector>

#include "tools/inspect/report/record.h"

namespace usam::inspect {

struct Fact {
  std::string name, value;
  std::optional<double> number;  // of a value that may be better or worse than another run's
  int better = 0;                // 1: more is better, -1: less, 0: nobody says
};
// How it stands, its steps, losses, speed, memory, size and program; what is not known is left out.
std::vector<Fact> run_facts(const RunRecord& record);
// The figures of its evaluations that are not the router's: at the best checkpoint where there is one, else the last;
// then the leading metrics of each usam-eval.
std::vector<Fact> evaluation_facts(const RunRecord& record);

// The task and the metric in the name of a figure: ce/ASR, ASR/wer. The task of other figures, tasks/error too, is "".
struct FigureName {
  std::string task, metric;
};
FigureName split_figure(const RunRecord& record, const std::string& figure);
// Whether a figure is one of the router's weights.
bool is_routing(const std::string& figure);
// 1: more of it is better, -1: less, 0: nobody says.
int better_of(const std::string& metric);
// A commit and what of the checkout differed from it; "" where no start tells.
std::string git_text(const Json& start);

}  // namespace usam::inspect
