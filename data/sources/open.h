#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/sources/indexed.h"

namespace usam::data {

// A format of sources that is more than rows of text. Rows of text are formats, too: data/dialects.h names them.
struct SourceFormat {
  const char* name;  // as the config says it: "kaldi"
  // Whether a path looks like it, by names alone.
  bool (*is_likely)(const std::string& path);
  // Adds what is wrong to `problems`, and itself to `seen`.
  std::shared_ptr<const Source> (*open)(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                        ManifestProblems& problems);
  std::vector<std::string> (*files)(const ManifestConfig& config);  // as source_files()
};

// All of them, in the order in which `format: auto` tries them.
const std::vector<SourceFormat>& source_formats();
// Everything that `format` may be: "auto", the formats' and the dialects' names.
std::vector<std::string> format_names();

// Opens one source by its format, with what is wrong as `problems`.
std::shared_ptr<const Source> open_source(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                          ManifestProblems& problems);
// The files that a source's rows are read from, in order, found by names alone: lists and tars of a folder, the shards
// of a pattern. UserError where they are not as the format has them.
std::vector<std::string> source_files(const ManifestConfig& config);

struct OpenOptions {
  std::set<std::string> tasks = {};  // the tasks that rows may name; empty: any
  std::string index_dir = "";        // data.index_dir
};

// Opens the manifests of a list. Throws UserError with everything that is wrong with all of them: rows that cannot be
// used, unknown tasks (where `tasks` is not empty), keys that stand twice.
std::shared_ptr<const Source> open_manifests(const std::vector<ManifestConfig>& manifests,
                                             const OpenOptions& options = {});

}  // namespace usam::data
