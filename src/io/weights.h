#pragma once
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <optional>
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
  torch::Tensor get(const std::string& name) const;  // as SafetensorsFile::get()
  void drop(const std::string& name) const;          // as SafetensorsFile::drop()
  int64_t values() const;                            // numbers in all tensors together
  // The floating type that most bytes of the weights have (float32 where they have none).
  torch::ScalarType dtype() const;
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
  std::function<std::string(const std::string&)> rename = {};
  // File name -> further paths that the same tensor goes to (`transform` picks each one's share).
  std::function<std::vector<std::string>(const std::string&)> also = {};
  // Module paths that the file need not hold.
  std::function<bool(const std::string&)> optional = {};
  // Changes a tensor on its way (splitting, folding a weight norm); receives the module path.
  std::function<torch::Tensor(const std::string&, const torch::Tensor&)> transform = {};
  // Brings a tensor into the module in a way of its own, quantised for example, given the module path and the value
  // after `transform`; false: as all others.
  std::function<bool(const std::string&, const torch::Tensor&)> take = {};
  // The type that parameters and buffers get (single numbers keep theirs). A tensor that has it in the file already is
  // not copied: the module's becomes a view of the mapped file. Unset: values are copied into the module's tensors.
  std::optional<torch::ScalarType> keep_as = {};
};

struct LoadReport {
  int64_t tensors = 0, left_out = 0;  // of the file
  int64_t bytes = 0;                  // as kept in the module
  int64_t mapped_bytes = 0;           // of these, in the mapped files
};

// Brings weights into a module's parameters and buffers, tensor by tensor, so that at no time more than one is there
// twice; a parameter that holds codes (Coded) gets those of the values in the file. UserError that lists, together,
// every tensor that is missing, unexpected or of another shape (expected and got), and names the file; the module is
// then as it was. UserError that names every tensor with NaN or infinity.
LoadReport load_weights(torch::nn::Module& module, const WeightFiles& files, const LoadOptions& options = {});

}  // namespace usam::io
