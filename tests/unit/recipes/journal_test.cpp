// Answers that outlive the evaluation that they are of.
#include "recipes/journal.h"

#include <cmath>

#include "src/base/fs.h"
#include "tests/support.h"
#include "tests/thread_ranks.h"

namespace usam::recipes {
namespace {

class JournalTest : public testing::Test {
 protected:
  JournalConfig config(const std::string& checkpoint = "one", bool is_fresh = false) const {
    return {folder(), {{"the checkpoint", checkpoint}}, is_fresh};
  }
  std::string folder() const { return (folder_.path() / "partial").string(); }
  std::vector<int64_t> rows(const Journal& journal) const {
    std::vector<int64_t> all;
    for (const auto& answer : journal.answers()) all.push_back(answer.row);
    return all;
  }
  // The rows that `world` ranks find, each the same; then rank r keeps those of `kept` that are r modulo world.
  std::vector<int64_t> found_by(int64_t world, const std::vector<int64_t>& kept, const JournalConfig& asked) const {
    std::vector<std::vector<int64_t>> found(static_cast<size_t>(world));
    test::on_threads(world, [&](dist::Communicator& ranks) {
      Journal journal(asked, ranks);
      found[static_cast<size_t>(ranks.rank())] = rows(journal);
      for (const int64_t row : kept)
        if (row % ranks.world() == ranks.rank()) journal.add({row, "text", {}, {}});
    });
    for (const auto& one : found) EXPECT_EQ(one, found[0]);
    return found[0];
  }
  test::TemporaryFolder folder_;
};

TEST_F(JournalTest, KeepsEveryBit) {
  const auto ranks = dist::single_rank();
  const std::vector<Answer> answers = {{3, "a \"b\"\n\xC3\xA9", {0.1, -1e300, 1.0 / 3}, {{"kept", {0.1F, 1}}}},
                                       {1, std::nullopt, {std::nan("")}, {}}};
  {
    Journal journal(config(), *ranks);
    for (const auto& answer : answers) journal.add(answer);
  }
  const Journal journal(config(), *ranks);
  ASSERT_EQ(rows(journal), (std::vector<int64_t>{1, 3}));
  EXPECT_FALSE(journal.answers()[0].text);
  EXPECT_TRUE(std::isnan(journal.answers()[0].scores.at(0)));
  EXPECT_EQ(journal.answers()[1].text, answers[0].text);
  EXPECT_EQ(journal.answers()[1].scores, answers[0].scores);
  EXPECT_EQ(journal.answers()[1].explained, answers[0].explained);
}

TEST_F(JournalTest, AnyNumberOfRanksGoesOn) {
  EXPECT_EQ(found_by(3, {0, 1, 2, 5}, config()), std::vector<int64_t>());
  EXPECT_EQ(found_by(2, {3, 4}, config()), (std::vector<int64_t>{0, 1, 2, 5}));
  EXPECT_EQ(found_by(4, {}, config()), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(found_by(1, {}, config()), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(JournalTest, OfSomethingElseIsThrownAway) {
  found_by(3, {0, 1, 2}, config());
  EXPECT_EQ(found_by(2, {0}, config("two")), std::vector<int64_t>());
  EXPECT_EQ(found_by(1, {}, config("two")), (std::vector<int64_t>{0}));
  EXPECT_EQ(found_by(1, {}, config("two", true)), std::vector<int64_t>());
  EXPECT_EQ(found_by(1, {}, config("two")), std::vector<int64_t>());
}

// Whatever part of the file reached the disk, the answers that are whole are found and the next ones are kept.
TEST_F(JournalTest, IsReadUpToTheLastWholeLine) {
  found_by(1, {0, 1}, config());
  const std::string file = folder() + "/rank-0.jsonl", whole = read_file(file);
  const size_t second = whole.find('\n') + 1, third = whole.find('\n', second) + 1;
  for (size_t size = 0; size <= whole.size(); ++size) {
    write_file_atomically(file, whole.substr(0, size));
    const std::vector<int64_t> expected = size >= whole.size() ? std::vector<int64_t>{0, 1}
                                          : size >= third      ? std::vector<int64_t>{0}
                                                               : std::vector<int64_t>();
    ASSERT_EQ(found_by(1, {7}, config()), expected) << size;
    auto more = expected;
    more.push_back(7);
    ASSERT_EQ(found_by(1, {}, config()), more) << size;
  }
  write_file_atomically(file, whole + std::string(40, '\0') + "\n{\"row\":9}\n");  // a power cut
  EXPECT_EQ(found_by(1, {}, config()), (std::vector<int64_t>{0, 1}));
}

TEST_F(JournalTest, IsRemovedWhenTheFilesAreWritten) {
  const auto ranks = dist::single_rank();
  Journal journal(config(), *ranks);
  journal.add({0, "text", {}, {}});
  journal.remove();
  EXPECT_FALSE(std::filesystem::exists(folder()));
}

TEST_F(JournalTest, NeedsAFolder) {
  folder_.write("partial", "a file");
  const auto ranks = dist::single_rank();
  EXPECT_EQ(test::message_of([&] { Journal(config(), *ranks); }), folder() + "/rank-0.jsonl cannot be written to");
}

}  // namespace
}  // namespace usam::recipes
