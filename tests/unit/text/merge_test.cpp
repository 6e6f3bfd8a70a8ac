#include "src/text/merge.h"

#include <gtest/gtest.h>

#include <random>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

// Windows of 30 s that overlap by 5 s.
std::string merged(const std::vector<std::string>& texts) {
  std::vector<WindowText> windows;
  for (const auto& text : texts) windows.push_back({text, 30});
  return merge_windows(windows, 5);
}

TEST(MergeWindows, GoesOverInTheMiddleOfWhatTheyShare) {
  EXPECT_EQ(merged({"one two three four five", "three four five six"}), "one two three four five six");
  // Cut words at the edges, capitals and full stops that windows add.
  EXPECT_EQ(merged({"we came to the old house by the ri", "Me to the old house by the river, and it rained."}),
            "we came to the old house by the river, and it rained.");
  EXPECT_EQ(merged({"It was late. He said.", "He said nothing - nothing at all"}),
            "It was late. He said. nothing - nothing at all");
  EXPECT_EQ(merged({"a b c d e f", "c d x f g h i"}), "a b c d x f g h i");
}

TEST(MergeWindows, OfScriptsWithoutSpacesByCharacters) {
  EXPECT_EQ(merged({"今天天气很好，我们去公园", "我们去公园玩，然后回家。"}), "今天天气很好，我们去公园玩，然后回家。");
  EXPECT_EQ(merged({"我们用 Python 写代码吧", "Python 写代码吧 OK"}), "我们用 Python 写代码吧 OK");
  EXPECT_EQ(merged({"今天天气好", "好的"}), "今天天气好好的");  // one character may be chance
}

TEST(MergeWindows, WithoutAgreementOneFollowsTheOther) {
  EXPECT_EQ(merged({"one two", "three four"}), "one two three four");
  EXPECT_EQ(merged({"今天", "明天"}), "今天明天");
  EXPECT_EQ(merged({"the one two three four five six", "seven eight nine ten eleven twelve the"}),
            "the one two three four five six seven eight nine ten eleven twelve the");
  EXPECT_EQ(merge_windows({{"one two", 30}, {"two three", 30}}, 0), "one two two three");  // nothing is heard twice
}

TEST(MergeWindows, EmptyWindows) {
  EXPECT_EQ(merged({}), "");
  EXPECT_EQ(merged({"", " \n", ""}), "");
  EXPECT_EQ(merged({"", " one two ", ""}), "one two");
  // What stands around a silent window is not one stretch heard twice.
  EXPECT_EQ(merged({"one two", "", "two three"}), "one two two three");
  EXPECT_EQ(merged({"... !", "one two"}), "... ! one two");
}

TEST(MergeWindows, AShortLastWindowMayLieInTheOverlap) {
  EXPECT_EQ(merge_windows({{"one two three four five", 30}, {"three four five", 5.1}}, 5), "one two three four five");
  EXPECT_EQ(merge_windows({{"one two three", 30}, {"three", 5.1}, {"four", 5.1}}, 5), "one two three four");
}

// Long texts, cut into windows whose edges lose, spoil or make up words.
class Cutter {
 public:
  Cutter(uint64_t seed, bool has_spaces) : random_(seed), has_spaces_(has_spaces) {}

  std::vector<std::string> text(int64_t size, int64_t words) {
    std::vector<std::string> all;
    for (int64_t i = 0; i < size; ++i) all.push_back(word(below(words)));
    return all;
  }
  std::string joined(const std::vector<std::string>& words) const {
    std::string all;
    for (const auto& word : words) all += (all.empty() || !has_spaces_ ? "" : " ") + word;
    return all;
  }
  // Windows of `size` words, `overlap` of them shared.
  std::vector<WindowText> windows(const std::vector<std::string>& words, int64_t size, int64_t overlap) {
    std::vector<WindowText> all;
    for (int64_t begin = 0, end = 0; end < std::ssize(words); begin += size - overlap) {
      end = std::min(begin + size, std::ssize(words));
      std::vector<std::string> part(words.begin() + begin, words.begin() + end);
      const bool is_first = begin == 0, is_last = end == std::ssize(words);
      if (!is_first) spoil(part.front());
      if (!is_last) spoil(part.back());
      if (!is_first && below(3) == 0) part.erase(part.begin());
      if (!is_last && below(3) == 0) part.pop_back();
      if (!is_last && below(4) == 0) part.push_back("made");
      all.push_back({joined(part), static_cast<double>(end - begin)});
    }
    return all;
  }
  int64_t below(int64_t bound) { return std::uniform_int_distribution<int64_t>(0, bound - 1)(random_); }

 private:
  std::string word(int64_t number) const {
    return has_spaces_ ? "w" + std::to_string(number) : to_utf8(std::u32string(1, char32_t(0x4E00 + number)));
  }
  void spoil(std::string& word) {
    if (below(2) == 0) word = this->word(below(1000));
  }
  std::mt19937_64 random_;
  bool has_spaces_;
};

void expect_whole(bool has_spaces) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Cutter cutter(seed, has_spaces);
    const auto words = cutter.text(400 + cutter.below(400), 2000);
    const int64_t overlap = 8 + cutter.below(12), size = 3 * overlap + cutter.below(60);
    const auto windows = cutter.windows(words, size, overlap);
    EXPECT_EQ(merge_windows(windows, static_cast<double>(overlap)), cutter.joined(words)) << "seed " << seed;
  }
}

TEST(MergeWindows, GivesALongTextBack) {
  expect_whole(true);
}

TEST(MergeWindows, GivesALongTextWithoutSpacesBack) {
  expect_whole(false);
}

// Of few words, many places agree by chance: no more may be lost or said twice than a few words.
TEST(MergeWindows, AFewWordsAgain) {
  int64_t off = 0, seams = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Cutter cutter(seed, true);
    const auto words = cutter.text(300, 10);
    const auto windows = cutter.windows(words, 60, 12);
    off += std::abs(std::ssize(split_words(merge_windows(windows, 12))) - std::ssize(words));
    seams += std::ssize(windows) - 1;
  }
  EXPECT_LT(static_cast<double>(off) / static_cast<double>(seams), 0.1);
}

// Any bytes of valid UTF-8: no crash, and every word of the result was heard.
TEST(MergeWindows, AnyText) {
  std::mt19937_64 random(1);
  const std::u32string letters = U"ab .,-\u00e9\u0301今天、กำ\U0001F600\n\u200b";
  for (int i = 0; i < 3000; ++i) {
    std::vector<WindowText> windows(random() % 5);
    size_t longest = 0;
    for (auto& window : windows) {
      std::u32string text;
      for (size_t n = random() % 12; n > 0; --n) text += letters[random() % letters.size()];
      window = {to_utf8(text), static_cast<double>(random() % 4)};
      longest += window.text.size() + 1;
    }
    const std::string result = merge_windows(windows, static_cast<double>(random() % 3));
    EXPECT_TRUE(is_valid_utf8(result));
    EXPECT_LE(result.size(), longest);
  }
}

}  // namespace
}  // namespace usam::text
