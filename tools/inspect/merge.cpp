// A low-rank adapter merged into the weights of its base model, as a Hugging Face folder. B = 1 row, T positions.
#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/io/weights.h"
#include "src/nn/linear.h"
#include "src/nn/lora.h"
#include "src/tensor/finite.h"
#include "src/tensor/rng.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/language_model.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRandomIds = 64;
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kIndex = "model.safetensors.index.json";

torch::Tensor ids_of(const MergeArguments& arguments, int64_t vocab_size) {
  if (!arguments.ids.empty()) return torch::tensor(arguments.ids, torch::kInt64).unsqueeze(0);
  auto draws = generator(draw_key(static_cast<uint64_t>(arguments.seed), "merge", "ids"));
  return torch::randint(vocab_size, {1, kRandomIds}, draws, torch::kInt64);
}

// Puts the adapter on the model; the parameters that it changes, merged in fp32, by path.
std::map<std::string, torch::Tensor> apply_and_merge(LanguageModel& model, const io::PeftAdapter& adapter,
                                                     const std::string& name_of_adapter) {
  std::map<std::string, torch::Tensor> merged;
  const bool had_head = model.named_parameters().contains(kHead);
  apply_adapter(model, adapter, name_of_adapter);
  const auto parameters = model.named_parameters();
  if (!had_head && parameters.contains(kHead)) merged[kHead] = parameters[kHead];
  for (const auto& [name, tensor] : adapter.tensors)
    if (io::peft_module_of(name).empty()) merged[name] = parameters[name];
  for (const auto& item : model.named_modules("", false)) {
    auto linear = std::dynamic_pointer_cast<nn::LinearImpl>(item.value());
    if (!linear || !linear->update()) continue;
    merged[item.key() + ".weight"] = linear->weight + dynamic_cast<nn::LoraUpdate&>(*linear->update()).product();
  }
  return merged;
}

torch::Tensor stored(const std::string& name, const torch::Tensor& value, torch::ScalarType dtype) {
  auto narrow = value.to(dtype);
  if (!all_finite(narrow))
    user_error("{}: the merged values do not fit into {}, the type of the base's weights.", name, c10::toString(dtype));
  return narrow;
}

// Everything beside the weights: config, generation settings, tokenizer, templates.
void copy_others(const fs::path& from, const fs::path& to) {
  static const std::vector<std::string> weights = {".safetensors", ".bin",     ".pt",         ".pth", ".gguf",
                                                   ".h5",          ".msgpack", ".index.json", ".onnx"};
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const bool is_weights =
        std::any_of(weights.begin(), weights.end(), [&name](const auto& end) { return name.ends_with(end); });
    if (!is_weights && entry.is_regular_file()) fs::copy_file(fs::canonical(entry.path()), to / name);
  }
}

// A folder that goes with the scope, unless it was renamed.
struct Removed {
  std::string path;
  ~Removed() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

// Writes the folder of the merged weights, file for file like the base's.
class MergedFolder {
 public:
  MergedFolder(const std::string& base, std::string folder, std::map<std::string, torch::Tensor> merged)
      : base_(base), folder_(std::move(folder)), merged_(std::move(merged)), has_prefix_(base_.contains(kEmbedding)) {}

  void write() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    copy_others(base_.source(), folder_);
    // The projection of a model that shared its embedding needs a place when it does so no longer; a second copy of a
    // shared matrix must say the same.
    const bool is_new_head = merged_.count(kHead) > 0 && !base_.contains(kHead);
    if (merged_.count(kHead) && is_tied()) write_untied_config();
    if (!merged_.count(kHead) && merged_.count(kEmbedding) && base_.contains(kHead) && is_tied())
      merged_[kHead] = merged_[kEmbedding];
    for (const auto& file : base_.files()) write_file(file, is_new_head && file == base_.files().back());
    for (const auto& [name, tensor] : merged_)
      if (!found_.count(name))
        user_error("{}: the adapter changes '{}', but the weights hold no tensor of this name.", base_.source(), name);
    write_index(is_new_head);
  }

