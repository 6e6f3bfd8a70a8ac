#include "src/base/text.h"

#include <gtest/gtest.h>

namespace usam::test {
namespace {

TEST(Text, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("seed", "sede"), 1);  // a swap is one edit
  EXPECT_EQ(edit_distance("ab", "ba"), 1);
  EXPECT_EQ(edit_distance("ca", "abc"), 3);
}

TEST(Text, NearestNameIsNearEnough) {
  std::vector<std::string> names = {"seed", "seeds", "threads", "max_seconds"};
  EXPECT_EQ(nearest_name("sede", names), "seed");
  EXPECT_EQ(nearest_name("max_second", names), "max_seconds");
  EXPECT_EQ(nearest_name("maxseconds", names), "max_seconds");
  EXPECT_EQ(nearest_name("zebra", names), "");
  EXPECT_EQ(nearest_name("x", {"y"}), "");  // every one-letter name is one edit away
  EXPECT_EQ(nearest_name("x", {}), "");
}

TEST(Text, PrintableStaysOnItsLine) {
  EXPECT_EQ(printable("a b/ä.wav"), "a b/ä.wav");
  EXPECT_EQ(printable("a\nb\t\x1b[31m\x7f"), "a\\nb\\x09\\x1b[31m\\x7f");
}

TEST(Text, JoinSplitTrim) {
  EXPECT_EQ(join_words({}), "");
  EXPECT_EQ(join_words({"a"}), "a");
  EXPECT_EQ(join_words({"a", "b", "c"}), "a, b and c");
  EXPECT_EQ(join_words({"a", "b"}, "or"), "a or b");
  EXPECT_EQ(join_some({"a", "b"}, 2), "a and b");
  EXPECT_EQ(join_some({"a", "b", "c", "d"}, 2), "a, b and 2 more");
  EXPECT_EQ(split("a..b", '.'), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", '.'), std::vector<std::string>{""});
  EXPECT_EQ(trimmed(" \t a b\n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
  EXPECT_EQ(ascii_lower("Yes, \xC3\x84[Z@"), "yes, \xC3\x84[z@");
}

TEST(Text, HumanSizes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(int64_t{16} << 30), "16.0 GiB");
  EXPECT_EQ(human_bytes(int64_t{3} << 50), "3.0 PiB");
  EXPECT_EQ(human_count(950), "950");
  EXPECT_EQ(human_count(12345), "12.3 k");
  EXPECT_EQ(human_count(41000000), "41.0 M");
  EXPECT_EQ(human_count(8030261248), "8.0 G");
}

TEST(Text, HumanDurations) {
  EXPECT_EQ(human_seconds(0.84), "0.8 s");
  EXPECT_EQ(human_seconds(9.97), "10 s");
  EXPECT_EQ(human_seconds(59.4), "59 s");
  EXPECT_EQ(human_seconds(59.6), "1 min 00 s");
  EXPECT_EQ(human_seconds(200), "3 min 20 s");
  EXPECT_EQ(human_seconds(7500), "2 h 05 min");
  EXPECT_EQ(human_seconds(3 * 86400 + 4 * 3600), "3 d 4 h");
  EXPECT_EQ(human_seconds(-1), "unknown");
  EXPECT_EQ(human_seconds(1e300), "unknown");
}

TEST(Text, ParsesDurations) {
  EXPECT_EQ(parse_seconds("3h50m"), 3 * 3600 + 50 * 60);
  EXPECT_EQ(parse_seconds("90m"), 5400);
  EXPECT_EQ(parse_seconds("30s"), 30);
  EXPECT_EQ(parse_seconds("1d 2h 3m 4.5s"), 86400 + 7200 + 180 + 4.5);
  EXPECT_EQ(parse_seconds("1.5h"), 5400);
  EXPECT_EQ(parse_seconds("5400"), 5400);
  EXPECT_EQ(parse_seconds("1m30"), 90);
  for (const char* text : {"", "h", "3x", "-3h", "50m3h", "3h3h", "3 h", "inf", "nan", "1e3s", "12:30", " 3h"})
    EXPECT_FALSE(parse_seconds(text)) << text;
}

}  // namespace
}  // namespace usam::test
