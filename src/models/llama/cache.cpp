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

Cache Cache::with_length(int64_t positions) const {
  Cache out = *this;
  if (positions >= length()) {
    const int64_t more = positions - length();
    out.segments_BS_ = torch::constant_pad_nd(segments_BS_, {0, more});
    for (auto& layer : out.layers_)
      for (auto* store : {&layer.keys_BGCK, &layer.values_BGCK})
        *store = torch::constant_pad_nd(store->narrow(2, 0, length()), {0, 0, 0, more});
    return out;
  }
  const auto order_BS = segments_BS_.eq(0).to(torch::kByte).argsort(/*stable=*/true, 1).narrow(1, 0, positions);
  out.segments_BS_ = segments_BS_.gather(1, order_BS);
  for (auto& layer : out.layers_)
    for (auto* store : {&layer.keys_BGCK, &layer.values_BGCK}) {
      const auto index = order_BS.view({-1, 1, positions, 1}).expand({-1, store->size(1), -1, store->size(3)});
      *store = store->gather(2, index);
    }
  return out;
}

void Cache::append_rows(const KvCache& other) {
  const auto* theirs = dynamic_cast<const Cache*>(&other);
  if (!theirs || theirs->layers_.size() != layers_.size())
    internal_error("the cache given was made by another language model");
  const auto held = [](const Cache& cache) { return cache.segments_BS_.gt(0).sum(1).max().item<int64_t>(); };
  const int64_t needed = std::max(held(*this), held(*theirs));
  int64_t positions = std::max(length(), theirs->length());
  if (4 * positions > 5 * needed) positions = needed;  // moving keys together costs more than a little padding
  const Cache mine = with_length(positions), more = theirs->with_length(positions);
  segments_BS_ = torch::cat({mine.segments_BS_, more.segments_BS_});
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].keys_BGCK = torch::cat({mine.layers_[i].keys_BGCK, more.layers_[i].keys_BGCK});
    layers_[i].values_BGCK = torch::cat({mine.layers_[i].values_BGCK, more.layers_[i].values_BGCK});
  }
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
