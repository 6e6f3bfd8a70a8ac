#include "src/text/lettering.h"

#include <gtest/gtest.h>

namespace usam::text {
namespace {

TEST(Lettering, WordsOfMixedScripts) {
  EXPECT_EQ(mixed_script_word("a \u0441at sat"), "\u0441at");  // Cyrillic es
  EXPECT_EQ(mixed_script_word("\u041C\u043E\u0441\u043A\u0432a"), "\u041C\u043E\u0441\u043A\u0432a");
  for (const char* fine : {"a cat sat", "привет world", "α-helix", "東京タワーです", "Tシャツ", "한국어 漢字混用",
                           "naïve café", "x1\u0431", "", "3.5 km/h"})
    EXPECT_EQ(mixed_script_word(fine), "") << fine;
}

TEST(Lettering, UnseenCharacters) {
  EXPECT_EQ(unseen_character("a\u200Bb"), "U+200B");
  EXPECT_EQ(unseen_character("a\x01"), "U+0001");
  EXPECT_EQ(unseen_character("\u202Eabc"), "U+202E");
  EXPECT_EQ(unseen_character("caf\uFFFD"), "U+FFFD");
  EXPECT_EQ(unseen_character("\uE000"), "U+E000");
  EXPECT_EQ(unseen_character("\uFEFFabc"), "U+FEFF");
  for (const char* fine : {"a\tb\nc", "👩‍👩‍👧 ❤️", "می‌خواهم", "", "soft\u00ADhyphen"})
    EXPECT_EQ(unseen_character(fine), "") << fine;
  EXPECT_EQ(without_unseen(" \uFEFFa\u200Bb\x01 "), "a b");
  EXPECT_EQ(without_unseen("\u200B"), "");
  EXPECT_EQ(without_unseen("as it is"), "as it is");
}

TEST(Lettering, CapitalsAndPunctuation) {
  const auto of = [](const char* text) {
    const auto l = lettering_of(text);
    return std::tuple(l.points, l.has_capitals, l.has_punctuation);
  };
  EXPECT_EQ(of("Hello, world."), std::tuple(13, true, true));
  EXPECT_EQ(of("hello world"), std::tuple(11, false, false));
  EXPECT_EQ(of("ЁЛКА"), std::tuple(4, true, false));
  EXPECT_EQ(of("你好。"), std::tuple(3, false, true));
  EXPECT_EQ(of("it's"), std::tuple(4, false, false));
  EXPECT_EQ(of(""), std::tuple(0, false, false));
}

}  // namespace
}  // namespace usam::text
