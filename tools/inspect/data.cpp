#include <algorithm>
#include <filesystem>
#include <ostream>
#include <thread>

#include "data/sources/open.h"
#include "data/sources/shard_paths.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/data/fix.h"
#include "tools/inspect/data/report.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

// A pattern of shards is expanded when it is opened, which names what is not there.
void require(const std::string& path) {
  if (!fs::exists(path) && !usam::data::is_shard_pattern(path)) user_error("{}: there is no such file.", path);
}

bool is_config(const std::string& path) {
  const auto extension = fs::path(path).extension();
  return extension == ".yaml" || extension == ".yml";
}

AudioDepth depth_of(const DataArguments& arguments) {
  if (!arguments.fix.empty() && !arguments.audio.empty() && arguments.audio != "decode")
    user_error("--fix needs --audio decode: only a recording that was decoded is known to train.");
  if (arguments.audio == "none") return AudioDepth::kNone;
  return arguments.audio == "decode" || !arguments.fix.empty() ? AudioDepth::kDecode : AudioDepth::kHeaders;
}

// A manifest, opened as far as it can be; `seen` holds the keys of those that are read with it.
ScanInput open_input(const std::string& set, const data::ManifestConfig& manifest, data::ManifestOptions options,
                     data::SeenKeys& seen) {
  data::ManifestConfig config = manifest;
  if (config.task.empty()) config.task = kNoTask;
  data::ManifestProblems problems;
  ScanInput input;
  input.set = set;
  input.path = config.path.value;
  input.source = data::open_source(config, options, seen, problems);
  input.refused = problems.all();
  input.refused_count = problems.count();
  return input;
}

// Everything that a config reads.
void scan_config(const std::string& path, Scanner& scanner, DataReport& report) {
  recipes::RunConfig config;
  load_config(path, {.overrides = {}, .offline = true}, config);
  const std::vector<std::pair<std::string, const std::vector<data::ManifestConfig>*>> sets = {
      {"data.train", &config.data.train}, {"data.valid", &config.data.valid}, {"data.test", &config.data.test}};
  for (const auto& [set, manifests] : sets)
    for (const auto& manifest : *manifests) require(manifest.path.value);
  for (const auto& [set, manifests] : sets) {
    data::SeenKeys seen;  // a key may stand once in a set
    for (const auto& manifest : *manifests) {
      data::ManifestOptions options;
      options.index_dir = config.data.index_dir.value;
      report.scans.push_back(scanner.scan(open_input(set, manifest, options, seen)));
    }
  }
  report.styles = style_differences(report.scans);
  if (!config.data.train.empty()) report.batches = estimate_batches(config);
}

}  // namespace

int data(const DataArguments& arguments, std::ostream& out) {
  require(arguments.path);
  const bool of_config = is_config(arguments.path);
  if (!arguments.fix.empty() && of_config)
    user_error("--fix mends one manifest; give the manifests of {} one by one.", arguments.path);
  ScanOptions options{depth_of(arguments), arguments.threads};
  if (options.threads == 0) options.threads = std::max<int64_t>(1, std::thread::hardware_concurrency());
  if (!arguments.fix.empty()) check_fix_output(arguments.fix);

  DataReport report;
  report.title = arguments.path;
  Scanner scanner(options);
  if (of_config) {
    scan_config(arguments.path, scanner, report);
  } else {
    usam::data::SeenKeys seen;
    report.scans.push_back(scanner.scan(open_input("", {.path = {arguments.path}}, {}, seen)));
  }
  write_text(report, out);
  if (!arguments.html.empty()) {
    const fs::path page = fs::absolute(arguments.html).lexically_normal();
    write_file_atomically(page.string(), render_page(report, page.parent_path().string()));
  }
  if (!arguments.fix.empty()) {
    const Fixed fixed = write_fixed(report.scans.front(), arguments.fix);
    out << fmt::format("{}: {} rows, {} of them mended; {} left out, see {}\n", arguments.fix, fixed.kept, fixed.mended,
                       fixed.rejected, rejects_path(arguments.fix));
  }
  return 0;
}

}  // namespace usam::inspect
