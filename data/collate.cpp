#include "data/collate.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "src/base/error.h"
#include "src/tensor/to_device.h"

namespace usam::data {
namespace {

// Items one below the other, the shorter ones followed by zeros; each byte is written once.
torch::Tensor pad(const std::vector<torch::Tensor>& items, const std::vector<int64_t>& lengths) {
  std::vector<int64_t> shape = items.front().sizes().vec();
  shape.front() = *std::ranges::max_element(lengths);
  shape.insert(shape.begin(), std::ssize(items));
  torch::Tensor padded = torch::empty(shape, items.front().options());
  const size_t row = padded.nbytes() / items.size();
  auto* to = static_cast<std::byte*>(padded.data_ptr());
  for (const torch::Tensor& item : items) {
    const torch::Tensor contiguous = item.contiguous();
    if (item.numel() > 0) std::memcpy(to, contiguous.data_ptr(), contiguous.nbytes());
    if (row > contiguous.nbytes()) std::memset(to + contiguous.nbytes(), 0, row - contiguous.nbytes());
    to += row;
  }
  return padded;
}

void check_shapes(const std::string& name, const std::vector<torch::Tensor>& items) {
  const auto rest = [](const torch::Tensor& x) { return x.dim() == 0 ? x.sizes() : x.sizes().slice(1); };
  for (const auto& item : items) {
    if (item.dim() != items.front().dim() || rest(item) != rest(items.front()) || item.dtype() != items.front().dtype())
      internal_error("field '{}': samples of shape {} and {} cannot stand in one batch", name,
                     fmt::join(items.front().sizes(), "x"), fmt::join(item.sizes(), "x"));
  }
}

BatchField collate_field(const FieldSpec& spec, std::vector<torch::Tensor> items) {
  BatchField field;
  field.layout = spec.layout;
  field.stays_on_host = spec.stays_on_host;
  if (spec.layout == Layout::kList) {
    field.items = std::move(items);
    return field;
  }
  check_shapes(spec.name, items);
  std::vector<int64_t> lengths;
  for (const auto& item : items) lengths.push_back(item.dim() == 0 ? 1 : item.size(0));
  field.lengths_B = torch::tensor(lengths, torch::kInt64);
  if (items.front().dim() == 0) {
    field.data = torch::stack(items);
  } else {
    field.data = spec.layout == Layout::kPacked ? torch::cat(items) : pad(items, lengths);
  }
  return field;
}

}  // namespace

std::map<std::string, BatchField> collate(const std::vector<FieldSpec>& specs, const std::vector<Example>& examples) {
  const at::NoGradGuard no_grad;
  std::map<std::string, BatchField> fields;
  if (examples.empty()) return fields;
  for (const FieldSpec& spec : specs) {
    std::vector<torch::Tensor> items;
    for (const Example& example : examples) {
      const auto found = example.find(spec.name);
      if (found == example.end()) internal_error("an example lacks the field '{}'", spec.name);
      items.push_back(found->second);
    }
    fields[spec.name] = collate_field(spec, std::move(items));
  }
  return fields;
}

Batch Batch::to(torch::Device device) const {
  Batch moved = *this;
  for (auto& [name, field] : moved.fields) {
    if (field.stays_on_host) continue;
    if (field.data.defined()) field.data = to_device(field.data, device);
    for (auto& item : field.items) item = to_device(item, device);
  }
  return moved;
}

}  // namespace usam::data
