#include "src/dist/flat.h"

#include <ATen/ceil_div.h>
#include <algorithm>
#include <map>

namespace usam::dist {
namespace {

constexpr int64_t kAlignment = 64;  // elements

// As many axes as the parameter has, all 1 but the last: the optimizer tells matrices from vectors by them.
// (An empty piece of a scalar gets one.)
std::vector<int64_t> stretched(int64_t axes, int64_t count) {
  if (axes == 0 && count == 0) axes = 1;
  std::vector<int64_t> shape(static_cast<size_t>(axes), 1);
  if (axes > 0) shape.back() = count;
  return shape;
}

}  // namespace

Flat::Flat(NamedParameters parameters, int64_t world) : parameters_(std::move(parameters)), world_(world) {
  int64_t end = 0;
  for (const auto& [name, parameter] : parameters_) {
    offsets_.push_back(end);
    end += at::round_up(parameter.numel(), kAlignment);
  }
  chunk_ = at::round_up(at::ceil_div(end, world), kAlignment);
}

torch::Tensor Flat::place(const torch::Tensor& whole, size_t i) const {
  const torch::Tensor& parameter = parameters_[i].second;
  return whole.narrow(0, offsets_[i], parameter.numel()).view(parameter.sizes());
}

void Flat::move_into(const torch::Tensor& whole) {
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].second.set_data(place(whole, i));
}

std::vector<Flat::Stretch> Flat::stretches(int64_t rank) const {
  std::vector<Stretch> found;
  const int64_t first = rank * chunk_, last = first + chunk_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const int64_t begin = std::clamp(offsets_[i], first, last);
    const int64_t end = std::clamp(offsets_[i] + parameters_[i].second.numel(), begin, last);
    found.push_back(begin < end ? Stretch{i, begin - offsets_[i], end - begin, begin - first} : Stretch{i, 0, 0, 0});
  }
  return found;
}

void Flat::copy_chunk(torch::Tensor& own, int64_t rank) const {
  const torch::NoGradGuard no_grad;
  for (const Stretch& s : stretches(rank))
    own.narrow(0, s.at, s.count).copy_(parameters_[s.parameter].second.reshape(-1).narrow(0, s.begin, s.count));
}

std::vector<Piece> Flat::pieces(const torch::Tensor& own, int64_t rank) const {
  std::vector<Piece> pieces;
  for (const Stretch& s : stretches(rank)) {
    const auto& [name, parameter] = parameters_[s.parameter];
    const auto values = own.narrow(0, s.at, s.count).view(stretched(parameter.dim(), s.count)).detach();
    pieces.push_back({name, parameter.sizes().vec(), s.begin, values.requires_grad_()});
  }
  return pieces;
}

std::vector<Flat> flats_by_type(const NamedParameters& parameters, int64_t world) {
  std::map<torch::ScalarType, NamedParameters> by_type;
  for (const auto& named : parameters) by_type[named.second.scalar_type()].push_back(named);
  std::vector<Flat> flats;
  for (auto& [type, some] : by_type) flats.emplace_back(std::move(some), world);
  return flats;
}

}  // namespace usam::dist
