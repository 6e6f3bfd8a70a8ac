#pragma once
// Keys and values of a decoder's layers. B rows, G key/value heads, S positions, C positions that there is room for, N
// positions of rows without padding, K head width.
#include <torch/torch.h>

#include <memory>
#include <utility>
#include <vector>

#include "src/models/language_model.h"

namespace usam::llama {

// A step writes its own positions only: into the room asked for by reserve(), or else twice what was held before. Holds
// no gradients.
class Cache final : public KvCache {
 public:
  explicit Cache(int64_t layers) : layers_(layers) {}
  int64_t length() const override { return length_; }
  void reserve(int64_t positions) override;
  void select_rows(const torch::Tensor& rows_B) override;
  std::unique_ptr<KvCache> copy_rows(const torch::Tensor& rows_B) const override;
  void append_rows(const KvCache& other) override;

  // Adds the segments of new positions, once a forward pass and before its layers; returns those of all positions (B,
  // S).
  torch::Tensor append_segments(const torch::Tensor& segments_BT);
  // Adds one layer's keys and values of the new positions; returns those of all positions (B, G, S, K).
  std::pair<torch::Tensor, torch::Tensor> append(int64_t layer, const torch::Tensor& keys_BGTK,
                                                 const torch::Tensor& values_BGTK);
  // Rows of these lengths, once a forward pass and before its layers, instead: the cache held nothing.
  void begin_rows(const std::vector<int64_t>& lengths, torch::Device device);
  // One layer's keys and values of these rows, which lie behind each other.
  void fill(int64_t layer, const torch::Tensor& keys_NGK, const torch::Tensor& values_NGK);

 private:
  struct Layer {
    torch::Tensor keys_BGCK, values_BGCK;
  };
  // A copy with so many positions, padding last; not fewer than any row holds.
  Cache with_length(int64_t positions) const;
  torch::Tensor write(torch::Tensor& store, const torch::Tensor& added, int64_t axis) const;
  torch::Tensor segments() const { return segments_BC_.narrow(1, 0, length_); }

  std::vector<Layer> layers_;
  torch::Tensor segments_BC_;
  torch::Tensor places_N_;  // of begin_rows(), in B x S
  int64_t length_ = 0;      // S
  int64_t reserved_ = 0;    // how many positions are expected
};

}  // namespace usam::llama
