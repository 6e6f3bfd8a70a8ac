#pragma once
// recipe.cache: what frozen encoders make of clips, on disk, so that it is made once.
// B samples, R of them, T frames, S states, D width.
#include <torch/torch.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "data/batch.h"
#include "recipes/usam/encoders.h"
#include "src/io/tensor_store.h"

namespace usam::recipes {

// The frames of each encoder lie in a folder of their own, named after all that they depend on but the clip: the hash
// of the encoder's values, its config, its front end, the states kept and their type. An entry is (T, S, D), the valid
// frames alone, under a key of the row's key, the identity of its audio (size and time of the file, wherever that
// lies, and place of the member or part in it), and how clips are cut.
class FeatureCache final : public data::ClipMemory {
 public:
  FeatureCache(const UsamConfig& config, std::vector<EncoderPart> encoders, double min_seconds);

  // The first one hashes the encoders' values, as they are then, and opens the folders: who decodes single clips, or
  // checks a config, needs none of it.
  void begin_pass() override;
  bool recall(const data::Row& row, const std::string& how, data::Clip& clip) const override;
  std::string summary() const override;

  bool keeps(const std::string& encoder) const { return names_.contains(encoder); }
  torch::ScalarType type() const { return type_; }
  // Keeps the frames of rows of a batch: of each row its valid ones. rows and lengths (R) int64 in host memory.
  void keep(const std::string& encoder, const data::Batch& batch, const torch::Tensor& rows_R,
            const std::vector<torch::Tensor>& states_RTD, const torch::Tensor& lengths_R);

 private:
  void open(const EncoderPart& part);

  UsamConfig config_;
  std::vector<EncoderPart> encoders_;
  double min_seconds_;
  std::set<std::string> names_;  // of the encoders that are kept
  torch::ScalarType type_;
  std::once_flag open_once_;
  std::map<std::string, std::unique_ptr<io::TensorStore>> stores_;  // by encoder
};

}  // namespace usam::recipes
