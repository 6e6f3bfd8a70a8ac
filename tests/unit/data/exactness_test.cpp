// What is seen, in which order, is a function of the data, the seed and the cursor: of no thread, rank or interruption.
#include <map>
#include <random>
#include <set>

#include "data/loader.h"
#include "data/sources/weighted.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::small_config;
using test_support::small_plan;
using test_support::tone;
using test_support::write_wav;

// Rows of a few short files, one file for several rows.
class Clips final : public Source {
 public:
  Clips(std::string folder, std::string name, int64_t size)
      : folder_(std::move(folder)), name_(std::move(name)), size_(size) {}
  int64_t size() const override { return size_; }
  double seconds(int64_t index) const override { return 0.2 + 0.05 * static_cast<double>(index % 7); }
  std::string name() const override { return name_; }
  Row row(int64_t index) const override {
    Row row;
    row.key = name_ + std::to_string(index);
    row.audios = {{.path = fmt::format("{}/{}.wav", folder_, index % 7)}};
    row.task = index % 3 == 0 ? "SEC" : "ASR";
    row.references = {"one two"};
    row.seconds = seconds(index);
    row.line = index + 1;
    return row;
  }

 private:
  std::string folder_, name_;
  int64_t size_;
};

class Exactness : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 7; ++i) write_wav(folder_, fmt::format("{}.wav", i), tone(0.2 + 0.05 * i, 300 + 40 * i));
    source_ = std::make_shared<WeightedSource>(
        std::vector<WeightedSource::Part>{{std::make_shared<Clips>(folder_.path(), "a", 40), 1},
                                          {std::make_shared<Clips>(folder_.path(), "b", 17), 1.6}});
  }
  std::shared_ptr<DataSet> data(int64_t threads, AugmentConfig augment = {}) const {
    DataConfig config = small_config(4, threads);
    config.batch.seconds = 1.5;
    config.augment = std::move(augment);
    return std::make_shared<DataSet>(source_, small_plan(), config, Use{7, true});
  }

  test::TemporaryFolder folder_;
  std::shared_ptr<const Source> source_;
};

