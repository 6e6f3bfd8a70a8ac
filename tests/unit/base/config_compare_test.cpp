// Printing a whole config, reading it back, and telling two apart.
#include <cmath>

#include "tests/unit/base/sample_config.h"

namespace usam::test {
namespace {

SampleConfig awkward() {
  SampleConfig config;
  config.seed = -3;
  config.name = "a: \"b\"\n\t# c \\ ${x}\x01 \xc3\xa9";
  config.pad = Pad::kThirtySeconds;
  config.run.dir.value = "/runs/a b";
  config.data.train = {{{"/data/a.jsonl"}, 0.1}, {{"/data/b.jsonl"}, 1e300}};
  config.data.test = {{"/data/t.jsonl"}, {"/data/null"}};
  config.data.shuffle = false;
  config.optimizer = {5e-5, 1000000, std::nullopt};
  config.prompts = {{"ASR", "yes"}, {"null", "null"}, {"<<", "5e-5"}, {"a.b", ""}, {"5", "~"}};
  config.second = OptimizerConfig{1.0 / 3, 0, INFINITY};
  return config;
}

TEST(ConfigPrint, IsYamlThatReadsBack) {
  Loader loader;
  auto config = awkward();
  std::string printed = print_config(config);
  EXPECT_EQ(printed,
            "seed: -3\n"
            "name: \"a: \\\"b\\\"\\n\\t# c \\\\ ${x}\\x01 \xc3\xa9\"\n"
            "pad: \"30s\"\n"
            "run:\n"
            "  dir: \"/runs/a b\"\n"
            "data:\n"
            "  train:\n"
            "    - path: /data/a.jsonl\n"
            "      weight: 0.1\n"
            "    - path: /data/b.jsonl\n"
            "      weight: 1.0e+300\n"
            "  test: [/data/t.jsonl, /data/null]\n"
            "  shuffle: false\n"
            "optimizer:\n"
            "  lr: 5.0e-05\n"
            "  warmup: 1000000\n"
            "  clip: null\n"
            "prompts:\n"
            "  \"5\": \"~\"\n"
            "  \"<<\": \"5e-5\"\n"
            "  ASR: \"yes\"\n"
            "  a.b: \"\"\n"
            "  \"null\": \"null\"\n"
            "second:\n"
            "  lr: 0.3333333333333333\n"
            "  warmup: 0\n"
            "  clip: .inf\n");
  config.seed = 3;  // the field may not be negative in a file
  printed = print_config(config);
  LoadOptions offline;
  offline.offline = true;
  auto again = loader.load(printed, offline);
  EXPECT_EQ(print_config(again), printed);
  EXPECT_TRUE(compare_configs(config, again).empty());
  EXPECT_EQ(again.name, config.name);
  EXPECT_EQ(again.prompts, config.prompts);
  EXPECT_EQ(again.second->lr, 1.0 / 3);
  EXPECT_EQ(again.data.train[0].weight, 0.1);
}

TEST(ConfigPrint, DefaultsReadBackEqualFromAnotherFolder) {
  Loader loader;
  auto config = loader.load("");
  auto again = loader.load(print_config(config));
  EXPECT_TRUE(compare_configs(config, again).empty());
}

TEST(ConfigCompare, ListsLeavesAndWhetherTheyMayDiffer) {
  auto before = awkward();
  auto after = before;
  after.seed = 4;
  after.optimizer.lr = 1e-4;
  after.optimizer.clip = 2;
  after.data.train[1].weight = 2;
  after.data.test = {};
  after.prompts.erase("a.b");
  after.prompts["new"] = "x";
  after.second.reset();
  auto differences = compare_configs(before, after);
  std::string text;
  for (const auto& d : differences)
    text += d.key + ": " + d.before + " -> " + d.after + (d.resumable ? " (fine)\n" : "\n");
  EXPECT_EQ(text,
            "seed: -3 -> 4\n"
            "data.train.1.weight: 1.0e+300 -> 2.0 (fine)\n"
            "data.test: [/data/t.jsonl, /data/null] -> []\n"
            "optimizer.lr: 5.0e-05 -> 0.0001 (fine)\n"
            "optimizer.clip: null -> 2.0\n"
            "prompts.a.b: \"\" -> (absent)\n"
            "prompts.new: (absent) -> x\n"
            "second: {lr: 0.3333333333333333, warmup: 0, clip: .inf} -> null\n");
}

TEST(ConfigCompare, AddedListItems) {
  SampleConfig before, after;
  before.data.train = {{{"/a"}, 1}};
  after.data.train = {{{"/a"}, 1}, {{"/b"}, 1}};
  auto differences = compare_configs(before, after);
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key, "data.train.1.path");
  EXPECT_EQ(differences[0].before, "(absent)");
  EXPECT_EQ(differences[0].after, "/b");
  EXPECT_FALSE(differences[0].resumable);
  EXPECT_TRUE(differences[1].resumable);
}

TEST(ConfigHelp, NamesTypeDefaultAndMeaning) {
  SampleConfig config;
  EXPECT_EQ(help_text(config),
            "seed (integer, default 0): seed of everything random\n"
            "name (text, default none): what the run is called\n"
            "pad (clip | 30s, default clip): what a clip is padded to\n"
            "run (map): the run\n"
            "run.dir (path, default runs/new): where the run is written\n"
            "data (map): the data\n"
            "data.train (list of map, default []): manifests to train on\n"
            "data.train.N.path (path, required): manifest\n"
            "data.train.N.weight (number, default 1.0, may change on resume): how often its rows are drawn\n"
            "data.test (list of path, default []): manifests to evaluate\n"
            "data.shuffle (true or false, default true): draw rows in random order\n"
            "optimizer (map): the optimizer\n"
            "optimizer.lr (number, default 0.001, may change on resume): learning rate\n"
            "optimizer.warmup (integer, default 0): steps of warm-up\n"
            "optimizer.clip (number or null, default 1.0): largest gradient norm\n"
            "prompts (map of text, default {}): text per task\n"
            "second (map or null, default null): another optimizer\n"
            "second.lr (number, default 0.001, may change on resume): learning rate\n"
            "second.warmup (integer, default 0): steps of warm-up\n"
            "second.clip (number or null, default 1.0): largest gradient norm\n");
}

struct Lists {
  std::vector<double> betas = {0.9, 0.999};
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  std::vector<TrainFile> files = {{{"/a"}, 1}};
};
void describe(Fields& f, Lists& c) {
  f("betas", c.betas, "two numbers");
  f("targets", c.targets, "layers").resumable();
  f("files", c.files, "manifests");
}

// What stands in a list of maps has lines of its own.
TEST(ConfigHelp, ShowsListsOfValuesWhole) {
  Lists config;
  EXPECT_EQ(help_text(config),
            "betas (list of number, default [0.9, 0.999]): two numbers\n"
            "targets (list of text, default [q_proj, v_proj], may change on resume): layers\n"
            "files (list of map): manifests\n"
            "files.N.path (path, required): manifest\n"
            "files.N.weight (number, default 1.0, may change on resume): how often its rows are drawn\n");
}

}  // namespace
}  // namespace usam::test
