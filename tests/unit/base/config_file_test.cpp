// What YAML parsers leave open (duplicate keys, merges, aliases), and `base:`.
#include "tests/unit/base/sample_config.h"

namespace usam::test {
namespace {

TEST(ConfigFile, DuplicateKeysAreRefused) {
  Loader loader;
  EXPECT_EQ(loader.error("seed: 1\nname: x\nseed: 2\noptimizer: {lr: 0.5, warmup: 1, lr: 1}\n"),
            "DIR/c.yaml:3:1: the key 'seed' is written twice in one map, first in line 1\n"
            "DIR/c.yaml:4:33: the key 'lr' is written twice in one map, first in line 4");
  EXPECT_EQ(loader.error("prompts: {k: a, \"k\": b}\n"),
            "DIR/c.yaml:1:17: the key 'k' is written twice in one map, first in line 1");
}

TEST(ConfigFile, MergesAreResolved) {
  Loader loader;
  auto config = loader.load(
      "optimizer: &o\n  lr: 0.5\n  warmup: 3\n"
      "second:\n  <<: *o\n  warmup: 4\n");
  EXPECT_EQ(config.second->lr, 0.5);
  EXPECT_EQ(config.second->warmup, 4);
  EXPECT_EQ(config.optimizer.warmup, 3);
  config = loader.load("optimizer: &o {lr: 0.5}\nsecond: {<<: [*o, {lr: 0.25, warmup: 9}]}\n");
  EXPECT_EQ(config.second->lr, 0.5);  // earlier maps win
  EXPECT_EQ(config.second->warmup, 9);
  EXPECT_EQ(loader.error("second: {<<: 3}"), "DIR/c.yaml:1:14: '<<' merges maps, got '3'");
  EXPECT_EQ(loader.load("prompts: {\"<<\": text}").prompts.at("<<"), "text");
}

TEST(ConfigFile, AliasesCannotRunAway) {
  Loader loader;
  EXPECT_EQ(loader.error("prompts: &a {x: *a}"), "DIR/c.yaml:1:17: an alias may not stand inside what it refers to");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    std::string below = "*a" + std::to_string(i - 1), name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [";
    for (int j = 0; j < 9; ++j) bomb += below + ", ";
    bomb += below + "]\n";
  }
  EXPECT_EQ(loader.error(bomb).substr(0, 51), "DIR/c.yaml:5:45: aliases make more than 100000 valu");
  EXPECT_EQ(loader.error("seed: " + std::string(200, '[') + std::string(200, ']')),
            "DIR/c.yaml:1:106: values are nested deeper than 100 levels");
}

TEST(ConfigFile, KeysMustBeTexts) {
  Loader loader;
  EXPECT_EQ(loader.error("prompts: {null: x}"), "DIR/c.yaml:1:11: a key must be a text, got null");
  EXPECT_EQ(loader.error("prompts: {[a]: x}"), "DIR/c.yaml:1:11: a key must be a text, got a list");
}

TEST(ConfigFile, BaseMapsMergeAndListsAreReplaced) {
  Loader loader;
  std::filesystem::create_directory(loader.folder.path() / "sub");
  for (auto name : {"a.jsonl", "sub/a.jsonl", "sub/b.jsonl"}) loader.folder.write(name, "");
  loader.folder.write("sub/base.yaml",
                      "seed: 3\noptimizer: {lr: 0.5, warmup: 7}\n"
                      "data: {train: a.jsonl, test: [a.jsonl, b.jsonl]}\nprompts: {A: one, B: two}\n");
  auto config =
      loader.load("base: sub/base.yaml\noptimizer: {lr: 0.25}\ndata: {test: [a.jsonl]}\nprompts: {B: three}\n");
  EXPECT_EQ(config.seed, 3);
  EXPECT_EQ(config.optimizer.lr, 0.25);
  EXPECT_EQ(config.optimizer.warmup, 7);
  ASSERT_EQ(config.data.test.size(), 1u);
  EXPECT_EQ(config.data.test[0].value, loader.path("a.jsonl"));               // against this file's folder
  EXPECT_EQ(config.data.train.at(0).path.value, loader.path("sub/a.jsonl"));  // against the base's folder
  EXPECT_EQ(config.prompts, (std::map<std::string, std::string>{{"A", "one"}, {"B", "three"}}));
}

TEST(ConfigFile, ErrorsInABaseNameTheBase) {
  Loader loader;
  loader.folder.write("base.yaml", "name: x\nsede: 3\noptimizer: {lr: 3}\n");
  EXPECT_EQ(loader.error("base: base.yaml\nnmae: y\n"),
            "DIR/c.yaml:2:1: unknown key 'nmae' (did you mean 'name'?)\n"
            "DIR/base.yaml:2:1: unknown key 'sede' (did you mean 'seed'?)\n"
            "DIR/base.yaml:3:17: 'optimizer.lr' must be at most 1, got '3'");
}

TEST(ConfigFile, AnUnsetVariableInABaseMattersOnlyWhereItIsUsed) {
  Loader loader;
  ::unsetenv("USAM_TEST_UNSET");
  loader.folder.write("base.yaml", "name: ${env:USAM_TEST_UNSET}\n");
  EXPECT_EQ(loader.load("base: base.yaml\nname: mine\n").name, "mine");
}

TEST(ConfigFile, BaseGoesOneLevelDeep) {
  Loader loader;
  loader.folder.write("base.yaml", "base: deeper.yaml\n");
  loader.folder.write("deeper.yaml", "seed: 3\n");
  EXPECT_EQ(loader.error("base: base.yaml\n"),
            "DIR/base.yaml:1:7: a base file may not have a 'base' of its own; 'DIR/c.yaml' names this one");
  EXPECT_EQ(loader.error("base: gone.yaml\n"), "DIR/c.yaml:1:7: the base file 'DIR/gone.yaml' does not exist");
  EXPECT_EQ(loader.error("base: [base.yaml]\n"),
            "DIR/c.yaml:1:7: 'base' must be the path of a config file, got a list");
}

}  // namespace
}  // namespace usam::test