std::vector<Batch> read_all(const std::shared_ptr<DataSet>& data, const Slice& slice) {
  Loader loader(data, slice);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

std::multiset<std::string> planned_keys(const DataSet& data, int64_t epoch) {
  std::multiset<std::string> keys;
  const auto plan = data.plan(epoch);
  for (int64_t m = 0; m < plan->size(); ++m)
    for (const Visit& visit : plan->micro_batch(m)) keys.insert(data.source().row(visit.row).key);
  return keys;
}

TEST_F(Exactness, AnyNumberOfThreadsGivesTheSameSequence) {
  AugmentConfig augment;
  augment.gain_db = 6;
  augment.speed = {0.9, 1, 1.1};
  const auto reference = read_all(data(0, augment), {{1, 0}});
  ASSERT_GT(reference.size(), 15u);
  for (const int64_t threads : {1, 4, 16}) {
    const auto batches = read_all(data(threads, augment), {{1, 0}});
    ASSERT_EQ(batches.size(), reference.size());
    for (size_t i = 0; i < batches.size(); ++i) {
      ASSERT_EQ(batches[i].keys, reference[i].keys);
      ASSERT_EQ(batches[i].cursor, reference[i].cursor);
      ASSERT_EQ(batches[i].seen, reference[i].seen);
      for (const auto& [name, field] : batches[i].fields)
        ASSERT_TRUE(torch::equal(field.data, reference[i].field(name).data)) << threads << " " << name;
    }
  }
}

TEST_F(Exactness, AnyNumberOfRanksGivesTheSameSequence) {
  const auto whole = read_all(data(2), {{3, 0}});
  for (const int64_t ranks : {2, 3, 5}) {
    std::map<int64_t, std::vector<std::string>> together;
    for (int64_t rank = 0; rank < ranks; ++rank)
      for (const Batch& batch : read_all(data(1), {{3, 0}, rank, ranks}))
        if (batch.size() > 0) together[batch.cursor.micro_batch] = batch.keys;
    ASSERT_EQ(together.size(), whole.size());
    for (const Batch& batch : whole) EXPECT_EQ(together.at(batch.cursor.micro_batch), batch.keys);
  }
}

TEST_F(Exactness, WhatWasSeenIsCountedBySourceAndTask) {
  const auto set = data(2);
  std::map<std::string, int64_t> seen, expected;
  for (const Batch& batch : read_all(set, {{2, 0}}))
    for (const auto& [name, count] : batch.seen) seen[name] += count;
  const auto plan = set->plan(2);
  for (int64_t m = 0; m < plan->size(); ++m) {
    for (const Visit& visit : plan->micro_batch(m)) {
      ++expected[visit.row < 40 ? "source/a" : "source/b"];
      ++expected["task/" + source_->row(visit.row).task];
    }
  }
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(seen.at("source/a"), 40);
  EXPECT_NEAR(static_cast<double>(seen.at("source/b")), 27.2, 1);
}

// A run that is killed again and again, while loaders are ahead of it, and goes on with one, two and three ranks. Its
// steps have six micro-batches; what a killed step had consumed is consumed again.
TEST_F(Exactness, KilledAtRandomNothingIsLostOrRepeated) {
  for (uint32_t seed = 0; seed < 6; ++seed) {
    std::mt19937 random(seed);
    constexpr int64_t kStep = 6;
    Cursor cursor;
    std::map<int64_t, std::multiset<std::string>> consumed;
    std::map<int64_t, std::map<int64_t, std::vector<std::string>>> sequence;
    int64_t kills = 0;
    while (cursor.epoch < 2) {
      const int64_t ranks = 1 + kills % 3;
      const auto life = static_cast<int64_t>(random() % 4);  // steps, then a kill within the next
      std::vector<std::unique_ptr<Loader>> loaders;
      std::vector<std::shared_ptr<DataSet>> sets;
      for (int64_t rank = 0; rank < ranks; ++rank) sets.push_back(data(static_cast<int64_t>(random() % 3)));
      for (int64_t step = 0; step <= life && cursor.epoch < 2; ++step) {
        const int64_t size = sets[0]->plan(cursor.epoch)->size();
        if (loaders.empty())
          for (int64_t rank = 0; rank < ranks; ++rank)
            loaders.push_back(std::make_unique<Loader>(sets[static_cast<size_t>(rank)], Slice{cursor, rank, ranks}));
        std::vector<Batch> batches;
        const int64_t of_step = std::min(kStep, size - cursor.micro_batch);
        const int64_t rounds = step == life ? static_cast<int64_t>(random() % 2) : (of_step + ranks - 1) / ranks;
        for (int64_t round = 0; round < rounds; ++round)
          for (auto& loader : loaders)
            if (auto batch = loader->next()) batches.push_back(std::move(*batch));
        if (step == life) break;  // killed
        for (const Batch& batch : batches) {
          consumed[cursor.epoch].insert(batch.keys.begin(), batch.keys.end());
          if (batch.size() > 0) sequence[cursor.epoch][batch.cursor.micro_batch] = batch.keys;
        }
        cursor.micro_batch += of_step;
        if (cursor.micro_batch < size) continue;
        cursor = {cursor.epoch + 1, 0};
        loaders.clear();
      }
      ++kills;
    }
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      EXPECT_EQ(consumed[epoch], planned_keys(*data(0), epoch)) << seed;
      for (const Batch& batch : read_all(data(0), {{epoch, 0}}))
        ASSERT_EQ(sequence[epoch].at(batch.cursor.micro_batch), batch.keys);
    }
    EXPECT_GT(kills, 3);
  }
}

