#pragma once
#include <torch/torch.h>

#include <string>
#include <vector>

#include "src/dist/data_parallel.h"

namespace usam::dist {

// Parameters of one type side by side in a buffer of world x chunk elements, of which rank r owns the r-th chunk.
class Flat {
 public:
  // Starts of parameters are aligned for vector instructions; the gaps are never read.
  Flat(NamedParameters parameters, int64_t world);

  const NamedParameters& parameters() const { return parameters_; }
  int64_t chunk() const { return chunk_; }
  int64_t size() const { return chunk_ * world_; }
  torch::ScalarType type() const { return parameters_.front().second.scalar_type(); }
  // The place of parameter `i` in a buffer of size(), in the parameter's shape.
  torch::Tensor place(const torch::Tensor& whole, size_t i) const;
  // The parameters become views of `whole`; their values are not copied.
  void move_into(const torch::Tensor& whole);
  // Copies what lies in a rank's chunk out of the parameters into `own` (chunk).
  void copy_chunk(torch::Tensor& own, int64_t rank) const;
  // What lies in a rank's chunk, as views of `own` (chunk): a piece of every parameter, perhaps an empty one.
  std::vector<Piece> pieces(const torch::Tensor& own, int64_t rank) const;

 private:
  // What of a parameter lies in a rank's chunk.
  struct Stretch {
    size_t parameter;
    int64_t begin, count;  // in the flattened parameter
    int64_t at;            // in the chunk
  };
  std::vector<Stretch> stretches(int64_t rank) const;

  NamedParameters parameters_;
  std::vector<int64_t> offsets_;
  int64_t world_, chunk_;
};

// One Flat for each type of the parameters.
std::vector<Flat> flats_by_type(const NamedParameters& parameters, int64_t world);

}  // namespace usam::dist
