#include "src/dist/communicator.h"

#include <condition_variable>
#include <functional>
#include <mutex>

namespace usam::dist {
namespace {

using Tensors = std::vector<torch::Tensor>;

// What was done at once.
class Done final : public Pending {
 public:
  void wait() override {}
};

class SingleRank final : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t world() const override { return 1; }
  void all_reduce(torch::Tensor&) override {}
  Tensors all_gather(const torch::Tensor& tensor) override { return {tensor.detach().clone()}; }
  std::unique_ptr<Pending> start_gather(torch::Tensor& all, const torch::Tensor& mine) override {
    torch::NoGradGuard no_grad;
    all.copy_(mine);
    return std::make_unique<Done>();
  }
  std::unique_ptr<Pending> start_scatter_sum(torch::Tensor& mine, torch::Tensor& all) override {
    torch::NoGradGuard no_grad;
    mine.copy_(all);
    return std::make_unique<Done>();
  }
  void barrier() override {}
};

// Where threads meet: the last to arrive works out the result from all pieces, then all leave with it.
class Meeting {
 public:
  explicit Meeting(int64_t world) : pieces_(static_cast<size_t>(world)) {}

  int64_t world() const { return static_cast<int64_t>(pieces_.size()); }

  Tensors meet(int64_t rank, torch::Tensor piece, const std::function<Tensors(const Tensors&)>& result) {
    std::unique_lock lock(mutex_);
    pieces_[static_cast<size_t>(rank)] = std::move(piece);
    const int64_t round = round_;
    if (++arrived_ < world()) {
      all_here_.wait(lock, [&] { return round_ != round; });
      return result_;  // the next round cannot end, and change it, before this rank has come to it
    }
    result_ = result(pieces_);
    arrived_ = 0;
    ++round_;
    all_here_.notify_all();
    return result_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  Tensors pieces_, result_;
  int64_t arrived_ = 0, round_ = 0;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(std::shared_ptr<Meeting> meeting, int64_t rank) : meeting_(std::move(meeting)), rank_(rank) {}
  int64_t rank() const override { return rank_; }
  int64_t world() const override { return meeting_->world(); }

  void all_reduce(torch::Tensor& tensor) override {
    torch::NoGradGuard no_grad;
    const auto sum = [](const Tensors& pieces) {  // in rank order
      torch::Tensor total = pieces[0].clone();
      for (size_t i = 1; i < pieces.size(); ++i) total.add_(pieces[i]);
      return Tensors{total};
    };
    tensor.copy_(meeting_->meet(rank_, tensor.detach().clone(), sum)[0]);
  }

  Tensors all_gather(const torch::Tensor& tensor) override {
    Tensors all = meet(tensor);
    for (auto& piece : all) piece = piece.clone();  // no rank writes into another's
    return all;
  }

  std::unique_ptr<Pending> start_gather(torch::Tensor& all, const torch::Tensor& mine) override {
    torch::NoGradGuard no_grad;
    all.copy_(torch::cat(meet(mine)));
    return std::make_unique<Done>();
  }

  std::unique_ptr<Pending> start_scatter_sum(torch::Tensor& mine, torch::Tensor& all) override {
    torch::NoGradGuard no_grad;
    all_reduce(all);
    mine.copy_(all.chunk(world())[static_cast<size_t>(rank_)]);
    return std::make_unique<Done>();
  }

  void barrier() override { meet(torch::zeros({})); }

 private:
  Tensors meet(const torch::Tensor& tensor) {
    return meeting_->meet(rank_, tensor.detach().clone(), [](const Tensors& pieces) { return pieces; });
  }

  std::shared_ptr<Meeting> meeting_;
  int64_t rank_;
};

}  // namespace

std::shared_ptr<Communicator> single_rank() {
  return std::make_shared<SingleRank>();
}

std::vector<std::shared_ptr<Communicator>> thread_ranks(int64_t world) {
  auto meeting = std::make_shared<Meeting>(world);
  std::vector<std::shared_ptr<Communicator>> ranks;
  for (int64_t rank = 0; rank < world; ++rank) ranks.push_back(std::make_shared<ThreadRank>(meeting, rank));
  return ranks;
}

}  // namespace usam::dist
