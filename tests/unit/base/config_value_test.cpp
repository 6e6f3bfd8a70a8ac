// How YAML values become fields.
#include <cmath>
#include <cstdlib>
#include <limits>

#include "tests/unit/base/sample_config.h"

namespace usam::test {
namespace {

struct Numbers {
  double x = 7;
  int64_t n = 7;
  bool flag = false;
  std::string text = "as it was";
};
void describe(Fields& f, Numbers& c) {
  f("x", c.x, "a number");
  f("n", c.n, "an integer");
  f("flag", c.flag, "a switch");
  f("text", c.text, "a text");
}

struct WithFolder {
  Path folder{"a/"};
};
void describe(Fields& f, WithFolder& c) {
  f("folder", c.folder, "a folder");
}

TEST(ConfigValue, DoublesInEverySpelling) {
  Loader loader;
  auto x = [&](const std::string& text) { return loader.load<Numbers>("x: " + text).x; };
  EXPECT_EQ(x("5e-5"), 5e-5);
  EXPECT_EQ(x("!!float 5e-5"), 5e-5);
  EXPECT_EQ(x("!!float \"5e-5\""), 5e-5);
  EXPECT_EQ(x("5E+3"), 5000);
  EXPECT_EQ(x("+.5"), 0.5);
  EXPECT_EQ(x("-3."), -3);
  EXPECT_EQ(x("12"), 12);
  EXPECT_EQ(x(".inf"), INFINITY);
  EXPECT_EQ(x("-.Inf"), -INFINITY);
}

TEST(ConfigValue, DoublesThatAreRefused) {
  Loader loader;
  auto error = [&](const std::string& text) { return loader.error<Numbers>("x: " + text); };
  EXPECT_EQ(error("fast"), "DIR/c.yaml:1:4: 'x' must be a number, got 'fast'");
  EXPECT_EQ(error("1_000.5"), "DIR/c.yaml:1:4: 'x' must be a number, got '1_000.5' (write it without underscores)");
  EXPECT_EQ(error("\"5e-5\""), "DIR/c.yaml:1:4: 'x' must be a number, got the text '5e-5' (remove the quotes)");
  EXPECT_EQ(error(".nan"), "DIR/c.yaml:1:4: 'x' must be a number, got '.nan'");
  for (const std::string text : {".", "+", "e5", "1e", "1e+", "--1", "1.2.3", "1e5.", "_1", ".infx"})
    EXPECT_EQ(error(text), "DIR/c.yaml:1:4: 'x' must be a number, got '" + text + "'");
  EXPECT_EQ(error("1e999"), "DIR/c.yaml:1:4: 'x' must be a number that a double can hold, got '1e999'");
  EXPECT_EQ(error("true"), "DIR/c.yaml:1:4: 'x' must be a number, got 'true'");
  EXPECT_EQ(error("0x10"), "DIR/c.yaml:1:4: 'x' must be a number, got '0x10'");
  EXPECT_EQ(error("null"), "DIR/c.yaml:1:4: 'x' must be a number, got null");
  EXPECT_EQ(error("[1]"), "DIR/c.yaml:1:4: 'x' must be a number, got a list");
  EXPECT_EQ(error("{a: 1}"), "DIR/c.yaml:1:4: 'x' must be a number, got a map");
  EXPECT_EQ(error("!!str 5"), "DIR/c.yaml:1:4: 'x' must be a number, got !!str '5'");
  EXPECT_EQ(error("!mine 5"),
            "DIR/c.yaml:1:4: the tag '!mine' is not supported here (known: !!str, !!int, !!float, !!bool and !!null)");
}

TEST(ConfigValue, Integers) {
  Loader loader;
  auto n = [&](const std::string& text) { return loader.load<Numbers>("n: " + text).n; };
  EXPECT_EQ(n("0"), 0);
  EXPECT_EQ(n("-12"), -12);
  EXPECT_EQ(n("+12"), 12);
  EXPECT_EQ(n("0x1F"), 31);
  EXPECT_EQ(n("!!int 3"), 3);
  EXPECT_EQ(n("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  auto error = [&](const std::string& text) { return loader.error<Numbers>("n: " + text); };
  EXPECT_EQ(error("1.5"), "DIR/c.yaml:1:4: 'n' must be an integer, got '1.5'");
  EXPECT_EQ(error("1.0"), "DIR/c.yaml:1:4: 'n' must be an integer, got '1.0'");
  EXPECT_EQ(error("1e3"), "DIR/c.yaml:1:4: 'n' must be an integer, got '1e3'");
  EXPECT_EQ(error("1_000"), "DIR/c.yaml:1:4: 'n' must be an integer, got '1_000' (write it without underscores)");
  EXPECT_EQ(error("010"), "DIR/c.yaml:1:4: 'n' must be an integer, got '010' (write it without leading zeros)");
  EXPECT_EQ(error("!!float 3"), "DIR/c.yaml:1:4: 'n' must be an integer, got !!float '3'");
  EXPECT_EQ(error("9223372036854775808"),
            "DIR/c.yaml:1:4: 'n' must be an integer of 64 bits, got '9223372036854775808'");
}

TEST(ConfigValue, BooleansAreTrueOrFalseOnly) {
  Loader loader;
  EXPECT_TRUE(loader.load<Numbers>("flag: true").flag);
  EXPECT_TRUE(loader.load<Numbers>("flag: True").flag);
  EXPECT_FALSE(loader.load<Numbers>("flag: FALSE").flag);
  for (std::string word : {"yes", "on", "1", "tRue"}) {
    EXPECT_EQ(loader.error<Numbers>("flag: " + word),
              "DIR/c.yaml:1:7: 'flag' must be true or false, got '" + word + "'");
  }
  EXPECT_EQ(loader.error<Numbers>("flag: 'true'"),
            "DIR/c.yaml:1:7: 'flag' must be true or false, got the text 'true' (remove the quotes)");
}

TEST(ConfigValue, TextsTakeAnyScalarButNull) {
  Loader loader;
  auto text = [&](const std::string& yaml) { return loader.load<Numbers>("text: " + yaml).text; };
  EXPECT_EQ(text("yes"), "yes");
  EXPECT_EQ(text("5"), "5");
  EXPECT_EQ(text("!!str 5e-5"), "5e-5");
  EXPECT_EQ(text("\"null\""), "null");
  EXPECT_EQ(text("\"a\\n---\\nb: \""), "a\n---\nb: ");
  EXPECT_EQ(text("|\n  two\n  lines\n"), "two\nlines\n");
  EXPECT_EQ(text("''"), "");
  EXPECT_EQ(loader.error<Numbers>("n: 1\ntext:\nflag: true\n"),
            "DIR/c.yaml:2:1: 'text' must be a text, got null (for an empty text write \"\")");
}

TEST(ConfigValue, LongTextsAreScanned) {
  Loader loader;
  const std::string digits(1000000, '1'), begin = "DIR/c.yaml:1:4: ", end = digits.substr(0, 60) + "...'";
  const auto error = [&](const std::string& text) { return loader.error<Numbers>(text); };
  EXPECT_EQ(error("x: " + digits), begin + "'x' must be a number that a double can hold, got '" + end);
  EXPECT_EQ(error("x: " + digits + "_0"),
            begin + "'x' must be a number, got '" + end + " (write it without underscores)");
  EXPECT_EQ(error("n: " + digits), begin + "'n' must be an integer of 64 bits, got '" + end);
  EXPECT_EQ(error("n: 0" + digits),
            begin + "'n' must be an integer, got '0" + digits.substr(1, 59) + "...' (write it without leading zeros)");
  EXPECT_EQ(error("n: 0x" + digits),
            begin + "'n' must be an integer of 64 bits, got '0x" + digits.substr(2, 58) + "...'");
  const std::string letters(1000000, 'a');
  EXPECT_EQ(error("text: ${env:" + letters + "}"), "DIR/c.yaml:1:7: the environment variable " + letters +
                                                       " is not set, which '${env:" + letters + "}' needs");
  SampleConfig config;
  config.name = letters;
  EXPECT_NE(print_config(config).find("\nname: " + letters + "\n"), std::string::npos);
}

TEST(ConfigValue, ChoicesNameTheNearest) {
  Loader loader;
  EXPECT_EQ(loader.load("pad: 30s").pad, Pad::kThirtySeconds);
  EXPECT_EQ(loader.load("pad: \"30s\"").pad, Pad::kThirtySeconds);
  EXPECT_EQ(loader.error("pad: clp"),
            "DIR/c.yaml:1:6: 'pad' must be one of clip or 30s, got 'clp' (did you mean 'clip'?)");
  EXPECT_EQ(loader.error("pad: full"), "DIR/c.yaml:1:6: 'pad' must be one of clip or 30s, got 'full'");
  EXPECT_EQ(loader.error("pad: [clip]"), "DIR/c.yaml:1:6: 'pad' must be one of clip or 30s, got a list");
}

TEST(ConfigValue, Optionals) {
  Loader loader;
  EXPECT_EQ(loader.load("optimizer: {clip: null}").optimizer.clip, std::nullopt);
  EXPECT_EQ(loader.load("optimizer: {clip: 2}").optimizer.clip, 2);
  EXPECT_EQ(loader.load("optimizer: {lr: 0.5}").optimizer.clip, 1);
  EXPECT_FALSE(loader.load("seed: 1").second);
  EXPECT_EQ(loader.load("second: {lr: 0.5}").second->lr, 0.5);
  EXPECT_EQ(loader.error("optimizer: {clip: none}"), "DIR/c.yaml:1:19: 'optimizer.clip' must be a number, got 'none'");
}

TEST(ConfigValue, MapsAndListsReplaceStructsKeepDefaults) {
  Loader loader;
  SampleConfig config;
  config.prompts = {{"ASR", "old"}, {"MC", "old"}};
  config.optimizer.warmup = 5;
  load_config(loader.folder.write("c.yaml", "prompts: {ASR: new}\noptimizer: {lr: 0.5}\n"), {}, config);
  EXPECT_EQ(config.prompts, (std::map<std::string, std::string>{{"ASR", "new"}}));
  EXPECT_EQ(config.optimizer.warmup, 5);
}

TEST(ConfigValue, ListsMayBeWrittenAsOneValue) {
  Loader loader;
  loader.folder.write("a.jsonl", "");
  loader.folder.write("b.jsonl", "");
  auto one = loader.load("data: {train: a.jsonl, test: b.jsonl}").data;
  ASSERT_EQ(one.train.size(), 1u);
  EXPECT_EQ(one.train[0].path.value, loader.path("a.jsonl"));
  EXPECT_EQ(one.train[0].weight, 1);
  ASSERT_EQ(one.test.size(), 1u);
  EXPECT_EQ(one.test[0].value, loader.path("b.jsonl"));
  EXPECT_EQ(loader.load("data: {train: {path: a.jsonl, weight: 2}}").data.train.at(0).weight, 2);
  auto two = loader.load("data: {train: [{path: a.jsonl, weight: 3}, b.jsonl], test: [a.jsonl, b.jsonl]}").data;
  ASSERT_EQ(two.train.size(), 2u);
  EXPECT_EQ(two.train[0].weight, 3);
  EXPECT_EQ(two.train[1].path.value, loader.path("b.jsonl"));
  EXPECT_EQ(two.test.size(), 2u);
  EXPECT_EQ(loader.error("data: {train: null}"), "DIR/c.yaml:1:15: 'data.train' must be a list, got null");
  EXPECT_EQ(loader.error("optimizer: fast"), "DIR/c.yaml:1:12: 'optimizer' must be a map, got 'fast'");
  EXPECT_EQ(loader.error("data: {train: [{path: a.jsonl, weight: 0}]}"),
            "DIR/c.yaml:1:40: 'data.train.0.weight' must be more than 0, got '0'");
}

TEST(ConfigValue, PathsResolveAgainstTheirFile) {
  Loader loader;
  loader.folder.write("a.jsonl", "");
  EXPECT_EQ(loader.load("data: {test: ./sub/../a.jsonl}").data.test.at(0).value, loader.path("a.jsonl"));
  EXPECT_EQ(loader.load("data: {test: /}").data.test.at(0).value, "/");
  std::string cwd = std::filesystem::current_path().string();
  EXPECT_EQ(loader.load("run: {dir: runs/x}").run.dir.value, cwd + "/runs/x");
  EXPECT_EQ(loader.load("seed: 1").run.dir.value, cwd + "/runs/new");
  EXPECT_EQ(loader.load("run: {dir: \"\"}").run.dir.value, "");
}

TEST(ConfigValue, AFoldersSlashAtTheEndIsNoDifference) {
  Loader loader;
  std::filesystem::create_directory(loader.path("a"));
  for (const char* written : {"a", "a/", "a/.", "a//", "b/../a/"})
    EXPECT_EQ(loader.load(std::string("data: {test: ") + written + "}").data.test.at(0).value, loader.path("a"));
  EXPECT_EQ(loader.load("data: {test: .}").data.test.at(0).value, loader.folder.path().string());
  EXPECT_EQ(loader.load("data: {test: /}").data.test.at(0).value, "/");
  EXPECT_EQ(loader.load<WithFolder>("").folder.value, std::filesystem::current_path().string() + "/a");
}

TEST(ConfigValue, PathsMustExistUnlessOffline) {
  Loader loader;
  EXPECT_EQ(loader.error("data: {train: no.jsonl, test: [gone.jsonl]}"),
            "DIR/c.yaml:1:15: 'data.train.path': 'DIR/no.jsonl' does not exist\n"
            "DIR/c.yaml:1:32: 'data.test.0': 'DIR/gone.jsonl' does not exist");
  LoadOptions offline;
  offline.offline = true;
  EXPECT_EQ(loader.load("data: {train: no.jsonl}", offline).data.train.at(0).path.value, loader.path("no.jsonl"));
}

TEST(ConfigValue, EnvironmentVariables) {
  Loader loader;
  ::setenv("USAM_TEST_NUMBER", "12", 1);
  ::setenv("USAM_TEST_FOLDER", "/models", 1);
  ::unsetenv("USAM_TEST_UNSET");
  EXPECT_EQ(loader.load<Numbers>("{n: \"${env:USAM_TEST_NUMBER}\"}").n, 12);
  EXPECT_EQ(loader.load<Numbers>("n: ${env:USAM_TEST_NUMBER}").n, 12);
  EXPECT_EQ(loader.load("name: a${env:USAM_TEST_NUMBER}b${env:USAM_TEST_NUMBER}c$").name, "a12b12c$");
  EXPECT_EQ(loader.load("run: {dir: \"${env:USAM_TEST_FOLDER}/whisper\"}").run.dir.value, "/models/whisper");
  EXPECT_EQ(
      loader.error("name: ${env:USAM_TEST_UNSET}/x"),
      "DIR/c.yaml:1:7: the environment variable USAM_TEST_UNSET is not set, which '${env:USAM_TEST_UNSET}/x' needs");
  EXPECT_EQ(loader.error("name: ${env:}"),
            "DIR/c.yaml:1:7: '${env:}' holds '${env:' that is not followed by a name and '}'");
  EXPECT_EQ(loader.error("name: ${env:A"),
            "DIR/c.yaml:1:7: '${env:A' holds '${env:' that is not followed by a name and '}'");
  ::setenv("USAM_TEST_FOLDER", "${env:USAM_TEST_NUMBER}", 1);
  EXPECT_EQ(loader.error("name: ${env:USAM_TEST_FOLDER}"),
            "DIR/c.yaml:1:7: the environment variable USAM_TEST_FOLDER itself holds '${env:'");
}

TEST(ConfigValue, UnsetVariablesAreToleratedOffline) {
  Loader loader;
  ::unsetenv("USAM_TEST_UNSET");
  LoadOptions offline;
  offline.offline = true;
  auto config = loader.load(
      "seed: ${env:USAM_TEST_UNSET}\nname: \"${env:USAM_TEST_UNSET}!\"\npad: ${env:USAM_TEST_UNSET}\n"
      "data: {test: \"${env:USAM_TEST_UNSET}/a\"}",
      offline);
  EXPECT_EQ(config.seed, 0);
  EXPECT_EQ(config.name, "${env:USAM_TEST_UNSET}!");
  EXPECT_EQ(config.data.test.at(0).value, "${env:USAM_TEST_UNSET}/a");
}

}  // namespace
}  // namespace usam::test
