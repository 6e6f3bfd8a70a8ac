#include "src/text/unicode.h"

#include "src/text/regex.h"
#include "tests/support.h"

namespace usam::text {
namespace {

TEST(Unicode, CodePointsRoundTrip) {
  const std::string text = "aé中😀";
  EXPECT_EQ(code_points(text).size(), 4u);
  EXPECT_EQ(to_utf8(code_points(text)), text);
  EXPECT_EQ(test::message_of([] { code_points("ab\xC3"); }), "The text is not valid UTF-8 (byte 2).");
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));  // a surrogate
}

TEST(Unicode, ShortenedToSoManyCodePoints) {
  EXPECT_EQ(shortened("aé中😀", 4), "aé中😀");
  EXPECT_EQ(shortened("aé中😀", 3), "aé中…");
  EXPECT_EQ(shortened("", 0), "");
}

TEST(Unicode, NormalFormsAndCase) {
  EXPECT_EQ(nfkc("ﬁ e\u0301 ２"), "fi é 2");
  EXPECT_EQ(nfkd("é"), "e\u0301");
  EXPECT_EQ(lower("ΟΔΟΣ ÀÉ"), "οδος àé");
}

TEST(Unicode, WordsStandBetweenAnyWhiteSpace) {
  EXPECT_EQ(split_words(" a\u3000b\u00a0 c\x1c\n"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(strip("\u2003 a b\t"), "a b");
  EXPECT_EQ(strip(" \n"), "");
  EXPECT_TRUE(split_words("").empty());
}

TEST(Regex, ReplacesFindsAndSplits) {
  const Regex digits("([0-9])[0-9]");
  EXPECT_EQ(digits.replace("a12b34", "<${1}$$>"), "a<1$>b<3$>");
  EXPECT_EQ(digits.find_all("a12b345"), (std::vector<std::string>{"12", "34"}));
  EXPECT_EQ(digits.split("12ab34"), (std::vector<std::string>{"", "ab", ""}));
  EXPECT_EQ(Regex(R"(\bé\b)").find_all("a é b").size(), 1U);
  EXPECT_TRUE(Regex(R"(\bé\b)").find_all("aéb").empty());
  EXPECT_EQ(Regex("a").replace(std::string(1000, 'a'), "long replacement"), [] {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "long replacement";
    return text;
  }());
}

TEST(Regex, Errors) {
  EXPECT_THROW(Regex("("), std::logic_error);
  EXPECT_EQ(test::message_of([] { Regex("a").replace("\xFF", ""); }).substr(0, 27), "The text is not valid UTF-8");
}

}  // namespace
}  // namespace usam::text
