#include "src/io/weights.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <unordered_map>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/io/safetensors_header.h"

namespace usam::io {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr uintmax_t kMaxJson = 100'000'000;  // bytes

[[noreturn]] void no_weights(const fs::path& folder) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (fs::exists(folder / name))
      user_error(
          "{0}: the weights are there only as {1}, which usam does not read; convert them once with `.venv/bin/python "
          "tools/convert_bin.py {0}`",
          folder.string(), name);
  user_error("{}: there is neither {} nor {} in the folder", folder.string(), kWhole, kIndex);
}

// The shards an index names, each once; UserError for an index that is malformed or shards that are absent.
std::vector<std::string> shards_of(const fs::path& folder, const Json& index) {
  const std::string path = (folder / kIndex).string();
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    user_error("{}: the index has no map 'weight_map'", path);
  std::set<std::string> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) user_error("{}: weight_map gives no file name for tensor '{}'", path, name);
    const auto file = shard.get<std::string>();
    if (file.empty() || fs::path(file).filename() != file || file == "." || file == "..")
      user_error("{}: weight_map places tensor '{}' in '{}', which is not the name of a file in the folder", path, name,
                 file);
    shards.insert(file);
  }
  std::string absent;
  for (const auto& shard : shards)
    if (!fs::exists(folder / shard)) absent += (absent.empty() ? "" : ", ") + shard;
  if (!absent.empty())
    user_error("{}: the index names shards that are not in the folder: {}; download them again", path, absent);
  return {shards.begin(), shards.end()};
}

}  // namespace

struct WeightFiles::State {
  std::string source;
  std::vector<std::string> files;
  std::vector<SafetensorsFile> open;
  std::unordered_map<std::string, size_t> file_of;  // tensor name -> index into `open`

  void add(const fs::path& path) {
    files.push_back(fs::absolute(path).lexically_normal().string());
    open.emplace_back(path.string());
    for (const auto& name : open.back().names()) {
      auto [place, is_new] = file_of.try_emplace(name, open.size() - 1);
      if (!is_new) user_error("{}: tensor '{}' also stands in {}", path.string(), name, open[place->second].path());
    }
  }

  void add_shards(const fs::path& folder) {
    const Json index = read_folder_json(folder.string(), kIndex);
    for (const auto& shard : shards_of(folder, index)) add(folder / shard);
    for (const auto& [name, shard] : index["weight_map"].items()) {
      auto found = file_of.find(name);
      if (found == file_of.end() || fs::path(open[found->second].path()).filename() != shard.get<std::string>())
        user_error("{}: tensor '{}' is not in {} as the index says", (folder / kIndex).string(), name,
                   shard.get<std::string>());
    }
  }
};

WeightFiles::WeightFiles(const std::string& folder_or_file) {
  auto state = std::make_shared<State>();
  state->source = folder_or_file;
  const fs::path path = folder_or_file;
  if (!fs::exists(path)) user_error("{}: no such file or folder", folder_or_file);
  if (!fs::is_directory(path)) {
    state->add(path);
  } else if (fs::exists(path / kWhole)) {
    state->add(path / kWhole);
  } else if (fs::exists(path / kIndex)) {
    state->add_shards(path);
  } else {
    no_weights(path);
  }
  state_ = state;
}

std::vector<std::string> WeightFiles::names() const {
  std::vector<std::string> all;
  for (const auto& file : state_->open) all.insert(all.end(), file.names().begin(), file.names().end());
  return all;
}

bool WeightFiles::contains(const std::string& name) const {
  return state_->file_of.count(name) > 0;
}

torch::Tensor WeightFiles::get(const std::string& name) const {
  auto found = state_->file_of.find(name);
  if (found == state_->file_of.end()) user_error("{}: there is no tensor '{}' in the weights", source(), name);
  return state_->open[found->second].get(name);
}

void WeightFiles::drop(const std::string& name) const {
  state_->open[state_->file_of.at(name)].drop(name);
}

int64_t WeightFiles::values() const {
  int64_t all = 0;
  for (const auto& [name, file] : state_->file_of) all += c10::multiply_integers(state_->open[file].entry(name).shape);
  return all;
}

torch::ScalarType WeightFiles::dtype() const {
  std::map<torch::ScalarType, uint64_t> bytes = {{torch::kFloat, 0}};
  for (const auto& [name, file] : state_->file_of) {
    const auto& entry = state_->open[file].entry(name);
    if (torch::isFloatingType(entry.dtype)) bytes[entry.dtype] += entry.end - entry.begin;
  }
  return std::max_element(bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
}

const std::vector<std::string>& WeightFiles::files() const {
  return state_->files;
}

const std::string& WeightFiles::source() const {
  return state_->source;
}

Json read_folder_json(const std::string& folder, const std::string& name) {
  const fs::path path = fs::path(folder) / name;
  if (!fs::is_regular_file(path)) user_error("{}: there is no {} in the folder", folder, name);
  if (fs::file_size(path) > kMaxJson)
    user_error("{}: the file has {} bytes; at most {} are read", path.string(), fs::file_size(path), kMaxJson);
  return parse_json(read_file(path.string()), path.string());
}

Json read_folder_json_if_present(const std::string& folder, const std::string& name) {
  return fs::exists(fs::path(folder) / name) ? read_folder_json(folder, name) : Json();
}

}  // namespace usam::io
