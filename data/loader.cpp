#include "data/loader.h"

#include <ATen/ceil_div.h>
#include <algorithm>
#include <latch>

#include "data/collate.h"
#include "src/base/error.h"
#include "src/base/log.h"

namespace usam::data {

// A micro-batch on its way.
struct Loader::Slot {
  std::vector<Visit> visits;
  Batch batch;
  std::vector<Sample> samples;
  std::vector<bool> is_loaded;  // of each sample
  size_t claimed = 0;           // samples that a thread has taken
  size_t remaining = 0;         // samples that are not loaded yet
  bool is_done = false;
  std::exception_ptr error;
};

Loader::Loader(std::shared_ptr<const DataSet> data, Slice slice)
    : data_(std::move(data)), slice_(slice), plan_(data_->plan(slice.start.epoch, slice.start.phase)) {
  if (const auto& memory = data_->recipe_plan().memory) memory->begin_pass();
  const int64_t start = slice_.start.micro_batch, size = plan_->size();
  if (start > size)
    user_error(
        "{}: epoch {} has {} micro-batches, but training stopped before number {}: the data or data.batch changed "
        "since",
        data_->source().name(), slice_.start.epoch, size, start);
  const int64_t rounds = at::ceil_div(size - start, slice_.ranks);
  next_index_ = start + slice_.rank;
  end_index_ = next_index_ + rounds * slice_.ranks;
  depth_ = data_->config().threads > 0 ? static_cast<size_t>(data_->config().threads) + 1 : 0;
  if (rounds > 0) start_threads(std::max<int64_t>(1, data_->config().threads));
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  work_ready_.notify_all();
  for (auto& thread : threads_) thread.join();
}

// Torch's number of threads is a default for new threads and a setting of each. Loader threads take one each, so that
// they do not fight with the training thread, and so that sums do not depend on data.threads; then the default is put
// back.
void Loader::start_threads(int64_t count) {
  const int intra_op = at::get_num_threads();
  std::latch ready(count);
  for (int64_t i = 0; i < count; ++i) {
    threads_.emplace_back([this, &ready] {
      at::get_num_threads();  // a thread takes the default at its first use, which must not come after the next line
      at::set_num_threads(1);
      ready.count_down();
      work();
    });
  }
  ready.wait();
  at::set_num_threads(intra_op);
}

std::shared_ptr<Loader::Slot> Loader::make_slot() {
  auto slot = std::make_shared<Slot>();
  slot->batch.cursor = {slice_.start.epoch, next_index_, slice_.start.phase};
  if (next_index_ < plan_->size()) slot->visits = plan_->micro_batch(next_index_);
  slot->samples.resize(slot->visits.size());
  slot->is_loaded.resize(slot->visits.size());
  slot->remaining = slot->visits.size();
  slot->is_done = slot->visits.empty();
  next_index_ += slice_.ranks;
  return slot;
}

// The first sample that nobody has taken, of the micro-batches under way or of a new one. Null when the loader stops.
std::shared_ptr<Loader::Slot> Loader::claim(std::unique_lock<std::mutex>& lock, size_t& sample) {
  while (true) {
    if (is_stopping_) return nullptr;
    for (const auto& slot : slots_) {
      if (slot->claimed == slot->visits.size()) continue;
      sample = slot->claimed++;
      return slot;
    }
    if (slots_.size() < depth_ && next_index_ < end_index_) {
      slots_.push_back(make_slot());
      if (slots_.back()->is_done) slot_ready_.notify_all();
    } else {
      work_ready_.wait(lock);
    }
  }
}

void Loader::load_sample(Slot& slot, size_t sample) {
  slot.samples[sample] = data_->load(slot.visits[sample], slot.batch.cursor.epoch, std::ssize(slot.visits));
}

// Collates what was loaded.
void Loader::finish(Slot& slot) {
  std::vector<Example> examples;
  for (size_t i = 0; i < slot.samples.size(); ++i) {
    Sample& sample = slot.samples[i];
    if (sample.state == Sample::State::kSkipped) slot.batch.skipped.push_back(sample.skipped);
    if (sample.state != Sample::State::kReady) continue;
    slot.batch.keys.push_back(sample.key);
    slot.batch.rows.push_back(slot.visits[i].row);
    ++slot.batch.seen["source/" + data_->share_of(slot.visits[i].row)];
    ++slot.batch.seen["task/" + sample.task];
    slot.batch.audio_seconds += sample.seconds;
    examples.push_back(std::move(sample.example));
  }
  slot.batch.fields = collate(data_->recipe_plan().fields, examples);
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  size_t sample = 0;
  while (const auto slot = claim(lock, sample)) {
    lock.unlock();
    std::exception_ptr error;
    try {
      load_sample(*slot, sample);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !slot->error) slot->error = error;
    slot->is_loaded[sample] = true;
    if (--slot->remaining > 0) continue;
    if (!slot->error) {
      lock.unlock();
      try {
        finish(*slot);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      slot->error = error;
    }
    slot->is_done = true;
    slot_ready_.notify_all();
  }
}

bool Loader::is_ready() const {
  return !slots_.empty() && slots_.front()->is_done;
}

// Without threads that load ahead, the one there is waits until it is asked.
void Loader::ask() {
  if (data_->config().threads == 0) depth_ = 1;
  work_ready_.notify_all();
}

std::vector<std::string> Loader::missing_after(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (slots_.empty() && next_index_ >= end_index_) return {};
  ask();
  if (slot_ready_.wait_for(lock, limit, [this] { return is_ready(); }) || slots_.empty()) return {};
  const std::shared_ptr<Slot> slot = slots_.front();
  std::vector<int64_t> rows;
  for (size_t i = 0; i < slot->visits.size(); ++i)
    if (!slot->is_loaded[i]) rows.push_back(slot->visits[i].row);
  lock.unlock();
  std::vector<std::string> keys;
  for (const int64_t row : rows) keys.push_back(data_->source().row(row).key);
  return keys;
}

std::optional<Batch> Loader::next() {
  std::unique_lock lock(mutex_);
  if (slots_.empty() && next_index_ >= end_index_) return std::nullopt;
  ask();
  slot_ready_.wait(lock, [this] { return is_ready(); });
  const std::shared_ptr<Slot> slot = slots_.front();
  slots_.pop_front();
  if (data_->config().threads == 0) depth_ = 0;
  lock.unlock();
  work_ready_.notify_all();
  if (slot->error) std::rethrow_exception(slot->error);
  count(*slot);
  if (slot->batch.cursor.micro_batch + slice_.ranks >= end_index_) report();
  return std::move(slot->batch);
}

void Loader::count(const Slot& slot) {
  for (const Sample& sample : slot.samples) {
    counts_.samples += sample.state == Sample::State::kReady;
    counts_.too_long += sample.state == Sample::State::kTooLong;
    counts_.truncated += sample.is_truncated;
    counts_.misdeclared += sample.is_misdeclared;
    counts_.windowed += sample.is_windowed;
    counts_.recalled += sample.is_recalled;
  }
  counts_.skipped += std::ssize(slot.batch.skipped);
  for (const Skipped& skipped : slot.batch.skipped) data_->skips().add(skipped);
}

void Loader::report() const {
  const auto tell = [&](int64_t n, const std::string& what) {
    if (n > 0) log::warn("{}: epoch {}: {} {}", data_->source().name(), slice_.start.epoch, n, what);
  };
  const std::string limit = fmt::format("{}max_seconds = {} s", data_->limit().prefix, data_->limit().seconds);
  if (slice_.rank == 0) tell(plan_->too_long(), fmt::format("clips left out, longer than {}", limit));
  tell(counts_.too_long, fmt::format("more clips left out that turned out to be longer than {}", limit));
  tell(counts_.truncated, fmt::format("clips cut to {}", limit));
  tell(counts_.skipped, "samples skipped, see skipped.jsonl");
  tell(counts_.misdeclared, "clips whose 'dur' in the manifest is wrong; the file's own length was taken");
  if (counts_.windowed > 0)
    log::info("{}: epoch {}: {} clips encoded in windows of data.max_seconds = {} s", data_->source().name(),
              slice_.start.epoch, counts_.windowed, data_->config().max_seconds);
  if (const auto& memory = data_->recipe_plan().memory)
    log::info("{}: epoch {}: {} of {} clips recalled, {} read; {}", data_->source().name(), slice_.start.epoch,
              counts_.recalled, counts_.samples, counts_.samples - counts_.recalled, memory->summary());
}

}  // namespace usam::data
