// Samples that cannot be used are counted over all ranks and lives of a run.
#include "trainer/skips.h"

#include <set>

#include "src/base/error.h"
#include "tests/thread_ranks.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

// Toy batches of which some lose a sample, named after its micro-batch.
class LossyStream final : public BatchStream {
 public:
  LossyStream(std::unique_ptr<BatchStream> stream, const std::set<std::pair<int64_t, int64_t>>& lossy)
      : stream_(std::move(stream)), lossy_(lossy) {}
  std::optional<data::Batch> next() override {
    auto batch = stream_->next();
    if (batch && lossy_.contains({batch->cursor.epoch, batch->cursor.micro_batch}))
      batch->skipped.push_back({fmt::format("k{}", batch->cursor.micro_batch), "k.wav", "it is noise"});
    return batch;
  }

 private:
  std::unique_ptr<BatchStream> stream_;
  std::set<std::pair<int64_t, int64_t>> lossy_;
};

// Parts of which `lossy` (epoch, micro-batch) lose a sample, and as many as `limit` may in an epoch.
TrainerParts lossy_parts(const std::string& run, const std::set<std::pair<int64_t, int64_t>>& lossy, int64_t limit,
                         const std::shared_ptr<dist::Communicator>& ranks = dist::single_rank()) {
  TrainerParts parts = toy_parts(run, {}, ranks);
  parts.train.open = [open = parts.train.open, lossy](data::Cursor from) {
    return std::make_unique<LossyStream>(open(from), lossy);
  };
  parts.train.check_skipped = [limit](const data::Cursor& at, int64_t skipped, const data::Skipped& last) {
    if (skipped > limit) user_error("{} of epoch {}, the last {}: {}", skipped, at.epoch, last.key, last.reason);
  };
  return parts;
}

TEST(Skips, OfAllRanksCountTogether) {
  const test::TemporaryFolder folder;
  const auto ranks = dist::thread_ranks(2);
  const std::set<std::pair<int64_t, int64_t>> lossy = {{0, 1}, {0, 2}};  // the second rank's, then the first rank's
  for (const int64_t limit : {1, 2}) {
    std::vector<std::string> messages(2);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 2; ++i)
      threads.emplace_back([&, i] {
        TrainerConfig config = toy_config(4);
        config.accumulate = 1;
        Trainer trainer(config, lossy_parts(folder.path() / std::to_string(limit), lossy, limit, ranks[i]));
        messages[i] = test::message_of([&] { trainer.run(); });
      });
    for (auto& thread : threads) thread.join();
    for (const auto& message : messages) EXPECT_EQ(message, limit == 1 ? "2 of epoch 0, the last k2: it is noise" : "");
  }
}

TEST(Skips, AreRememberedWithinTheEpoch) {
  const test::TemporaryFolder folder;
  const std::string run = folder.path();
  const std::set<std::pair<int64_t, int64_t>> lossy = {{0, 1}, {0, 5}, {1, 0}};
  TrainerConfig config = toy_config(2);  // micro-batches 0 to 3
  Trainer(config, lossy_parts(run, lossy, 2)).run();
  EXPECT_EQ(read_run_state(run + "/checkpoint-2").skipped, 1);
  config = toy_config(6);  // seven micro-batches an epoch: steps 5 and 6 belong to the next one
  for (const int64_t limit : {1, 2}) {
    auto parts = lossy_parts(run, lossy, limit);
    parts.checkpoint = run + "/checkpoint-2";
    Trainer trainer(config, std::move(parts));
    EXPECT_EQ(test::message_of([&] { trainer.run(); }), limit == 1 ? "2 of epoch 0, the last k5: it is noise" : "");
  }
  EXPECT_EQ(read_run_state(run + "/checkpoint-6").skipped, 1);  // of the second epoch
}

TEST(Skips, OfTheValidationSetHaveTheirOwnLimit) {
  const test::TemporaryFolder folder;
  auto parts = toy_parts(folder.path());
  const auto lossy = lossy_parts(folder.path(), {{0, 2}}, 0);
  parts.valid->open = [open = parts.valid->open](data::Cursor from) {
    return std::make_unique<LossyStream>(open(from), std::set<std::pair<int64_t, int64_t>>{{0, 2}});
  };
  parts.valid->check_skipped = lossy.train.check_skipped;
  Trainer trainer(toy_config(4), std::move(parts));
  EXPECT_EQ(test::message_of([&] { trainer.run(); }), "1 of epoch 0, the last k2: it is noise");
  // The steps before it are kept.
  const auto last = list_checkpoints(folder.path());
  ASSERT_FALSE(last.empty());
  EXPECT_EQ(last.back().step, 3);
  EXPECT_TRUE(read_run_state(last.back().path).owes_evaluation);
  auto mended = toy_parts(folder.path());
  mended.checkpoint = last.back().path;
  EXPECT_EQ(Trainer(toy_config(4), std::move(mended)).run(), Outcome::kFinished);
  EXPECT_FALSE(read_run_state(folder.path() / "checkpoint-4").owes_evaluation);
}

}  // namespace
}  // namespace usam
