// What is reported, and that all of it is.
#include "tests/unit/base/sample_config.h"

namespace usam::test {
namespace {

struct Inner {
  int64_t heads = 2;
  int64_t width = 8;
  Path weights;
};
void describe(Fields& f, Inner& c) {
  f("heads", c.heads, "attention heads").required().at_least(1).less_than(100);
  f("width", c.width, "channels").check([&c] { return c.width % 2 ? "'width' must be even" : ""; });
  f.rule([&c] { return c.width % c.heads ? "'width' must be a multiple of 'heads'" : ""; });
}
struct Outer {
  Inner inner;
  std::optional<Inner> maybe;
  std::vector<double> shares;
  std::map<std::string, double> weights;
};
void describe(Fields& f, Outer& c) {
  f("inner", c.inner, "a struct");
  f("maybe", c.maybe, "a struct or null");
  f("shares", c.shares, "numbers").at_most(1);
  f("weights", c.weights, "numbers by name").at_least(0);
}

TEST(ConfigError, AllAtOnceInTheOrderOfTheFile) {
  Loader loader;
  EXPECT_EQ(loader.error("seed: 1.5\n"
                         "optimizer:\n"
                         "  lr: fast\n"
                         "  warmpu: 3\n"
                         "  warmup: -1\n"
                         "optimiser: {}\n"
                         "pad: 31s\n"
                         "zebra: 1\n"),
            "DIR/c.yaml:1:7: 'seed' must be an integer, got '1.5'\n"
            "DIR/c.yaml:3:7: 'optimizer.lr' must be a number, got 'fast'\n"
            "DIR/c.yaml:4:3: unknown key 'warmpu' in 'optimizer' (did you mean 'warmup'?)\n"
            "DIR/c.yaml:5:11: 'optimizer.warmup' must be at least 0, got '-1'\n"
            "DIR/c.yaml:6:1: unknown key 'optimiser' (did you mean 'optimizer'?)\n"
            "DIR/c.yaml:7:6: 'pad' must be one of clip or 30s, got '31s' (did you mean '30s'?)\n"
            "DIR/c.yaml:8:1: unknown key 'zebra' (known: seed, name, pad, run, data, optimizer, prompts and second)");
}

TEST(ConfigError, MissingRequiredKeys) {
  Loader loader;
  EXPECT_EQ(loader.error<Outer>("inner:\n  width: 8\n"),
            "DIR/c.yaml:2:3: missing required key 'inner.heads' (attention heads)");
  EXPECT_EQ(loader.error<Outer>("shares: []\n"),
            "DIR/c.yaml:1:1: missing required key 'inner.heads' (attention heads)");
  EXPECT_EQ(loader.error<Outer>(""), "DIR/c.yaml:1:1: missing required key 'inner.heads' (attention heads)");
  EXPECT_EQ(loader.error<Outer>("inner: {heads: null}\n"), "DIR/c.yaml:1:16: 'inner.heads' may not be null");
  EXPECT_EQ(loader.error<Outer>("inner: {heads: 1}\nmaybe: {}\n"),
            "DIR/c.yaml:2:8: missing required key 'maybe.heads' (attention heads)");
}

TEST(ConfigError, BoundsReachIntoListsAndMaps) {
  Loader loader;
  EXPECT_EQ(loader.error<Outer>("inner: {heads: 0}\nshares: [1, 2, 0.5]\nweights: {a: 0, b: -0.5}\n"),
            "DIR/c.yaml:1:16: 'inner.heads' must be at least 1, got '0'\n"
            "DIR/c.yaml:2:13: 'shares.1' must be at most 1, got '2'\n"
            "DIR/c.yaml:3:20: 'weights.b' must be at least 0, got '-0.5'");
  EXPECT_EQ(loader.error<Outer>("inner: {heads: 0x64}\n"),
            "DIR/c.yaml:1:16: 'inner.heads' must be less than 100, got '0x64'");
  EXPECT_EQ(loader.error("optimizer: {lr: 0}"), "DIR/c.yaml:1:17: 'optimizer.lr' must be more than 0, got '0'");
}

TEST(ConfigError, ChecksAndRules) {
  Loader loader;
  EXPECT_EQ(loader.error<Outer>("inner: {heads: 4, width: 7}\n"), "DIR/c.yaml:1:26: 'width' must be even");
  EXPECT_EQ(loader.error<Outer>("inner: {heads: 4, width: 6}\n"),
            "DIR/c.yaml:1:8: 'width' must be a multiple of 'heads'");
  EXPECT_EQ(loader.error<Outer>("inner: {heads: x, width: 6}\n"),
            "DIR/c.yaml:1:16: 'inner.heads' must be an integer, got 'x'");  // no rule on values that were not read
}

TEST(ConfigError, FilesThatCannotBeRead) {
  Loader loader;
  SampleConfig config;
  EXPECT_EQ(loader.shown(message_of([&] { load_config(loader.path("no.yaml"), {}, config); })),
            "The config file 'DIR/no.yaml' does not exist.");
  EXPECT_EQ(loader.shown(message_of([&] { load_config(loader.folder.path().string(), {}, config); })),
            "Cannot read 'DIR': Is a directory.");
  EXPECT_EQ(loader.error("a: [1, 2\nb: 3\n"), "DIR/c.yaml:2:2: this is not valid YAML: end of sequence flow not found");
  EXPECT_EQ(loader.error("- 1\n"), "DIR/c.yaml:1:1: the config must be a map, got a list");
  EXPECT_EQ(loader.error("seed: 1\n---\nseed: 2\n"), "DIR/c.yaml:3:1: a config is one YAML document, not several");
}

TEST(ConfigError, AMistakeIsAUserError) {
  Loader loader;
  EXPECT_THROW(loader.load("sede: 1"), UserError);
}

TEST(ConfigError, AFieldDescribedTwiceIsAnInternalError) {
  Fields fields;
  int64_t value = 0;
  fields("n", value, "once");
  EXPECT_THROW(fields("n", value, "twice"), std::logic_error);
}

}  // namespace
}  // namespace usam::test
