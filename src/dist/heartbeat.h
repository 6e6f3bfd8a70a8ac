#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "src/dist/activity.h"

namespace usam::dist {

// How long ranks wait for each other.
struct Patience {
  std::chrono::milliseconds for_others = std::chrono::minutes(10);  // that are alive but do not come
  std::chrono::milliseconds for_signs = std::chrono::seconds(30);   // of life
};

// Another rank is lost, or hangs; the message says which, and what it was at.
class RankLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where a rank stands among the others, and who keeps their store.
struct Seat {
  int64_t rank = 0, world = 1;
  std::string keeper;  // "torchrun at HOST:PORT"; empty: rank 0
};

// Signs of life of the ranks, on a board in their store: a rank that died cannot say so, and the others may wait for it
// inside an operation. One thread renews this rank's sign and looks after the next rank's; what it finds is for all to
// read. Another ends a process that still hangs after something was found, or whose store does not answer, with a
// message that names the lost rank.
//
// A rank is lost when its sign stands still for Patience::for_signs. It hangs when it is alive, has been at one thing
// for Patience::for_others (times Activity::slowness), and others have come to an operation that it has not come to.
class Heartbeat {
 public:
  // What is known of lost ranks.
  struct Loss {
    std::vector<int64_t> ranks;  // none where it is not known which
    std::string sentence, table;
    bool hangs = false;
  };

  // Signs are renewed ten times within Patience::for_signs. `board` belongs to this Heartbeat alone.
  Heartbeat(c10::intrusive_ptr<c10d::Store> board, Seat seat, const ActivityMonitor& monitor, const Patience& patience);
  ~Heartbeat();  // leaves, which the others can tell from dying
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // After a failure: waits until it is known which rank is lost or has left, and what it was at; "" when all still are
  // well after half of Patience::for_signs and a little more. The lowest rank that is left writes a table of all to the
  // log.
  std::string diagnosis();

 private:
  struct Sign;
  using Clock = ActivityMonitor::Clock;

  void speak();                              // the thread that uses the board
  void guard();                              // the thread that ends a process that hangs
  void round(bool asked);                    // renews this rank's sign, and looks at the others'
  void watch_next(const std::string& sign);  // is the next rank lost, or has it left although this one waits?
  std::vector<std::string> read_all();       // every rank's sign
  void watch_all();                          // this rank's operation failed: who is it?
  void judge_standing(const ActivityMonitor::View& mine);  // this rank has stood for long: for want of whom?
  bool is_still(int64_t rank, const std::string& sign, Clock::duration patience);
  void publish(const Loss& loss);  // tells all ranks, unless another one was first
  void note(Loss loss);            // keeps the first one
  Loss lost(const std::vector<int64_t>& ranks, Clock::duration patience, const std::vector<std::string>& signs) const;
  Loss left(int64_t rank, const std::string& sign) const;
  Loss store_is_gone(const std::string& how) const;
  std::string table(const std::vector<std::string>& signs, const std::vector<int64_t>& lost) const;
  const std::string& tell();  // the message of loss_; the lock is held
  Clock::duration limit(const Activity& activity) const { return patience_.for_others * activity.slowness; }
  bool keeps_store() const { return seat_.keeper.empty() && seat_.rank == 0; }

  c10::intrusive_ptr<c10d::Store> board_;
  Seat seat_;
  const ActivityMonitor& monitor_;
  Patience patience_;
  Clock::duration beat_;
  std::vector<std::string> keys_;  // of the ranks' signs
  // Of the speaking thread: its beats, whether every rank has begun, signs and since when they have stood so.
  int64_t beats_ = 0;
  bool all_came_ = false;
  std::map<int64_t, std::pair<std::string, Clock::time_point>> seen_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<Loss> loss_;
  std::string message_;     // as told
  std::string first_sign_;  // of the first rank, by whom the store mostly is
  Clock::time_point answered_at_ = Clock::now();
  bool asked_ = false, is_told_ = false, ends_ = false, has_left_ = false;
  std::thread speaker_, guard_;
};

}  // namespace usam::dist
