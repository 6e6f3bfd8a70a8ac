#include "tests/parity/usam/peer_run.h"

#include <regex>

#include "data/loader.h"
#include "data/sources/open.h"
#include "src/base/error.h"

namespace usam::test {
namespace {

constexpr const char* kConfig = R"(
run: {{dir: {run}}}
seed: 13
data:
  train: {oracles}/usam/manifest.jsonl
  batch: {{rows: 3}}
  shuffle: false
  threads: 1
  long_audio: truncate
  max_seconds: 15
recipe:
  type: usam
  encoders:
    whisper: {{type: whisper, path: {oracles}/whisper, pad: clip}}
    ced: {{type: ced, path: {oracles}/ced}}
    mert: {{type: mert, path: {oracles}/mert}}
  fusion: {{reference: ced}}
  bridge: {{type: window_qformer, window: 17, queries: {queries}, layers: 2, hidden: 64, heads: 1, dropout: 0}}
  projector: {{type: moe, experts: 3, expert_hidden: {expert_hidden}, router_input: both}}
  llm:
    type: {llm}
    path: {oracles}/{llm}
    train: lora
    lora: {{rank: 8, alpha: 32, dropout: 0, targets: [q_proj, v_proj]}}
    tokenizer: {{path: {oracles}/{llm}}}
  loss: {{ce: {{weight: 1}}, saclm: {{weight: 1, score_hidden: 32}}}}
init_from: {oracles}/usam/named/trainables_{llm}.safetensors
trainer:
  max_steps: 4
  accumulate: 2
  max_grad_norm: 1
  log_every: 1
  optimizer: {{type: adamw, lr: 1e-3, weight_decay: 0.01}}
  schedule: {{type: cosine, warmup: 0.13}}
)";

}  // namespace

bool is_null(const std::string& name, const PeerSetting& setting) {
  if (name.ends_with("key.bias") || name == "saclm.aggregate.3.bias") return true;
  static const std::regex one_key(".*self_attention\\.(query|key)\\..*");
  return setting.queries == 1 && std::regex_match(name, one_key);
}

PeerRun::PeerRun(const PeerSetting& setting, const std::string& run, const std::vector<std::string>& overrides) {
  const std::string oracles = oracle_folder().string();
  std::filesystem::create_directories(run);
  const std::string file = run + ".yaml";
  std::ofstream(file) << fmt::format(kConfig, fmt::arg("run", run), fmt::arg("oracles", oracles),
                                     fmt::arg("llm", setting.llm), fmt::arg("queries", setting.queries),
                                     fmt::arg("expert_hidden", setting.expert_hidden));
  load_config(file, {overrides, false}, config_);
  const std::string stem = "golden_" + setting.llm + "_perclip";
  history_ = Json::parse(std::ifstream(oracles + "/usam/" + stem + ".json")).at("history");
  golden_ = std::make_unique<io::SafetensorsFile>(oracles + "/usam/named/" + stem + ".safetensors");
  source_ = data::open_manifests(config_.data.train);
  recipe = std::dynamic_pointer_cast<recipes::UsamRecipe>(recipes::build_recipe(config_, *source_));
  recipe->train(true);
  // What init_from lays over the initial values is all that is trained.
  const io::SafetensorsFile start(config_.init_from.front().value);
  const auto mine = parameters();
  if (start.names().size() != mine.size())
    internal_error("usam trains {} tensors, the peer {}", mine.size(), start.names().size());
}

std::map<std::string, torch::Tensor> PeerRun::parameters() {
  std::map<std::string, torch::Tensor> all;
  for (const auto& group : recipe->groups()) all.insert(group.parameters.begin(), group.parameters.end());
  return all;
}

std::map<std::string, torch::Tensor> PeerRun::golden_parameters(const std::string& prefix) const {
  std::map<std::string, torch::Tensor> all;
  for (const auto& name : golden_->names()) {
    if (name.starts_with(prefix + "/")) all[name.substr(prefix.size() + 1)] = golden(name);
  }
  return all;
}

Outcome PeerRun::train() {
  TrainerParts parts;
  parts.recipe = recipe;
  parts.train = recipes::make_batches(recipes::make_data_set(source_, *recipe, config_, true, nullptr), *parts.ranks);
  parts.run = config_.run.dir.value;
  parts.config_yaml = print_config(config_);
  parts.seed = static_cast<uint64_t>(config_.seed);
  return Trainer(config_.trainer, std::move(parts)).run();
}

data::Batch PeerRun::micro_batch(int64_t index) const {
  data::Loader loader(recipes::make_data_set(source_, *recipe, config_, true, nullptr), {{0, index}, 0, 1});
  return *loader.next();
}

std::vector<Json> PeerRun::metrics() const {
  std::vector<Json> rows;
  std::ifstream in(config_.run.dir.value + "/metrics.jsonl");
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

}  // namespace usam::test
