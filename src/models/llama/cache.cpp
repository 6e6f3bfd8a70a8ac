#include "src/models/llama/cache.h"

#include <algorithm>

#include "src/base/error.h"

namespace usam::llama {

void Cache::select_rows(const torch::Tensor& rows_B) {
  if (!segments_BS_.defined()) return;
  segments_BS_ = segments_BS_.index_select(0, rows_B);
  for (auto& layer : layers_) {
    layer.keys_BGCK = layer.keys_BGCK.narrow(2, 0, length()).index_select(0, rows_B);
    layer.values_BGCK = layer.values_BGCK.narrow(2, 0, length()).index_select(0, rows_B);
  }
}

std::unique_ptr<KvCache> Cache::copy_rows(const torch::Tensor& rows_B) const {
  auto copy = std::make_unique<Cache>(*this);
  copy->select_rows(rows_B);
  return copy;
}

torch::Tensor Cache::append_segments(const torch::Tensor& segments_BT) {
  segments_BS_ = segments_BS_.defined() ? torch::cat({segments_BS_, segments_BT}, 1) : segments_BT;
  return segments_BS_;
}

std::pair<torch::Tensor, torch::Tensor> Cache::append(int64_t layer, const torch::Tensor& keys_BGTK,
                                                      const torch::Tensor& values_BGTK) {
  if (keys_BGTK.requires_grad()) internal_error("a key/value cache holds no gradients: use it under NoGradGuard");
  auto& stored = layers_.at(static_cast<size_t>(layer));
  return {write(stored.keys_BGCK, keys_BGTK), write(stored.values_BGCK, values_BGTK)};
}

torch::Tensor Cache::write(torch::Tensor& store_BGCK, const torch::Tensor& new_BGTK) const {
  const int64_t total = length(), added = new_BGTK.size(2), before = total - added;
  if (before == 0) return store_BGCK = new_BGTK;
  if (store_BGCK.size(2) < total) {
    auto sizes = new_BGTK.sizes().vec();
    sizes[2] = std::max<int64_t>(total, 2 * before);
    auto larger = torch::empty(sizes, new_BGTK.options());
    larger.narrow(2, 0, before).copy_(store_BGCK.narrow(2, 0, before));
    store_BGCK = larger;
  }
  store_BGCK.narrow(2, before, added).copy_(new_BGTK);
  return store_BGCK.narrow(2, 0, total);
}

}  // namespace usam::llama
