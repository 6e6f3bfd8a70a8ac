#include "src/io/weights.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "src/base/error.h"

namespace usam::io {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

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

const std::vector<std::string>& WeightFiles::files() const {
  return state_->files;
}

const std::string& WeightFiles::source() const {
  return state_->source;
}

Json read_folder_json(const std::string& folder, const std::string& name) {
  const fs::path path = fs::path(folder) / name;
  std::ifstream stream(path, std::ios::binary);
  if (!stream || !fs::is_regular_file(path)) user_error("{}: there is no {} in the folder", folder, name);
  try {
    return Json::parse(stream);
  } catch (const Json::parse_error& e) {
    user_error("{}: the file is not valid JSON (at byte {})", path.string(), e.byte);
  }
}

Json read_folder_json_if_present(const std::string& folder, const std::string& name) {
  return fs::exists(fs::path(folder) / name) ? read_folder_json(folder, name) : Json();
}

namespace {

bool is_float(const torch::Tensor& tensor) {
  return torch::isFloatingType(tensor.scalar_type());
}

// One call of load_weights: first everything is matched, then, without a problem, everything is copied.
class Loader {
 public:
  Loader(torch::nn::Module& module, const WeightFiles& files, const LoadOptions& options)
      : files_(files), options_(options) {
    for (auto& entry : module.named_parameters()) targets_[entry.key()] = entry.value();
    for (auto& entry : module.named_buffers()) targets_[entry.key()] = entry.value();
  }

  void run() {
    for (const auto& name : files_.names()) match(name);
    for (const auto& [path, target] : targets_) {
      const bool is_loaded = loaded_.count(target.unsafeGetTensorImpl()) > 0;
      if (!is_loaded && !(options_.optional && options_.optional(path)))
        problem("missing: {} {} {}", path, shape(target), dtype(target));
    }
    if (!problems_.empty())
      user_error("{}: the weights do not fit the model, in {} tensor{}:{}", files_.source(), count_,
                 count_ == 1 ? "" : "s", problems_);
    for (const auto& [name, path] : matches_) targets_.at(path).copy_(fetch(name, path));
  }

 private:
  torch::Tensor fetch(const std::string& name, const std::string& path) const {
    auto tensor = files_.get(name);
    return options_.transform ? options_.transform(path, tensor) : tensor;
  }

  void match(const std::string& name) {
    const std::string path = options_.rename ? options_.rename(name) : name;
    if (path.empty()) return;
    auto found = targets_.find(path);
    if (found == targets_.end()) return problem("unexpected: {}{}", name, path == name ? "" : " (as " + path + ")");
    auto [first, is_new] = name_of_.try_emplace(path, name);
    if (!is_new) return problem("{} and {} both go to {}", first->second, name, path);
    loaded_.insert(found->second.unsafeGetTensorImpl());
    const auto source = fetch(name, path);
    if (source.sizes() != found->second.sizes())
      return problem("shape of {}: expected {}, got {}", path, shape(found->second), shape(source));
    // Quantised weights must not pass for real ones; a counter may, since Module::to(dtype) makes it floating.
    if (is_float(source) != is_float(found->second) && source.dim() > 0)
      return problem("dtype of {}: expected {}, got {}", path, dtype(found->second), dtype(source));
    matches_.emplace_back(name, path);
  }

  static std::string shape(const torch::Tensor& tensor) {
    std::ostringstream text;
    text << tensor.sizes();
    return text.str();
  }

  static const char* dtype(const torch::Tensor& tensor) { return c10::toString(tensor.scalar_type()); }

  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    ++count_;
    problems_ += "\n  " + fmt::format(format, std::forward<Args>(args)...);
  }

  const WeightFiles& files_;
  const LoadOptions& options_;
  std::map<std::string, torch::Tensor> targets_;
  std::map<std::string, std::string> name_of_;                // module path -> file name
  std::unordered_set<const c10::TensorImpl*> loaded_;         // by identity: tied parameters have two paths
  std::vector<std::pair<std::string, std::string>> matches_;  // file name, module path
  std::string problems_;
  int64_t count_ = 0;
};

}  // namespace

void load_weights(torch::nn::Module& module, const WeightFiles& files, const LoadOptions& options) {
  torch::NoGradGuard no_grad;
  Loader(module, files, options).run();
}

}  // namespace usam::io
