#include "recipes/bases.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/hash.h"
#include "src/base/json.h"
#include "src/base/text.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "base.json";
constexpr const char* kRemedy =
    "usam-generate and usam-eval take --base NAME=FOLDER for one of them, or --models FOLDER (or USAM_MODELS) for a "
    "folder that holds them under the names that they had.";

// The last part of a dotted or slashed name.
std::string short_name(const Base& base) {
  return base.part.substr(base.part.rfind('.') + 1);
}
std::string folder_name(const Base& base) {
  const fs::path path = fs::path(base.path).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

std::string models_folder(const BaseFolders& where) {
  const char* environment = std::getenv("USAM_MODELS");
  return where.models.empty() && environment ? environment : where.models;
}

Json to_json(const Base& base) {
  Json json = Json::object();
  if (!base.part.empty()) json["part"] = base.part;
  json["source"] = base.path.empty() ? "random" : base.part.empty() ? "checkpoint" : "folder";
  if (base.path.empty()) {
    json["seed"] = base.seed;
    return json;
  }
  json["path"] = base.path;
  json["files"] = Json::object();
  for (const auto& [name, hash] : base.files) json["files"][name] = hash;
  return json;
}

Base from_json(const Json& json) {
  Base base;
  base.part = json.value("part", "");
  base.path = json.value("path", "");
  base.seed = json.value("seed", uint64_t{0});
  const Json files = json.value("files", Json::object());
  for (const auto& [name, hash] : files.items()) base.files.emplace_back(name, hash.get<std::string>());
  return base;
}

// The folder that a printed recipe gives a part ("encoders.whisper"); "" where it has none.
std::string folder_in(const ConfigNode& recipe, const std::string& part) {
  const ConfigNode* node = &recipe;
  std::istringstream keys(part);
  for (std::string key; std::getline(keys, key, '.');) {
    const auto* entry = node->find(key);
    if (!entry) return "";
    node = &entry->value;
  }
  const auto* path = node->find("path");
  return path && path->value.is_scalar() ? path->value.text : "";
}

// NAME=FOLDER -> the folder given for a base; each must be of one of the bases.
std::vector<std::string> named_folders(const std::string& checkpoint, const std::vector<Base>& bases,
                                       const std::vector<std::string>& named) {
  std::vector<std::string> folders(bases.size()), names;
  for (const auto& base : bases)
    if (!base.path.empty()) names.push_back(short_name(base));
  for (const auto& text : named) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals + 1 == text.size())
      user_error("--base {}: give NAME=FOLDER, like --base llm=/models/llama.", text);
    const std::string name = text.substr(0, equals);
    bool is_known = false;
    for (size_t i = 0; i < bases.size(); ++i) {
      if (bases[i].path.empty() || (name != bases[i].part && name != short_name(bases[i]))) continue;
      folders[i] = text.substr(equals + 1);
      is_known = true;
    }
    if (!is_known)
      user_error("--base {}: {} was not trained on a base model '{}'; it has {}.", text, checkpoint, name,
                 names.empty() ? "none" : join_words(names, "and"));
  }
  return folders;
}

std::string file_problem(const std::string& what, const fs::path& file, const std::string& hash) {
  if (!fs::is_regular_file(file)) return fmt::format("{}: {} is not there", what, file.string());
  const std::string found = sha256_file(file.string());
  if (found == hash) return "";
  return fmt::format("{}: {} has SHA-256 {}, expected {}", what, file.string(), found, hash);
}

void check(const std::string& checkpoint, const std::function<std::string(const Base&)>& folder_of) {
  const Bases bases = read_bases(checkpoint);
  std::vector<std::string> problems;
  auto add = [&problems](const std::string& problem) {
    if (!problem.empty()) problems.push_back(problem);
  };
  for (const auto& base : bases.models)
    for (const auto& [name, hash] : base.files)
      add(file_problem(short_name(base), fs::path(folder_of(base)) / name, hash));
  if (!problems.empty())
    user_error("{} was trained on other base models than these:\n  {}\n{}", checkpoint, fmt::join(problems, "\n  "),
               kRemedy);
  for (const auto& base : bases.overlays)
    for (const auto& [name, hash] : base.files)
      add(file_problem("init_from", fs::is_directory(base.path) ? fs::path(base.path) / name : fs::path(base.path),
                       hash));
  if (!problems.empty())
    user_error(
        "{} was trained on values that it does not hold:\n  {}\nWhere they are, `usam-inspect export` makes one folder "
        "of "
        "it that holds them.",
        checkpoint, fmt::join(problems, "\n  "));
}

}  // namespace

bool BaseFolders::empty() const {
  return named.empty() && models_folder(*this).empty();
}

Bases read_bases(const std::string& checkpoint) {
  Bases bases;
  const std::string path = (fs::path(checkpoint) / kFile).string();
  if (!fs::exists(path)) return bases;
  const Json json = parse_json(read_file(path), path);
  try {
    for (const auto& base : json.at("bases")) bases.models.push_back(from_json(base));
    for (const auto& base : json.at("overlays")) bases.overlays.push_back(from_json(base));
  } catch (const Json::exception& e) {
    user_error("{} does not say what a checkpoint was trained on: {}", path, e.what());
  }
  return bases;
}

void write_bases(const std::string& folder, const Bases& bases) {
  Json json = {{"bases", Json::array()}, {"overlays", Json::array()}};
  for (const auto& base : bases.models) json["bases"].push_back(to_json(base));
  for (const auto& base : bases.overlays) json["overlays"].push_back(to_json(base));
  write_file_atomically((fs::path(folder) / kFile).string(), to_lines(json));
}

Base hashed_base(const std::string& part, const std::string& path, const std::vector<std::string>& files) {
  Base base{part, path, {}, 0};
  for (const auto& file : files) base.files.emplace_back(fs::path(file).filename().string(), sha256_file(file));
  return base;
}

std::vector<std::string> base_overrides(const std::string& checkpoint, const BaseFolders& where) {
  const auto bases = read_bases(checkpoint).models;
  const auto named = named_folders(checkpoint, bases, where.named);
  const std::string models = models_folder(where);
  std::vector<std::string> overrides, problems;
  for (size_t i = 0; i < bases.size(); ++i) {
    if (bases[i].path.empty()) continue;
    std::vector<std::string> candidates = {named[i]};
    if (named[i].empty()) candidates = {bases[i].path};
    if (named[i].empty() && !models.empty())
      candidates.insert(candidates.begin(), (fs::path(models) / folder_name(bases[i])).string());
    const auto found = std::find_if(candidates.begin(), candidates.end(), [](const auto& c) { return fs::exists(c); });
    if (found == candidates.end()) {
      problems.push_back(fmt::format("{}: there is no {}", short_name(bases[i]), fmt::join(candidates, " and no ")));
    } else {
      overrides.push_back(fmt::format("recipe.{}.path={}", bases[i].part, fs::absolute(*found).string()));
    }
  }
  if (!problems.empty())
    user_error("{} needs base models that are not here:\n  {}\n{}", checkpoint, fmt::join(problems, "\n  "), kRemedy);
  return overrides;
}

void check_bases(const std::string& checkpoint, const ConfigNode& recipe) {
  check(checkpoint, [&recipe](const Base& base) { return folder_in(recipe, base.part); });
}

void check_bases(const std::string& checkpoint) {
  check(checkpoint, [](const Base& base) { return base.path; });
}

}  // namespace usam::recipes
