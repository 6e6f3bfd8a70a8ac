#include "trainer/manifest.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/hash.h"
#include "trainer/pieces.h"

namespace usam {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kCheckpoint = "checkpoint";
constexpr const char* kExport = "export";

Json read_manifest(const fs::path& folder) {
  return read_json((folder / kManifest).string());
}

// How many files the optimizer's state was written as, from the name of one of them: "optimizer-00001-of-00004".
int64_t number_of_optimizer_files(const Json& files) {
  int64_t rank = 0, number = 0;
  for (const auto& [name, listed] : files.items())
    if (std::sscanf(name.c_str(), "optimizer-%5ld-of-%5ld.safetensors", &rank, &number) == 2) return number;
  return 1;
}

// What a folder of the kind must hold beside the manifest.
std::vector<std::string> required_files(const std::string& kind, const Json& files) {
  std::vector<std::string> names = {"config.yaml", "model.safetensors"};
  if (kind == kExport) return names;
  const int64_t number = number_of_optimizer_files(files);
  for (int64_t rank = 0; rank < number; ++rank) names.push_back(optimizer_file(rank, number));
  names.push_back("state.json");
  return names;
}

// "" or what is wrong with one file that the manifest lists.
std::string file_problem(const fs::path& path, const std::string& name, const Json& listed) {
  if (!fs::is_regular_file(path)) return fmt::format("{} is missing", name);
  const auto bytes = static_cast<int64_t>(fs::file_size(path));
  const auto expected = listed.at("bytes").get<int64_t>();
  if (bytes != expected) return fmt::format("{} has {} bytes, the manifest says {}", name, bytes, expected);
  if (sha256_file(path.string()) != listed.at("sha256").get<std::string>())
    return fmt::format("{} has another SHA-256 than the manifest says", name);
  return "";
}

}  // namespace

Json read_json(const std::string& path) {
  if (!fs::exists(path)) user_error("{} is missing.", path);
  try {
    return Json::parse(read_file(path));
  } catch (const Json::exception& e) {
    user_error("{} is not valid JSON: {}", path, e.what());
  }
}

Json describe_files(const std::string& folder, const std::vector<std::string>& names) {
  Json files = Json::object();
  std::set<fs::path> folders;
  for (const std::string& name : names) {
    const fs::path path = fs::path(folder) / name;
    sync_file(path.string());
    files[name] = {{"bytes", fs::file_size(path)}, {"sha256", sha256_file(path.string())}};
    for (fs::path at = path.parent_path(); folders.insert(at).second && at != folder;) at = at.parent_path();
  }
  for (const fs::path& at : folders) sync_folder(at.string());
  return files;
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder).string());
  std::sort(files.begin(), files.end());
  return files;
}

void write_manifest(const std::string& folder, FolderKind kind, const Json& files) {
  const char* name = kind == FolderKind::kExport ? kExport : kCheckpoint;
  write_file_atomically((fs::path(folder) / kManifest).string(),
                        to_lines({{"format", kFormat}, {"kind", name}, {"files", files}}));
}

std::vector<std::string> manifest_files(const std::string& folder) {
  std::vector<std::string> names;
  try {
    const Json manifest = read_manifest(folder);
    for (const auto& [name, listed] : manifest.at("files").items()) names.push_back(name);
  } catch (const Json::exception& e) {
    user_error("{}/{} is not a manifest: {}", folder, kManifest, e.what());
  }
  return names;
}

bool looks_whole(const std::string& folder) {
  try {
    const Json manifest = read_manifest(folder);
    for (const auto& [name, listed] : manifest.at("files").items())
      if (fs::file_size(fs::path(folder) / name) != listed.at("bytes").get<uintmax_t>()) return false;
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

std::vector<std::string> checkpoint_problems(const std::string& checkpoint) {
  const fs::path folder = checkpoint;
  if (!fs::is_directory(folder)) return {"it is not a folder"};
  if (!fs::exists(folder / kManifest)) return {"manifest.json is missing: it was not written to its end"};
  std::vector<std::string> problems;
  try {
    const Json manifest = read_manifest(folder);
    if (const int format = manifest.at("format"); format != kFormat)
      return {fmt::format("its format is {}, this program reads {}", format, kFormat)};
    const Json& files = manifest.at("files");
    for (const auto& [name, listed] : files.items())
      if (std::string problem = file_problem(folder / name, name, listed); !problem.empty())
        problems.push_back(problem);
    for (const auto& name : required_files(manifest.value("kind", kCheckpoint), files))
      if (!files.contains(name)) problems.push_back(fmt::format("manifest.json does not list {}", name));
  } catch (const Json::exception& e) {
    problems.push_back(fmt::format("manifest.json is not a manifest: {}", e.what()));
  } catch (const UserError& e) {
    problems.push_back(e.what());
  }
  return problems;
}

void require_whole_checkpoint(const std::string& checkpoint) {
  const std::vector<std::string> problems = checkpoint_problems(checkpoint);
  if (!problems.empty()) user_error("{} is not a whole checkpoint: {}.", checkpoint, fmt::join(problems, "; "));
}

}  // namespace usam
