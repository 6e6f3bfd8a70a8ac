#pragma once
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/base/json.h"
#include "src/io/safetensors.h"

namespace usam::io {

// The tensors of a Hugging Face folder: model.safetensors, or the shards that model.safetensors.index.json names. Also
// opens a single .safetensors file. UserError when weights are absent (all absent shards are listed), stand in two
// shards, or exist only as pytorch_model.bin (the message says how to convert them).
class WeightFiles {
 public:
  explicit WeightFiles(const std::string& folder_or_file);
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  torch::Tensor get(const std::string& name) const;
  const std::vector<std::string>& files() const;  // absolute paths, for hashing and messages
  const std::string& source() const;              // the folder or file, as given

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// A folder's JSON file ("config.json"); UserError when it is absent or malformed.
Json read_folder_json(const std::string& folder, const std::string& name);
// Same, or null when the file is absent.
Json read_folder_json_if_present(const std::string& folder, const std::string& name);

struct LoadOptions {
  // File name -> parameter or buffer path in the module; "" leaves the tensor out on purpose. Default: same name.
  std::function<std::string(const std::string&)> rename;
  // Module paths that the file need not hold.
  std::function<bool(const std::string&)> optional;
  // Changes a tensor on its way (splitting, folding a weight norm); receives the module path.
  std::function<torch::Tensor(const std::string&, const torch::Tensor&)> transform;
};

// Copies weights into a module's parameters and buffers, converting dtypes. UserError that lists, together, every
// tensor that is missing, unexpected or of another shape (expected and got), and names the file.
void load_weights(torch::nn::Module& module, const WeightFiles& files, const LoadOptions& options = {});

}  // namespace usam::io
