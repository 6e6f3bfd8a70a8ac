#pragma once
// Keys and values of a decoder's layers. B rows, G key/value heads, S positions, K head width.
#include <torch/torch.h>

#include <memory>
#include <utility>
#include <vector>

#include "src/models/language_model.h"

namespace usam::llama {

// Grows by doubling, so that a step writes its own positions only. Holds no gradients.
class Cache final : public KvCache {
 public:
  explicit Cache(int64_t layers) : layers_(layers) {}
  int64_t length() const override { return segments_BS_.defined() ? segments_BS_.size(1) : 0; }
  void select_rows(const torch::Tensor& rows_B) override;
  std::unique_ptr<KvCache> copy_rows(const torch::Tensor& rows_B) const override;
  void append_rows(const KvCache& other) override;

  // Adds the segments of new positions, once a forward pass and before its layers; returns those of all positions (B,
  // S).
  torch::Tensor append_segments(const torch::Tensor& segments_BT);
  // Adds one layer's keys and values of the new positions; returns those of all positions (B, G, S, K).
  std::pair<torch::Tensor, torch::Tensor> append(int64_t layer, const torch::Tensor& keys_BGTK,
                                                 const torch::Tensor& values_BGTK);

 private:
  struct Layer {
    torch::Tensor keys_BGCK, values_BGCK;  // C: capacity
  };
  // A copy with so many positions, padding last; not fewer than any row holds.
  Cache with_length(int64_t positions) const;
  torch::Tensor write(torch::Tensor& store_BGCK, const torch::Tensor& new_BGTK) const;

  std::vector<Layer> layers_;
  torch::Tensor segments_BS_;
};

}  // namespace usam::llama
