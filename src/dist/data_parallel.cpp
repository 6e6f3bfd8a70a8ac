#include "src/dist/data_parallel.h"

#include <fmt/ranges.h>

#include "src/dist/flat.h"
#include "src/dist/gradient_sum.h"
#include "src/tensor/host_copy.h"

namespace usam::dist {
namespace {

std::vector<torch::Tensor> tensors_of(const NamedParameters& parameters) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : parameters) tensors.push_back(tensor);
  return tensors;
}

// Every rank holds and updates everything.
class Ddp : public DataParallel {
 public:
  Ddp(const NamedParameters& trained, const std::shared_ptr<Communicator>& ranks)
      : trained_(trained), ranks_(ranks), sum_(sum_gradients(tensors_of(trained), ranks)) {
    for (const auto& [name, parameter] : trained) pieces_.push_back({name, parameter.sizes().vec(), 0, parameter});
  }

  std::string order() const override {
    std::string text;
    for (const Piece& piece : pieces_) text += fmt::format("{} {}\n", piece.name, fmt::join(piece.shape, " "));
    return text;
  }
  void clear_gradients() override {
    for (auto& [name, parameter] : trained_) parameter.mutable_grad() = torch::Tensor();
  }
  void expect_last_backward() override { sum_->expect_last_backward(); }
  void finish() override { sum_->finish(); }
  int64_t held_bytes() const override { return sum_->held_bytes(); }
  NamedParameters host_values() override {
    NamedParameters values;
    if (ranks_->rank() != 0) return values;
    for (const auto& [name, parameter] : trained_) values.emplace_back(name, host_copy(parameter));
    return values;
  }

 protected:
  NamedParameters trained_;
  std::shared_ptr<Communicator> ranks_;

 private:
  std::unique_ptr<GradientSum> sum_;
};

// The parameters lie side by side, so that each rank's stretch of them travels as one message after an update.
class Zero1 final : public Ddp {
 public:
  Zero1(const NamedParameters& trained, const std::shared_ptr<Communicator>& ranks, std::vector<Flat> flats)
      : Ddp(trained, ranks), flats_(std::move(flats)) {
    pieces_.clear();
    for (Flat& flat : flats_) {
      auto whole = torch::empty({flat.size()}, flat.parameters().front().second.options().requires_grad(false));
      {
        const torch::NoGradGuard no_grad;
        for (size_t i = 0; i < flat.parameters().size(); ++i) flat.place(whole, i).copy_(flat.parameters()[i].second);
      }
      flat.move_into(whole);
      for (Piece& piece : flat.pieces(own(flat, whole), ranks->rank())) pieces_.push_back(std::move(piece));
      wholes_.push_back(whole);
    }
  }

  bool is_shared() const override { return ranks_->world() > 1; }

  // The pieces' gradients are views, which would keep the whole ones.
  void clear_gradients() override {
    Ddp::clear_gradients();
    for (Piece& piece : pieces_) piece.values.mutable_grad() = torch::Tensor();
  }

  void finish() override {
    Ddp::finish();
    size_t next = 0;
    for (const Flat& flat : flats_)
      for (const auto& [name, parameter] : flat.parameters()) {
        const Piece& piece = pieces_[next++];
        piece.values.mutable_grad() =
            parameter.grad().reshape(-1).narrow(0, piece.begin, piece.values.numel()).view(piece.values.sizes());
      }
  }

  void updated() override {
    for (size_t i = 0; i < flats_.size(); ++i) ranks_->start_gather(wholes_[i], own(flats_[i], wholes_[i]))->wait();
  }

 private:
  torch::Tensor own(const Flat& flat, const torch::Tensor& whole) const {
    return whole.narrow(0, ranks_->rank() * flat.chunk(), flat.chunk());
  }

  std::vector<Flat> flats_;
  std::vector<torch::Tensor> wholes_;
};

}  // namespace

std::unique_ptr<DataParallel> distribute(torch::nn::Module& module, const NamedParameters& trained,
                                         torch::Device device, const std::shared_ptr<Communicator>& ranks,
                                         Strategy strategy, std::optional<torch::ScalarType> autocast) {
  if (strategy == Strategy::kFsdp) return make_fsdp(module, device, ranks, autocast);
  module.to(device);
  if (strategy == Strategy::kDdp) return std::make_unique<Ddp>(trained, ranks);
  return std::make_unique<Zero1>(trained, ranks, flats_by_type(trained, ranks->world()));
}

}  // namespace usam::dist
