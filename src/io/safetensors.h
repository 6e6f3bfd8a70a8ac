#pragma once
#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace usam::io {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;
using Metadata = std::map<std::string, std::string>;

struct TensorEntry;  // safetensors_header.h

// A safetensors file mapped into memory. Strict: a header that is truncated, over-long (> 100 MB), malformed, or whose
// tensors overlap, leave gaps or lie about their size is a UserError that names file and tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::vector<std::string>& names() const;  // in file order
  bool contains(const std::string& name) const;
  // A view of the mapped bytes (the mapping lives as long as the tensor), shared by all processes that map the file
  // until it is written to: then this process gets its own copy of the page, the file stays as it is. UserError for a
  // name that is absent.
  torch::Tensor get(const std::string& name) const;
  // Type, shape and place of a tensor, without touching it; UserError for a name that is absent.
  const TensorEntry& entry(const std::string& name) const;
  // Takes a tensor's pages out of this process; what was written to views of it is lost. Touched again, they come back
  // from the file.
  void drop(const std::string& name) const;
  const Metadata& metadata() const;
  const std::string& path() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Writes aside, syncs and renames: the file is whole or absent. Tensors on any device, made contiguous. The widest
// dtype comes first, so that every tensor is aligned, then by name: the same tensors make the same bytes. A path that
// cannot be written is a UserError; what stood there before stays.
void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata = {});

}  // namespace usam::io
