#include "data/sources/open.h"

#include "data/dialects.h"
#include "data/manifest.h"
#include "data/sources/kaldi.h"
#include "data/sources/lhotse_shar.h"
#include "data/sources/nemo_tarred.h"
#include "data/sources/webdataset.h"
#include "data/sources/weighted.h"

namespace usam::data {
namespace {

// Null: rows of text.
const SourceFormat* format_of(const ManifestConfig& config) {
  for (const SourceFormat& format : source_formats()) {
    if (config.format == format.name || (config.format == "auto" && format.is_likely(config.path.value)))
      return &format;
  }
  return nullptr;
}

}  // namespace

const std::vector<SourceFormat>& source_formats() {
  static const std::vector<SourceFormat> all = {
      {"kaldi", is_kaldi_folder,
       [](const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen, ManifestProblems& problems)
           -> std::shared_ptr<const Source> { return open_kaldi(config, options, seen, problems); },
       [](const ManifestConfig& config) { return kaldi_files(config.path.value); }},
      {"lhotse_shar", is_lhotse_shar,
       [](const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
          ManifestProblems& problems) -> std::shared_ptr<const Source> {
         return TarSource::open(config, [&] { return lhotse_shar_format(config.path.value); }, options, seen, problems);
       },
       [](const ManifestConfig& config) { return lhotse_shar_format(config.path.value).files; }},
      {"nemo_tarred", is_nemo_tarred,
       [](const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
          ManifestProblems& problems) -> std::shared_ptr<const Source> {
         return TarSource::open(
             config, [&] { return nemo_tarred_format(config.path.value, config.tars.value); }, options, seen, problems);
       },
       [](const ManifestConfig& config) { return nemo_tarred_format(config.path.value, config.tars.value).files; }},
      {"webdataset", is_webdataset,
       [](const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
          ManifestProblems& problems) -> std::shared_ptr<const Source> {
         return TarSource::open(config, [&] { return webdataset_format(config.path.value); }, options, seen, problems);
       },
       [](const ManifestConfig& config) { return webdataset_format(config.path.value).files; }},
  };
  return all;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names = {"auto"};
  for (const Dialect& dialect : dialects()) names.emplace_back(dialect.name);
  for (const SourceFormat& format : source_formats()) names.emplace_back(format.name);
  return names;
}

std::shared_ptr<const Source> open_source(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                          ManifestProblems& problems) {
  const SourceFormat* format = format_of(config);
  return format ? format->open(config, options, seen, problems) : Manifest::open(config, options, seen, problems);
}

std::vector<std::string> source_files(const ManifestConfig& config) {
  const SourceFormat* format = format_of(config);
  return format ? format->files(config) : std::vector{config.path.value};
}

std::shared_ptr<const Source> open_manifests(const std::vector<ManifestConfig>& manifests, const OpenOptions& options) {
  SeenKeys seen;
  ManifestProblems problems;
  std::vector<WeightedSource::Part> parts;
  for (const ManifestConfig& manifest : manifests) {
    const ManifestOptions of_one{options.tasks, std::ssize(parts), options.index_dir};
    parts.push_back({open_source(manifest, of_one, seen, problems), manifest.weight});
  }
  problems.raise();
  return std::make_shared<WeightedSource>(std::move(parts));
}

}  // namespace usam::data
