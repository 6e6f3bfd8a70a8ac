#include "src/dist/communicator.h"

#include <condition_variable>
#include <mutex>

namespace usam::dist {
namespace {

class SingleRank final : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t world() const override { return 1; }
  void all_reduce(torch::Tensor&) override {}
  void barrier() override {}
};

// Where threads meet: the last to arrive adds up in rank order, then all leave with the sum.
class Meeting {
 public:
  explicit Meeting(int64_t world) : pieces_(static_cast<size_t>(world)) {}

  int64_t world() const { return static_cast<int64_t>(pieces_.size()); }

  torch::Tensor sum(int64_t rank, torch::Tensor piece) {
    std::unique_lock lock(mutex_);
    pieces_[static_cast<size_t>(rank)] = std::move(piece);
    const int64_t round = round_;
    if (++arrived_ < world()) {
      all_here_.wait(lock, [&] { return round_ != round; });
      return sum_;  // the next round cannot end, and change it, before this rank has come to it
    }
    sum_ = pieces_[0].clone();
    for (size_t i = 1; i < pieces_.size(); ++i) sum_.add_(pieces_[i]);
    arrived_ = 0;
    ++round_;
    all_here_.notify_all();
    return sum_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<torch::Tensor> pieces_;
  torch::Tensor sum_;
  int64_t arrived_ = 0, round_ = 0;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(std::shared_ptr<Meeting> meeting, int64_t rank) : meeting_(std::move(meeting)), rank_(rank) {}
  int64_t rank() const override { return rank_; }
  int64_t world() const override { return meeting_->world(); }
  void all_reduce(torch::Tensor& tensor) override {
    torch::NoGradGuard no_grad;
    tensor.copy_(meeting_->sum(rank_, tensor.detach().clone()));
  }
  void barrier() override { meeting_->sum(rank_, torch::zeros({})); }

 private:
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
