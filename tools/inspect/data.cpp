#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <ostream>

#include "data/manifest.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "tools/inspect/commands.h"

namespace usam::inspect {
namespace {

constexpr int64_t kAudioProblems = 100;  // listed per manifest

std::string counts(const std::map<std::string, int64_t>& counted) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : counted) parts.push_back(fmt::format("{} {}", name, count));
  return parts.empty() ? "none" : join_words(parts, "and");
}

void describe_rows(const data::Manifest& manifest, std::ostream& out) {
  std::map<std::string, int64_t> tasks, tags;
  std::vector<double> lengths;
  for (int64_t i = 0; i < manifest.size(); ++i) {
    const auto row = manifest.row(i);
    ++tasks[row.task];
    for (const auto& tag : row.tags) ++tags[tag];
    if (row.seconds > 0) lengths.push_back(row.seconds);  // else not given, and not measured
  }
  out << fmt::format("  rows: {}\n", manifest.size());
  if (!lengths.empty()) {
    const double total = std::accumulate(lengths.begin(), lengths.end(), 0.0);
    const auto [shortest, longest] = std::minmax_element(lengths.begin(), lengths.end());
    out << fmt::format("  audio: {} in {} rows, {:.2f} s on average, {:.2f} to {:.2f} s\n", human_seconds(total),
                       lengths.size(), total / static_cast<double>(lengths.size()), *shortest, *longest);
  }
  out << "  tasks: " << counts(tasks) << "\n";
  if (!tags.empty()) out << fmt::format("  tags: {} different\n", tags.size());
}

// One manifest; `seen` holds the keys of those that are read with it.
void describe_manifest(const std::string& title, const std::string& path, data::SeenKeys& seen, std::ostream& out) {
  data::ManifestProblems found;
  const auto manifest = data::Manifest::open(path, {}, seen, found);
  auto problems = found.all();
  const auto audio = data::check_audio(*manifest, kAudioProblems);
  problems.insert(problems.end(), audio.begin(), audio.end());
  out << title << path << "\n";
  describe_rows(*manifest, out);
  out << fmt::format("  problems: {}{}\n", problems.empty() ? "none" : std::to_string(problems.size()),
                     std::ssize(audio) == kAudioProblems ? " or more" : "");
  for (const auto& problem : problems) out << "    " << problem << "\n";
}

void require_file(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) user_error("{}: there is no such file.", path);
}

void describe_config(const std::string& path, std::ostream& out) {
  recipes::RunConfig config;
  load_config(path, {.overrides = {}, .offline = true}, config);
  const std::vector<std::pair<std::string, const std::vector<data::ManifestConfig>*>> sets = {
      {"data.train: ", &config.data.train}, {"data.valid: ", &config.data.valid}, {"data.test: ", &config.data.test}};
  for (const auto& [title, manifests] : sets)
    for (const auto& manifest : *manifests) require_file(manifest.path.value);
  for (const auto& [title, manifests] : sets) {
    data::SeenKeys seen;  // a key may stand once in a set
    for (const auto& manifest : *manifests) describe_manifest(title, manifest.path.value, seen, out);
  }
}

}  // namespace

int data(const std::string& config_or_manifest, std::ostream& out) {
  require_file(config_or_manifest);
  const auto extension = std::filesystem::path(config_or_manifest).extension();
  if (extension == ".yaml" || extension == ".yml") {
    describe_config(config_or_manifest, out);
  } else {
    usam::data::SeenKeys seen;
    describe_manifest("", config_or_manifest, seen, out);
  }
  return 0;
}

}  // namespace usam::inspect
