#pragma once
// A run, and several side by side, as pages that a browser opens from anywhere, without a network.
#include <string>
#include <utility>
#include <vector>

#include "src/eval/html/markup.h"
#include "tools/inspect/report/charts.h"
#include "tools/inspect/report/comparison.h"
#include "tools/inspect/report/record.h"

namespace usam::inspect {

// `folder`: where the page will lie, for links to usam-eval's own.
std::string render_run(const RunRecord& record, const std::string& folder);
std::string render_comparison(const Comparison& comparison);

// What both have: a section under a heading that the navigation leads to, ...
struct PageSection {
  std::string title, id;
  eval::html::Markup inside;  // a section with nothing in it is left out
};
// ... the charts, and the page around them.
PageSection section_of(const ChartGroup& group);
std::string render_sections(const std::string& title, const std::string& subtitle, const eval::html::Markup& head,
                            const std::vector<PageSection>& sections);

}  // namespace usam::inspect
