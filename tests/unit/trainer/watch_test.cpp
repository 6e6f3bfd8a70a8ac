// What a run tells of itself: the file of each rank, and parameters that nothing reaches.
#include "src/base/fs.h"
#include "src/base/json.h"
#include "tests/support.h"
#include "tests/thread_ranks.h"
#include "trainer/rank_file.h"
#include "trainer/reach.h"

namespace usam {
namespace {

TEST(RankFile, SaysWhatTheRankIsAt) {
  const test::TemporaryFolder folder;
  const auto ranks = dist::single_rank();
  const std::string path = folder.path() / "ranks/rank-0.json";
  ranks->monitor().at({7, "forward", {"a", "b"}});
  ranks->monitor().comes();
  {
    const RankFile file(folder.path(), *ranks, torch::kCPU);
  }
  const Json json = Json::parse(read_file(path));
  EXPECT_EQ(json.at("rank"), 0);
  EXPECT_EQ(json.at("world"), 1);
  EXPECT_EQ(json.at("pid"), getpid());
  EXPECT_EQ(json.at("step"), 7);
  EXPECT_EQ(json.at("phase"), "forward");
  EXPECT_EQ(json.at("keys"), Json({"a", "b"}));
  EXPECT_EQ(json.at("operations"), 1);
  EXPECT_GE(json.at("seconds").get<double>(), 0);
  EXPECT_GT(json.at("memory").at("host").get<int64_t>(), 10'000'000);
  EXPECT_EQ(json.at("memory").at("device"), 0);
  EXPECT_EQ(json.at("time").get<std::string>().size(), 20U);
  EXPECT_FALSE(json.at("host").get<std::string>().empty());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "ranks/.rank-0.json"));
}

TEST(RankFile, IsRewrittenWhileTheMainThreadStands) {
  const test::TemporaryFolder folder;
  const auto ranks = dist::single_rank();
  const RankFile file(folder.path(), *ranks, torch::kCPU, std::chrono::milliseconds(10));
  ranks->monitor().at({7, "data", {"slow"}});
  const std::string path = folder.path() / "ranks/rank-0.json";
  for (int i = 0; i < 500; ++i) {
    if (std::filesystem::exists(path) && Json::parse(read_file(path)).at("phase") == "data") return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL() << path << " did not change";
}

TEST(Reach, NamesWhatNoLossOfAnyRankReaches) {
  test::on_threads(2, [](dist::Communicator& ranks) {
    const auto parameter = [] { return torch::ones({2}).requires_grad_(); };
    const torch::Tensor always = parameter(), first = parameter(), second = parameter(), never = parameter();
    const std::vector<std::pair<std::string, torch::Tensor>> parameters = {
        {"always", always}, {"first", first}, {"second", second}, {"never", never}};
    Reach reach(parameters);
    // Rank 0 uses `first` in its first micro-batch, rank 1 `second` in its second.
    reach.see((always * (ranks.rank() == 0 ? first : torch::ones({2}))).sum());
    reach.see((always.exp() + (ranks.rank() == 1 ? second : torch::ones({2}))).sum());
    reach.see(torch::zeros({}));  // a batch without samples
    EXPECT_EQ(reach.unreached(ranks), std::vector<std::string>{"never"});
  });
}

TEST(Reach, Message) {
  EXPECT_EQ(unreached_message({}), "");
  EXPECT_EQ(unreached_message({"llm.head"}),
            "No micro-batch of the first step reaches llm.head; freeze it with recipe.freeze if that is meant.");
  EXPECT_EQ(unreached_message(std::vector<std::string>(10, "a")),
            "No micro-batch of the first step reaches a, a, a, a, a, a, a, a and 2 more; freeze them with "
            "recipe.freeze if that is meant.");
}

}  // namespace
}  // namespace usam
