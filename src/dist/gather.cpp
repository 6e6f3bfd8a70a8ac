#include "src/dist/gather.h"

#include <algorithm>

namespace usam::dist {

// Two messages: the sizes, over the CPU, then all values as one axis, padded to the longest.
std::vector<torch::Tensor> gather_unequal(const torch::Tensor& tensor, Communicator& ranks) {
  if (ranks.world() == 1) return {tensor.detach().clone()};
  const auto sizes = ranks.all_gather(torch::tensor(tensor.sizes().vec(), torch::kInt64));
  int64_t longest = 0;
  for (const auto& theirs : sizes) longest = std::max(longest, theirs.prod().item<int64_t>());
  auto mine = torch::zeros({longest}, tensor.options().requires_grad(false));
  mine.narrow(0, 0, tensor.numel()).copy_(tensor.detach().reshape({-1}));
  std::vector<torch::Tensor> all;
  if (longest > 0) all = ranks.all_gather(mine);
  for (size_t rank = 0; rank < sizes.size(); ++rank) {
    const auto* size = sizes[rank].data_ptr<int64_t>();
    const std::vector<int64_t> shape(size, size + sizes[rank].numel());
    if (longest == 0) all.push_back(mine);
    all[rank] = all[rank].narrow(0, 0, c10::multiply_integers(shape)).view(shape);
  }
  return all;
}

double most_of_ranks(double mine, Communicator& ranks) {
  double most = mine;
  for (const auto& theirs : ranks.all_gather(torch::tensor({mine}, torch::kFloat64)))
    most = std::max(most, theirs.item<double>());
  return most;
}

std::vector<std::string> gather_texts(const std::string& text, Communicator& ranks) {
  auto bytes = torch::empty({static_cast<int64_t>(text.size())}, torch::kUInt8);
  std::copy(text.begin(), text.end(), reinterpret_cast<char*>(bytes.data_ptr<uint8_t>()));
  std::vector<std::string> texts;
  for (const auto& theirs : gather_unequal(bytes, ranks))
    texts.emplace_back(reinterpret_cast<const char*>(theirs.data_ptr<uint8_t>()), theirs.numel());
  return texts;
}

}  // namespace usam::dist
