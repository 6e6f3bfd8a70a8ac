#include <filesystem>
#include <ostream>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/report/page.h"

namespace usam::inspect {
namespace {

void write_page(const std::string& output, const std::string& page, std::ostream& out) {
  write_file_atomically(output, page);
  out << output << "\n";
}

}  // namespace

int report(const std::string& run, const std::string& output, std::ostream& out) {
  const RunRecord record = read_run(run);
  const std::filesystem::path page =
      output.empty() ? std::filesystem::path(run) / "report.html" : std::filesystem::path(output);
  const auto folder = std::filesystem::absolute(page).lexically_normal().parent_path();
  write_page(page.string(), render_run(record, folder.string()), out);
  for (const std::string& note : record.notes) out << "note: " << note << "\n";
  return 0;
}

int compare(const std::vector<std::string>& runs, const std::string& output, std::ostream& out) {
  if (runs.size() < 2) user_error("compare needs two runs or more; usam-inspect report {} shows one.", runs.front());
  std::vector<RunRecord> records;
  for (const std::string& run : runs) records.push_back(read_run(run));
  const Comparison comparison = compare_runs(std::move(records));
  write_comparison(comparison, out);
  if (!output.empty()) write_page(output, render_comparison(comparison), out);
  return 0;
}

}  // namespace usam::inspect