// Metadata may be wrong; the budget holds all the same.
class HardBudget : public testing::Test {
 protected:
  void SetUp() override {
    write_wav(folder_, "short.wav", tone(0.5, 300));
    write_wav(folder_, "long.wav", tone(2, 300));
    manifest_ = test_support::line("a", "short.wav", 0.5) + test_support::line("b", "long.wav", 0.5) +
                test_support::line("c", "short.wav", 0.5, std::string(60, 'x')) +
                test_support::line("d", "short.wav", 0.5);
  }
  std::vector<Skipped> skipped(const DataConfig& config) {
    const auto skips = std::make_shared<SkipList>(1, nullptr);
    const auto set = std::make_shared<DataSet>(Manifest::open(folder_.write("m.jsonl", manifest_)), small_plan(),
                                               config, Use{7, false}, skips);
    std::vector<Skipped> all;
    for (const Batch& batch : read_all(set, {})) all.insert(all.end(), batch.skipped.begin(), batch.skipped.end());
    return all;
  }
  test::TemporaryFolder folder_;
  std::string manifest_;
};

TEST_F(HardBudget, AClipThatTheManifestMakesShortIsSkipped) {
  DataConfig config = small_config();
  config.batch = {.seconds = 2};
  const auto all = skipped(config);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].key, "b");
  EXPECT_EQ(all[0].reason,
            "it has 2.00 s, not what the manifest says, and 4 rows of its micro-batch make that more than "
            "data.batch.seconds = 2");
  config.batch = {.seconds = 8};
  EXPECT_TRUE(skipped(config).empty());
  config.on_error = OnError::kFail;
  config.batch = {.seconds = 1};
  EXPECT_EQ(test::message_of([&] { skipped(config); }),
            (folder_.path() / "m.jsonl").string() +
                ":2: sample 'b': it has 2.00 s, not what the manifest says, and 2 rows of its micro-batch make that "
                "more than data.batch.seconds = 1. Mend or remove it, or set data.on_error to skip");
}

// Clips of unknown length, such as on a share that is not mounted yet when the data are opened.
TEST_F(HardBudget, ClipsThatOnlyComeAfterTheStartAreRead) {
  const auto row = [](const std::string& name) {
    return fmt::format(R"({{"key": "{}", "wav": "{}.wav", "label": "x", "task": "ASR"}})", name, name) + "\n";
  };
  DataConfig config = small_config();
  config.batch = {.seconds = 2};
  const auto set =
      std::make_shared<DataSet>(Manifest::open(folder_.write("m.jsonl", row("late") + row("later"))), small_plan(),
                                config, Use{7, false}, std::make_shared<SkipList>(1, nullptr));
  write_wav(folder_, "late.wav", tone(0.5, 300));
  write_wav(folder_, "later.wav", tone(1.5, 300));
  Loader loader(set, {});
  const auto batch = loader.next();
  ASSERT_TRUE(batch && !loader.next());
  EXPECT_EQ(batch->keys, std::vector<std::string>{"late"});
  EXPECT_NEAR(batch->audio_seconds, 0.5, 1e-3);
  EXPECT_EQ(loader.counts().misdeclared, 0);
  ASSERT_EQ(batch->skipped.size(), 1u);
  EXPECT_EQ(batch->skipped[0].reason,
            "it has 1.50 s, not what the manifest says, and 2 rows of its micro-batch make that more than "
            "data.batch.seconds = 2");
}

// Each row has 12 audio tokens and a token a byte; b, which is longer than its manifest says, has 50.
TEST_F(HardBudget, ASequenceAboveTheTokensIsSkipped) {
  DataConfig config = small_config();
  config.batch = {.tokens = 70};
  const auto reasons = [&] {
    std::map<std::string, std::string> by_key;
    for (const auto& skip : skipped(config)) by_key[skip.key] = skip.reason;
    return by_key;
  };
  EXPECT_EQ(reasons(), (std::map<std::string, std::string>{
                           {"b",
                            "it has 57 tokens, and 2 rows of its micro-batch make that more than "
                            "data.batch.tokens = 70"},
                           {"c", "it has 72 tokens, and that is more than data.batch.tokens = 70"}}));
  config.batch = {.tokens = 216};  // three rows of 72
  EXPECT_TRUE(reasons().empty());
}

}  // namespace
}  // namespace usam::data