 private:
  void write_file(const std::string& path, bool adds_head) {
    const io::SafetensorsFile file(path);
    io::NamedTensors tensors;
    for (const auto& name : file.names()) {
      auto tensor = file.get(name);
      const auto found = merged_.find(path_of(name));
      if (found != merged_.end()) {
        tensor = stored(name, found->second, tensor.scalar_type());
        found_.insert(found->first);
      }
      tensors.emplace_back(name, tensor);
    }
    if (adds_head) {
      tensors.emplace_back(kHead, stored(kHead, merged_.at(kHead), embedding().scalar_type()));
      found_.insert(kHead);
    }
    io::write_safetensors(at(fs::path(path).filename()), tensors, file.metadata());
  }

  void write_untied_config() const {
    Json config = io::read_folder_json(base_.source(), "config.json");
    config["tie_word_embeddings"] = false;
    write_file_atomically(at("config.json"), to_lines(config));
  }

  void write_index(bool is_new_head) const {
    Json index = io::read_folder_json_if_present(base_.source(), kIndex);
    if (!index.is_object() || base_.files().size() < 2) return;
    if (is_new_head) {
      index["weight_map"][kHead] = fs::path(base_.files().back()).filename().string();
      auto& metadata = index["metadata"];
      if (metadata.is_object() && metadata.contains("total_size") && metadata["total_size"].is_number_integer())
        metadata["total_size"] = metadata["total_size"].get<int64_t>() + static_cast<int64_t>(embedding().nbytes());
    }
    write_file_atomically(at(kIndex), to_lines(index));
  }

  // A folder of the trunk alone leaves "model." out.
  std::string path_of(const std::string& name) const { return has_prefix_ || name == kHead ? name : "model." + name; }
  torch::Tensor embedding() const { return base_.get(has_prefix_ ? kEmbedding : kEmbedding + 6); }
  bool is_tied() const {
    return io::read_folder_json(base_.source(), "config.json").value("tie_word_embeddings", false);
  }
  std::string at(const fs::path& name) const { return (fs::path(folder_) / name).string(); }

  io::WeightFiles base_;
  std::string folder_;
  std::map<std::string, torch::Tensor> merged_;
  bool has_prefix_;
  std::set<std::string> found_;
};

}  // namespace

int merge(const MergeArguments& arguments, std::ostream& out) {
  const torch::NoGradGuard no_grad;
  if (fs::exists(arguments.output))
    user_error("{} exists already and is not overwritten; give another --output.", arguments.output);
  const auto adapter = io::read_peft_adapter(arguments.adapter);
  auto model = open_language_model(arguments.llm);
  const auto ids_BT = ids_of(arguments, model->vocab_size());
  auto merged = apply_and_merge(*model, adapter, arguments.adapter);
  const auto unmerged = logits_of(*model, ids_BT);
  const auto count = merged.size();
  model.reset();
  const std::string aside = arguments.output + ".partial";
  const Removed whatever_is_left{aside};
  MergedFolder(arguments.llm, aside, std::move(merged)).write();
  const auto drift = (logits_of(*open_language_model(aside), ids_BT) - unmerged).abs().max().item<double>();
  for (const auto& entry : fs::directory_iterator(aside)) sync_file(entry.path().string());
  rename_synced(aside, arguments.output);
  const Json report = {
      {"output", arguments.output},
      {"merged_tensors", count},
      {"ids", std::vector<int64_t>(ids_BT.data_ptr<int64_t>(), ids_BT.data_ptr<int64_t>() + ids_BT.numel())},
      {"largest_logit", unmerged.abs().max().item<double>()},
      {"largest_logit_drift", drift}};
  out << to_line(report) << "\n";
  return 0;
}

}  // namespace usam::inspect
