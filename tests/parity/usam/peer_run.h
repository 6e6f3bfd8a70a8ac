#pragma once
// The run that the Python peer made (peer/usam_peer.py golden_run), built from usam's own parts: a config in YAML, the
// real data path, recipe and trainer, with the peer's initial trainables under usam's names.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recipes/run.h"
#include "recipes/usam/recipe.h"
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "tests/support.h"
#include "trainer/trainer.h"

namespace usam::test {

// The two sets of choices that the peer was run with.
struct PeerSetting {
  std::string llm;  // also the folder of the weights
  int64_t queries = 1;
  std::string expert_hidden;  // as in the config
};
inline void PrintTo(const PeerSetting& setting, std::ostream* out) {
  *out << setting.llm;
}
inline const std::vector<PeerSetting> kPeerSettings = {{"qwen2", 1, "null"}, {"llama", 2, "48"}};

// Parameters whose gradient is zero but for rounding (peer/NOTES.md): a softmax over one key, or the same constant for
// every entry of a softmax.
bool is_null(const std::string& name, const PeerSetting& setting);

class PeerRun {
 public:
  // `run`: the folder of the run, whose config differs from the peer's by the overrides only.
  PeerRun(const PeerSetting& setting, const std::string& run, const std::vector<std::string>& overrides = {});

  Outcome train();
  // Micro-batch `index` of the first epoch.
  data::Batch micro_batch(int64_t index) const;
  std::map<std::string, torch::Tensor> parameters();
  std::vector<Json> metrics() const;  // lines of metrics.jsonl

  // A tensor of the peer's dump, and its steps from golden_*.json.
  torch::Tensor golden(const std::string& name) const { return golden_->get(name).clone(); }
  const Json& history() const { return history_; }
  // The tensors `PREFIX/...` of the dump under usam's names.
  std::map<std::string, torch::Tensor> golden_parameters(const std::string& prefix) const;

  std::shared_ptr<recipes::UsamRecipe> recipe;
  recipes::UsamModel& model() { return dynamic_cast<recipes::UsamModel&>(recipe->module()); }

 private:
  Json history_;
  recipes::RunConfig config_;
  std::shared_ptr<const data::Source> source_;
  std::unique_ptr<io::SafetensorsFile> golden_;
};

}  // namespace usam::test
