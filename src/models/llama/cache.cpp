#include "src/models/llama/cache.h"

#include <algorithm>
#include <cstring>

#include "src/base/error.h"
#include "src/tensor/frames.h"

namespace usam::llama {
namespace {

// One position's keys or values, written without the operators that a copy between tensors takes.
bool write_one(torch::Tensor& store_BGCK, int64_t position, const torch::Tensor& new_BGTK) {
  if (!new_BGTK.is_cpu() || new_BGTK.size(2) != 1 || new_BGTK.stride(3) != 1 || !store_BGCK.is_contiguous() ||
      new_BGTK.scalar_type() != store_BGCK.scalar_type())
    return false;
  const auto size = static_cast<int64_t>(new_BGTK.element_size()), bytes = new_BGTK.size(3) * size;
  const auto* from = static_cast<const char*>(new_BGTK.const_data_ptr());
  auto* to = static_cast<char*>(store_BGCK.mutable_data_ptr());
  for (int64_t b = 0; b < new_BGTK.size(0); ++b)
    for (int64_t g = 0; g < new_BGTK.size(1); ++g)
      std::memcpy(to + ((b * store_BGCK.size(1) + g) * store_BGCK.size(2) + position) * bytes,
                  from + (b * new_BGTK.stride(0) + g * new_BGTK.stride(1)) * size, static_cast<size_t>(bytes));
  return true;
}

void require_no_gradient(const torch::Tensor& x) {
  if (x.requires_grad()) internal_error("a key/value cache holds no gradients: use it under NoGradGuard");
}

}  // namespace

void Cache::reserve(int64_t positions) {
  reserved_ = std::max(reserved_, positions);
}

void Cache::select_rows(const torch::Tensor& rows_B) {
  if (length_ == 0) return;
  const auto select = [&](torch::Tensor& store, int64_t axis) {
    auto sizes = store.sizes().vec();
    sizes[0] = rows_B.numel();
    sizes[static_cast<size_t>(axis)] = std::max(store.size(axis), reserved_);
    const auto rows = torch::empty(sizes, store.options());
    auto held = rows.narrow(axis, 0, length_);
    at::index_select_out(held, store.narrow(axis, 0, length_), 0, rows_B);
    store = rows;
  };
  select(segments_BC_, 1);
  for (auto& layer : layers_) {
    select(layer.keys_BGCK, 2);
    select(layer.values_BGCK, 2);
  }
}

std::unique_ptr<KvCache> Cache::copy_rows(const torch::Tensor& rows_B) const {
  auto copy = std::make_unique<Cache>(*this);
  copy->select_rows(rows_B);
  return copy;
}

Cache Cache::with_length(int64_t positions) const {
  Cache out = *this;
  out.length_ = positions;
  if (positions >= length_) {
    const int64_t more = positions - length_;
    out.segments_BC_ = torch::constant_pad_nd(segments(), {0, more});
    for (auto& layer : out.layers_)
      for (auto* store : {&layer.keys_BGCK, &layer.values_BGCK})
        *store = torch::constant_pad_nd(store->narrow(2, 0, length_), {0, 0, 0, more});
    return out;
  }
  const auto order_BS = segments().eq(0).to(torch::kByte).argsort(/*stable=*/true, 1).narrow(1, 0, positions);
  out.segments_BC_ = segments().gather(1, order_BS);
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
  const auto held = [](const Cache& cache) { return cache.segments().gt(0).sum(1).max().item<int64_t>(); };
  const int64_t needed = std::max(held(*this), held(*theirs));
  int64_t positions = std::max(length_, theirs->length_);
  if (4 * positions > 5 * needed) positions = needed;  // moving keys together costs more than a little padding
  const Cache mine = with_length(positions), more = theirs->with_length(positions);
  segments_BC_ = torch::cat({mine.segments_BC_, more.segments_BC_});
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].keys_BGCK = torch::cat({mine.layers_[i].keys_BGCK, more.layers_[i].keys_BGCK});
    layers_[i].values_BGCK = torch::cat({mine.layers_[i].values_BGCK, more.layers_[i].values_BGCK});
  }
  length_ = positions;
  reserve(theirs->reserved_);
}

torch::Tensor Cache::append_segments(const torch::Tensor& segments_BT) {
  length_ += segments_BT.size(1);
  return write(segments_BC_, segments_BT, 1);
}

std::pair<torch::Tensor, torch::Tensor> Cache::append(int64_t layer, const torch::Tensor& keys_BGTK,
                                                      const torch::Tensor& values_BGTK) {
  require_no_gradient(keys_BGTK);
  auto& stored = layers_.at(static_cast<size_t>(layer));
  return {write(stored.keys_BGCK, keys_BGTK, 2), write(stored.values_BGCK, values_BGTK, 2)};
}

void Cache::begin_rows(const std::vector<int64_t>& lengths, torch::Device device) {
  if (length_ > 0) internal_error("{} prompts are to fill a cache that holds {} positions", lengths.size(), length_);
  const auto lengths_B = torch::tensor(lengths, torch::kLong);
  length_ = std::ranges::max(lengths);
  segments_BC_ = length_mask(lengths_B, length_, device).to(torch::kLong);
  places_N_ = valid_places(lengths_B, length_, device);
}

void Cache::fill(int64_t layer, const torch::Tensor& keys_NGK, const torch::Tensor& values_NGK) {
  const auto padded_BGSK = [this](const torch::Tensor& x_NGK) {
    require_no_gradient(x_NGK);
    const auto B = segments_BC_.size(0), G = x_NGK.size(1), K = x_NGK.size(2);
    const auto x_BSGK = torch::zeros({B * length_, G, K}, x_NGK.options()).index_copy_(0, places_N_, x_NGK);
    return x_BSGK.view({B, length_, G, K}).transpose(1, 2).contiguous();
  };
  layers_.at(static_cast<size_t>(layer)) = {padded_BGSK(keys_NGK), padded_BGSK(values_NGK)};
}

torch::Tensor Cache::write(torch::Tensor& store, const torch::Tensor& added, int64_t axis) const {
  const int64_t count = added.size(axis), before = length_ - count;
  if (before == 0) return store = added;
  if (store.size(axis) < length_) {
    auto sizes = added.sizes().vec();
    sizes[static_cast<size_t>(axis)] = std::max({length_, 2 * before, reserved_});
    auto larger = torch::empty(sizes, added.options());
    larger.narrow(axis, 0, before).copy_(store.narrow(axis, 0, before));
    store = larger;
  }
  if (axis != 2 || !write_one(store, before, added)) store.narrow(axis, before, count).copy_(added);
  return store.narrow(axis, 0, length_);
}

}  // namespace usam::llama
