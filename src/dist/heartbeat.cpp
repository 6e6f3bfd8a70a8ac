#include "src/dist/heartbeat.h"

#include <unistd.h>

#include <algorithm>

#include "src/base/json.h"
#include "src/base/log.h"
#include "src/base/program.h"
#include "src/base/text.h"

namespace usam::dist {
namespace {

constexpr const char* kLoss = "loss";  // the key that the first Loss stands under

std::string text_of(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

void write(c10d::Store& board, const std::string& key, const std::string& text) {
  board.set(key, std::vector<uint8_t>(text.begin(), text.end()));
}

double seconds(ActivityMonitor::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// "Rank 3 of 8", "Ranks 2 and 3 of 8"
std::string names(const std::vector<int64_t>& ranks, int64_t world) {
  std::vector<std::string> numbers;
  for (const int64_t rank : ranks) numbers.push_back(std::to_string(rank));
  return fmt::format("Rank{} {} of {}", ranks.size() == 1 ? "" : "s", join_words(numbers), world);
}

// "It was last at ..." of the first of them.
std::string last_at(const std::vector<int64_t>& ranks, const std::string& at) {
  return fmt::format("{} was last at {}.", ranks.size() == 1 ? "It" : fmt::format("Rank {}", ranks[0]), at);
}

std::string dump(const Heartbeat::Loss& loss) {
  const Json json = {{"ranks", loss.ranks}, {"sentence", loss.sentence}, {"table", loss.table}, {"hangs", loss.hangs}};
  return to_line(json);
}

Heartbeat::Loss parse_loss(const std::string& text) {
  const Json json = Json::parse(text);
  return {json.at("ranks"), json.at("sentence"), json.at("table"), json.at("hangs")};
}

}  // namespace

// What a rank writes on the board with every beat.
struct Heartbeat::Sign {
  int64_t operations = 0;
  bool waits = false, left = false;
  double stood = 0, limit = 0;  // seconds
  std::string at;

  static Sign parse(const std::string& text) {
    const Json json = Json::parse(text);
    return {json.at("operations"), json.at("waits"), json.at("left"),
            json.at("stood"),      json.at("limit"), json.at("at")};
  }
  std::string dump(int64_t beat) const {
    const Json json = {{"beat", beat},   {"operations", operations}, {"waits", waits}, {"left", left},
                       {"stood", stood}, {"limit", limit},           {"at", at}};
    return to_line(json);
  }
};

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> board, Seat seat, const ActivityMonitor& monitor,
                     const Patience& patience)
    : board_(std::move(board)), seat_(std::move(seat)), monitor_(monitor), patience_(patience) {
  beat_ = patience_.for_signs / 10;
  for (int64_t rank = 0; rank < seat_.world; ++rank) keys_.push_back("rank/" + std::to_string(rank));
  round(false);
  speaker_ = std::thread([this] { speak(); });
  guard_ = std::thread([this] { guard(); });
}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  speaker_.join();
  bool is_well = false;
  {
    const std::lock_guard lock(mutex_);
    is_well = !loss_;
  }
  if (is_well) try {
      const ActivityMonitor::View mine = monitor_.view();
      const Sign sign = {mine.operations, false, true, 0, 0, mine.activity.text()};
      write(*board_, keys_[static_cast<size_t>(seat_.rank)], sign.dump(beats_));
    } catch (const std::exception&) {  // nobody is left to read it
    }
  {
    const std::lock_guard lock(mutex_);
    has_left_ = true;
  }
  changed_.notify_all();
  guard_.join();
}

void Heartbeat::speak() {
  std::unique_lock lock(mutex_);
  while (!ends_ && !loss_) {
    const bool asked = asked_;
    lock.unlock();
    try {
      round(asked);
    } catch (const std::exception&) {
      note(store_is_gone("is gone"));
    }
    lock.lock();
    answered_at_ = Clock::now();
    changed_.wait_for(lock, beat_, [&] { return ends_ || loss_ || asked_ != asked; });
  }
}

// Operations over Gloo fail when a rank dies, those over NCCL, or with a rank that stands still, may never return; and
// an answer of the store may never come.
void Heartbeat::guard() {
  std::unique_lock lock(mutex_);
  while (!has_left_ && !loss_) {
    changed_.wait_for(lock, beat_);
    if (const auto silence = Clock::now() - answered_at_; !loss_ && silence > patience_.for_signs)
      loss_ = store_is_gone(fmt::format("has not answered for {:.0f} s", seconds(silence)));
  }
  // Whoever does not hang may end by itself; the others read what was found before the store goes away.
  const Clock::duration grace = loss_ && !loss_->hangs ? patience_.for_signs : beat_ * (keeps_store() ? 4 : 2);
  changed_.wait_for(lock, grace, [this] { return has_left_ || is_told_; });
  if (is_told_) changed_.wait_for(lock, patience_.for_signs, [this] { return has_left_; });
  if (has_left_) return;
  // What diagnosis() gave is not written yet: its caller still takes things apart, and may wait for the store there.
  log::error("{}", is_told_ ? message_ : tell());
  _exit(kFailed);
}

void Heartbeat::round(bool asked) {
  const ActivityMonitor::View mine = monitor_.view();
  const Sign sign = {mine.operations,     mine.waits, false, seconds(mine.stood), seconds(limit(mine.activity)),
                     mine.activity.text()};
  write(*board_, keys_[static_cast<size_t>(seat_.rank)], sign.dump(++beats_));
  if (board_->check({kLoss})) return note(parse_loss(text_of(board_->get(kLoss))));
  if (!all_came_ && !(all_came_ = board_->check(keys_))) return;
  const auto next = static_cast<size_t>((seat_.rank + 1) % seat_.world);
  const auto signs = board_->multiGet({keys_[next], keys_[0]});
  {
    const std::lock_guard lock(mutex_);
    first_sign_ = text_of(signs[1]);
  }
  if (asked) return watch_all();
  watch_next(text_of(signs[0]));
  if (mine.stood >= limit(mine.activity)) judge_standing(mine);
}

bool Heartbeat::is_still(int64_t rank, const std::string& sign, Clock::duration patience) {
  auto& [seen, since] = seen_[rank];
  if (sign == seen) return Clock::now() - since >= patience;
  seen = sign;
  since = Clock::now();
  return false;
}

std::vector<std::string> Heartbeat::read_all() {
  std::vector<std::string> signs;
  for (const auto& bytes : board_->multiGet(keys_)) signs.push_back(text_of(bytes));
  return signs;
}

void Heartbeat::watch_next(const std::string& sign) {
  const int64_t next = (seat_.rank + 1) % seat_.world;
  if (Sign::parse(sign).left) {
    const ActivityMonitor::View mine = monitor_.view();
    if (mine.waits && mine.stood >= patience_.for_signs) publish(left(next, sign));
    return;
  }
  if (!is_still(next, sign, patience_.for_signs / 2)) return;
  // A machine that dies takes all its ranks along: a look at the others from now on tells.
  const auto signs = read_all();
  std::vector<int64_t> still;
  for (int64_t rank = 0; rank < seat_.world; ++rank) {
    const std::string& other = signs[static_cast<size_t>(rank)];
    const bool is_next = rank == next;
    if (is_still(rank, other, is_next ? Clock::duration(patience_.for_signs) : beat_ * 4) && !Sign::parse(other).left)
      still.push_back(rank);
  }
  if (std::find(still.begin(), still.end(), next) != still.end()) publish(lost(still, patience_.for_signs, signs));
}

// An operation that failed tells as much as the other half of the patience.
void Heartbeat::watch_all() {
  const auto signs = read_all();
  std::vector<int64_t> still;
  for (int64_t rank = 0; rank < seat_.world; ++rank) {
    const std::string& sign = signs[static_cast<size_t>(rank)];
    if (rank == seat_.rank) continue;
    if (Sign::parse(sign).left) return publish(left(rank, sign));
    if (is_still(rank, sign, patience_.for_signs / 2)) still.push_back(rank);
  }
  if (!still.empty()) publish(lost(still, patience_.for_signs / 2, signs));
}

void Heartbeat::judge_standing(const ActivityMonitor::View& mine) {
  const auto signs = read_all();
  std::vector<Sign> all;
  for (const std::string& sign : signs) all.push_back(Sign::parse(sign));
  int64_t furthest = mine.operations;
  for (const Sign& sign : all) furthest = std::max(furthest, sign.operations);
  Loss loss;
  loss.hangs = true;
  bool all_wait = true;
  for (int64_t rank = 0; rank < seat_.world; ++rank) {
    const Sign& sign = all[static_cast<size_t>(rank)];
    all_wait = all_wait && sign.waits && !sign.left && sign.stood >= sign.limit && sign.operations == furthest;
    const bool stands = sign.stood + seconds(beat_ * 2) >= sign.limit;  // signs of the same moment come one by one
    if (!sign.left && sign.operations < furthest && stands) loss.ranks.push_back(rank);
  }
  if (!loss.ranks.empty()) {
    const Sign& first = all[static_cast<size_t>(loss.ranks[0])];
    const bool one = loss.ranks.size() == 1;
    loss.sentence =
        fmt::format("{} hang{}: {} {} been at {} for {:.0f} s (parallel.timeout), and other ranks wait for {}.",
                    names(loss.ranks, seat_.world), one ? "s" : "", one ? "it" : fmt::format("rank {}", loss.ranks[0]),
                    "has", first.at, first.stood, one ? "it" : "them");
  } else if (all_wait) {
    loss.sentence = fmt::format(
        "All {} ranks have waited in the same operation for {:.0f} s (parallel.timeout): what they exchange does not "
        "arrive.",
        seat_.world, seconds(mine.stood));
  } else {
    return;
  }
  loss.table = table(signs, loss.ranks);
  publish(loss);
}

Heartbeat::Loss Heartbeat::lost(const std::vector<int64_t>& ranks, Clock::duration patience,
                                const std::vector<std::string>& signs) const {
  const Sign first = Sign::parse(signs[static_cast<size_t>(ranks[0])]);
  return {ranks,
          fmt::format("{} {} lost: no sign of life for {:.3g} s. {}", names(ranks, seat_.world),
                      ranks.size() == 1 ? "is" : "are", seconds(patience), last_at(ranks, first.at)),
          table(signs, ranks), false};
}

Heartbeat::Loss Heartbeat::left(int64_t rank, const std::string& sign) const {
  return {{rank},
          fmt::format("Rank {} of {} has left, see its own message. {}", rank, seat_.world,
                      last_at({rank}, Sign::parse(sign).at)),
          "",
          false};
}

Heartbeat::Loss Heartbeat::store_is_gone(const std::string& how) const {
  const std::string at = first_sign_.empty() ? "the start" : Sign::parse(first_sign_).at;
  if (seat_.keeper.empty())
    return {{0},
            fmt::format("Rank 0 of {} is lost, and with it the ranks' store, which {}. {}", seat_.world, how,
                        last_at({0}, at)),
            "",
            false};
  return {{},
          fmt::format("The ranks' store {}: {}, which keeps it, has ended, or the network to it is cut. Rank 0 of {} "
                      "was last at {}.",
                      how, seat_.keeper, seat_.world, at),
          "",
          false};
}

std::string Heartbeat::table(const std::vector<std::string>& signs, const std::vector<int64_t>& lost) const {
  std::string text = "What each rank was at:";
  for (size_t i = 0; i < signs.size(); ++i) {
    const Sign sign = Sign::parse(signs[i]);
    const bool is_lost = std::find(lost.begin(), lost.end(), static_cast<int64_t>(i)) != lost.end();
    text += fmt::format("\n  rank {}{}: {}, for {:.1f} s, {} operation {}", i, is_lost ? " (lost)" : "", sign.at,
                        sign.stood,
                        sign.left    ? "left after"
                        : sign.waits ? "waits in"
                                     : "after",
                        sign.operations);
  }
  return text;
}

void Heartbeat::publish(const Loss& loss) {
  note(parse_loss(board_->compareSet(kLoss, "", dump(loss))));
}

void Heartbeat::note(Loss loss) {
  {
    const std::lock_guard lock(mutex_);
    if (!loss_) loss_ = std::move(loss);
  }
  changed_.notify_all();
}

const std::string& Heartbeat::tell() {
  is_told_ = true;
  const auto is_lost = [this](int64_t rank) {
    return std::find(loss_->ranks.begin(), loss_->ranks.end(), rank) != loss_->ranks.end();
  };
  int64_t first = 0;
  while (is_lost(first)) ++first;
  if (first == seat_.rank && !loss_->table.empty()) log::error("{}", loss_->table);
  message_ = loss_->sentence;
  if (!is_lost(seat_.rank))
    message_ += fmt::format(" Rank {} was at {} and cannot go on.", seat_.rank, monitor_.view().activity.text());
  return message_;
}

std::string Heartbeat::diagnosis() {
  std::unique_lock lock(mutex_);
  asked_ = true;
  changed_.notify_all();
  if (!changed_.wait_for(lock, patience_.for_signs / 2 + beat_ * 3, [this] { return loss_.has_value(); })) {
    asked_ = false;
    return "";
  }
  const std::string message = tell();
  lock.unlock();
  changed_.notify_all();
  if (keeps_store()) std::this_thread::sleep_for(beat_ * 2);  // the others read there what was found
  return message;
}

}  // namespace usam::dist
