#include "data/sources/open.h"

#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::line;

TEST(OpenManifests, ReportsAllProblemsAtOnce) {
  const test::TemporaryFolder folder;
  const std::string a = folder.write("a.jsonl", line("x", "x.wav", 1) + line("y", "y.wav", 1));
  const std::string b = folder.write("b.jsonl", line("y", "y.wav", 1) + "{}\n");
  EXPECT_EQ(test::message_of([&] { open_manifests({{{a}, 1}, {{b}, 1}}, {{"SEC"}}); }),
            a + ":1: unknown task 'ASR'; the recipe has prompts for: SEC\n" + a +
                ":2: unknown task 'ASR'; the recipe has prompts for: SEC\n" + b +
                ":1: unknown task 'ASR'; the recipe has prompts for: SEC\n" + b + ":2: 'key' is missing");
  EXPECT_EQ(test::message_of([&] { open_manifests({{{a}, 1}, {{b}, 1}}); }),
            b + ":1: key 'y' stands in " + a + ":2 already\n" + b + ":2: 'key' is missing");
}

TEST(OpenManifests, KeysMayStandOnceInAllOfThem) {
  const test::TemporaryFolder folder;
  std::string many;
  for (int i = 0; i < 300; ++i) many += line("k" + std::to_string(i), "a.wav", 1);
  const std::string a = folder.write("a.jsonl", many);
  const std::string b = folder.write("b.jsonl", line("x", "a.wav", 1) + line("k17", "a.wav", 1));
  for (const auto& [first, second] : {std::pair(a, b), {b, a}}) {
    const std::string at_a = a + ":18", at_b = b + ":2";
    EXPECT_EQ(test::message_of([&] { open_manifests({{{first}, 1}, {{second}, 1}}); }),
              (first == a ? at_b : at_a) + ": key 'k17' stands in " + (first == a ? at_a : at_b) + " already");
  }
  EXPECT_EQ(open_manifests({{{a}, 1}})->size(), 300);
}

TEST(OpenManifests, FormatsHaveNames) {
  const auto names = format_names();
  for (const char* name : {"auto", "usam", "slam", "salmonn", "nemo", "messages", "kimi", "lhotse", "kaldi"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
}

}  // namespace
}  // namespace usam::data
