// `key.sub=value` on the command line.
#include "tests/unit/base/sample_config.h"

namespace usam::test {
namespace {

const char* kFile = "seed: 1\ndata: {train: [{path: a.jsonl}, {path: b.jsonl}]}\noptimizer: {lr: 0.5, warmup: 3}\n";

class Override : public testing::Test {
 protected:
  Override() {
    loader_.folder.write("a.jsonl", "");
    loader_.folder.write("b.jsonl", "");
  }
  SampleConfig load(std::vector<std::string> overrides) { return loader_.load(kFile, {std::move(overrides), false}); }
  std::string error(std::vector<std::string> overrides) { return loader_.error(kFile, {std::move(overrides), false}); }
  Loader loader_;
};

TEST_F(Override, SetsValuesOfEveryKind) {
  auto config =
      load({"seed=20", "+name=x", "++optimizer.lr=5e-5", "optimizer.clip=null", "pad=30s", "second.warmup=4"});
  EXPECT_EQ(config.seed, 20);
  EXPECT_EQ(config.name, "x");
  EXPECT_EQ(config.optimizer.lr, 5e-5);
  EXPECT_EQ(config.optimizer.warmup, 3);
  EXPECT_EQ(config.optimizer.clip, std::nullopt);
  EXPECT_EQ(config.pad, Pad::kThirtySeconds);
  EXPECT_EQ(config.second->warmup, 4);
  EXPECT_EQ(load({"optimizer.lr=!!float 5e-5"}).optimizer.lr, 5e-5);
  EXPECT_EQ(load({"optimizer={lr: 0.25}"}).optimizer.warmup, 3);  // maps merge
}

TEST_F(Override, TextsStandAsTheyAre) {
  EXPECT_EQ(load({"name=Say: <audio>, # please"}).name, "Say: <audio>, # please");
  EXPECT_EQ(load({"name=\"a\\nb\""}).name, "a\nb");
  EXPECT_EQ(load({"name='null'"}).name, "null");
  EXPECT_EQ(load({"name=a=b"}).name, "a=b");
  EXPECT_EQ(load({"name=''"}).name, "");
}

TEST_F(Override, LaterOnesWin) {
  EXPECT_EQ(load({"seed=2", "seed=3"}).seed, 3);
  EXPECT_EQ(load({"optimizer.lr=0.25", "optimizer.warmup=1", "optimizer.lr=0.125"}).optimizer.lr, 0.125);
}

TEST_F(Override, ListsAndIndices) {
  std::string a = loader_.path("a.jsonl");
  auto config = load({"data.train.1.weight=4", "data.test=[" + a + ", '" + a + "']"});
  ASSERT_EQ(config.data.train.size(), 2u);
  EXPECT_EQ(config.data.train[0].weight, 1);
  EXPECT_EQ(config.data.train[1].weight, 4);
  EXPECT_EQ(config.data.test.size(), 2u);
  EXPECT_EQ(load({"data.train.0=" + a}).data.train.at(0).path.value, a);
  EXPECT_EQ(load({"data.train=" + a}).data.train.size(), 1u);
  EXPECT_EQ(load({"data.train={path: " + a + ", weight: 3}"}).data.train.at(0).weight, 3);
  EXPECT_EQ(load({"data.train=[" + a + "]", "data.train.0=" + a}).data.train.size(), 1u);
  EXPECT_EQ(error({"data.train.2.weight=4"}),
            "override 'data.train.2.weight=4': 'data.train' is a list of 2 items; there is no item '2'");
  EXPECT_EQ(error({"data.train.path=a"}),
            "override 'data.train.path=a': 'data.train' is a list of 2 items; there is no item 'path'");
}

TEST_F(Override, PathsResolveAgainstTheWorkingDirectory) {
  std::string cwd = std::filesystem::current_path().string();
  EXPECT_EQ(load({"data.test=CMakeLists.txt"}).data.test.at(0).value, cwd + "/CMakeLists.txt");
  EXPECT_EQ(load({"run.dir=runs/y"}).run.dir.value, cwd + "/runs/y");
}

TEST_F(Override, EnvironmentVariablesAreExpanded) {
  ::setenv("USAM_TEST_NUMBER", "12", 1);
  EXPECT_EQ(load({"seed=${env:USAM_TEST_NUMBER}"}).seed, 12);
}

TEST_F(Override, MistakesCiteTheOverride) {
  EXPECT_EQ(error({"sede=2", "optimizer.lr=fast", "optimizer.wramup=1", "optimizer.warmup=-1"}),
            "override 'sede=2': unknown key 'sede' (did you mean 'seed'?)\n"
            "override 'optimizer.lr=fast': 'optimizer.lr' must be a number, got 'fast'\n"
            "override 'optimizer.wramup=1': unknown key 'wramup' in 'optimizer' (did you mean 'warmup'?)\n"
            "override 'optimizer.warmup=-1': 'optimizer.warmup' must be at least 0, got '-1'");
  EXPECT_EQ(error({"--seed"}), "override '--seed': an override is written as key.sub=value");
  EXPECT_EQ(error({"=3"}), "override '=3': an override is written as key.sub=value");
  EXPECT_EQ(error({"optimizer..lr=3"}), "override 'optimizer..lr=3': an override is written as key.sub=value");
  EXPECT_EQ(error({"base=x.yaml"}), "override 'base=x.yaml': 'base' can only be written in the config file");
  EXPECT_EQ(error({"data.test=[a"}),
            "override 'data.test=[a': this is not valid YAML: end of sequence flow not found (quote a text that starts "
            "like this)");
  EXPECT_EQ(
      error({"name=[x] y"}),
      "override 'name=[x] y': this is not valid YAML: more follows the value (quote a text that starts like this)");
  EXPECT_EQ(error({"data.test=gone.jsonl"}),
            "override 'data.test=gone.jsonl': 'data.test': 'CWD/gone.jsonl' does not exist");
  EXPECT_EQ(error({"seed="}), "override 'seed=': 'seed' must be an integer, got null");
}

}  // namespace
}  // namespace usam::test
