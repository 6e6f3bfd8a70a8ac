#include "src/text/normalizer.h"

#include "tests/support.h"

namespace usam::text {
namespace {

std::string normalized(const std::string& name, const std::string& text) {
  return (*make_normalizer(name))(text);
}

TEST(Normalizer, NoneKeepsTheText) {
  EXPECT_EQ(normalized("none", " A, b\n"), " A, b\n");
}

TEST(Normalizer, BasicDropsBracketsAndPunctuation) {
  EXPECT_EQ(normalized("basic", "Hello,  WORLD! [noise] (laughs) <tag>"), "hello world ");
  EXPECT_EQ(normalized("basic", "Café №1, don't"), "café no1 don t");
}

TEST(Normalizer, BasicLettersSplitsAndStripsAccents) {
  EXPECT_EQ(normalized("basic_letters", "Ça 今天"), "c a 今 天");
}

TEST(Normalizer, StampsNameAndVersion) {
  EXPECT_EQ(make_normalizer("none")->stamp(), "none/1");
  EXPECT_EQ(make_normalizer("basic")->stamp(), "basic/1");
  EXPECT_EQ(make_normalizer("basic_letters")->stamp(), "basic_letters/1");
  EXPECT_EQ(make_normalizer("whisper_en")->stamp(), "whisper_en/1");
  EXPECT_EQ(make_normalizer("whisper_en", {{"colour", "color"}})->stamp(), "whisper_en/1+1 spellings");
}

TEST(Normalizer, EveryNameIsKnown) {
  for (const std::string& name : normalizer_names()) EXPECT_TRUE(make_normalizer(name)) << name;
}

TEST(Normalizer, SpellingTable) {
  test::TemporaryFolder folder;
  const auto table = read_spelling_table(folder.write("normalizer.json", R"({"colour": "color"})"));
  EXPECT_EQ((*make_normalizer("whisper_en", table))("The Colour, colours"), "the color colours");
}

TEST(Normalizer, Errors) {
  test::TemporaryFolder folder;
  EXPECT_EQ(test::message_of([] { make_normalizer("english"); }),
            "There is no normalizer 'english'; there are none, basic, basic_letters and whisper_en.");
  EXPECT_EQ(test::message_of([] { make_normalizer("basic", {{"a", "b"}}); }),
            "A spelling table serves the normalizer whisper_en only, not 'basic'.");
  EXPECT_EQ(test::message_of([] { read_spelling_table("/none.json"); }),
            "Cannot read '/none.json': No such file or directory.");
  const std::string list = folder.write("list.json", "[1]"), number = folder.write("number.json", R"({"a": 1})");
  EXPECT_EQ(test::message_of([&] { read_spelling_table(list); }),
            list + R"(: a spelling table is one JSON object {"colour": "color", ...}.)");
  EXPECT_EQ(test::message_of([&] { read_spelling_table(number); }),
            number + R"(: 'a' does not map to a word; a spelling table is {"colour": "color", ...}.)");
}

}  // namespace
}  // namespace usam::text
