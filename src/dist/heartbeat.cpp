#include "src/dist/heartbeat.h"

#include <unistd.h>

#include "src/base/log.h"
#include "src/base/program.h"

namespace usam::dist {
namespace {

constexpr const char* kLoss = "loss";  // the key that the first sentence about a lost rank stands under
constexpr const char* kLeft = "left";
constexpr const char* kNoStore =
    "The ranks' store is gone, and with it the process that keeps it (rank 0, or torchrun).";

std::string key_of(int64_t rank) {
  return "rank/" + std::to_string(rank);
}

// What stands under a key, or "".
std::string read(c10d::Store& board, const std::string& key) {
  if (!board.check({key})) return "";
  const auto bytes = board.get(key);
  return {bytes.begin(), bytes.end()};
}

void write(c10d::Store& board, const std::string& key, const std::string& text) {
  board.set(key, std::vector<uint8_t>(text.begin(), text.end()));
}

// A sign is "<number of the beat> <what the rank is at>", or "left <what it was at>".
std::string activity(const std::string& sign) {
  const size_t space = sign.find(' ');
  return space == std::string::npos ? "the start" : sign.substr(space + 1);
}

}  // namespace

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> board, int64_t rank, int64_t world,
                     std::chrono::milliseconds patience)
    : board_(std::move(board)), rank_(rank), world_(world), patience_(patience) {
  seen_at_ = std::chrono::steady_clock::now();
  beat();
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, patience_ / 10, [this] { return ends_; })) {
      lock.unlock();
      try {
        beat();
        watch();
      } catch (const std::exception&) {
        note_loss(kNoStore);
      }
      lock.lock();
      if (!loss_.empty()) break;
    }
    // Operations over Gloo fail when a rank dies, those over NCCL, or with a rank that stands still, may never return.
    if (ends_ || changed_.wait_for(lock, patience_, [this] { return ends_; })) return;
    log::error("{} This rank was at {} and cannot go on.", loss_, doing_);
    _exit(kFailed);
  });
}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (!loss_.empty()) return;  // all know that this run has ended
  try {
    write(*board_, key_of(rank_), fmt::format("{} {}", kLeft, doing_));
  } catch (const std::exception&) {  // nobody is left to read it
  }
}

void Heartbeat::doing(const std::string& what) {
  const std::lock_guard lock(mutex_);
  doing_ = what;
}

void Heartbeat::beat() {
  std::string sign;
  {
    const std::lock_guard lock(mutex_);
    sign = fmt::format("{} {}", ++beats_, doing_);
  }
  write(*board_, key_of(rank_), sign);
}

void Heartbeat::watch() {
  if (const std::string known = read(*board_, kLoss); !known.empty()) return note_loss(known);
  const int64_t next = (rank_ + 1) % world_;
  const std::string sign = read(*board_, key_of(next));
  const auto now = std::chrono::steady_clock::now();
  if (sign != seen_) {
    seen_ = sign;
    seen_at_ = now;
  }
  if (sign.starts_with(kLeft) || now - seen_at_ < patience_) return;
  const std::string sentence =
      fmt::format("Rank {} of {} is lost: no sign of life for {:.0f} s. It was last at {}.", next, world_,
                  std::chrono::duration<double>(now - seen_at_).count(), activity(sign));
  write(*board_, kLoss, sentence);
  note_loss(sentence);
}

void Heartbeat::note_loss(const std::string& sentence) {
  {
    const std::lock_guard lock(mutex_);
    if (loss_.empty()) loss_ = sentence;
  }
  changed_.notify_all();
}

std::string Heartbeat::diagnosis() {
  const auto deadline = std::chrono::steady_clock::now() + patience_ * 3 / 2;
  std::unique_lock lock(mutex_);
  while (loss_.empty() && std::chrono::steady_clock::now() < deadline) {
    lock.unlock();
    try {
      for (int64_t rank = 0; rank < world_; ++rank) {
        const std::string sign = rank == rank_ ? "" : read(*board_, key_of(rank));
        if (sign.starts_with(kLeft))
          return fmt::format("Rank {} of {} has left, see its own message. It was last at {}.", rank, world_,
                             activity(sign));
      }
    } catch (const std::exception&) {
      return kNoStore;
    }
    lock.lock();
    changed_.wait_for(lock, patience_ / 10, [this] { return !loss_.empty(); });
  }
  const std::string found = loss_;
  lock.unlock();
  // The first rank may keep the store: the others read there who was lost before it leaves.
  if (rank_ == 0 && !found.empty()) std::this_thread::sleep_for(patience_ / 5);
  return found;
}

}  // namespace usam::dist
