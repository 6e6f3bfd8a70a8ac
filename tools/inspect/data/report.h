#pragma once
// What an inspection found, as text and as a page.
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tools/inspect/data/batches.h"
#include "tools/inspect/data/scan.h"

namespace usam::inspect {

struct DataReport {
  std::string title;  // the config or the manifest
  std::vector<Scan> scans;
  std::vector<std::string> styles;       // style_differences()
  std::optional<BatchEstimate> batches;  // of a config
};

// Per manifest what it holds and the first 20 rows of each kind of problem.
void write_text(const DataReport& report, std::ostream& out);
// The same with plots, the first 200 rows of each kind, and players of the worst: one file that a browser opens from
// anywhere. `folder`: where it will lie, for links.
std::string render_page(const DataReport& report, const std::string& folder);

// The lengths below which 5 %, half and 95 % of the rows are; empty of none.
std::vector<double> quantiles(std::vector<float> values);
// "file:line: key" of a finding's row.
std::string place_of(const Scan& scan, const Finding& finding);

}  // namespace usam::inspect
