// The parts of report.html.
#include <random>

#include "src/eval/html/alignment.h"
#include "src/eval/html/cards.h"
#include "src/eval/html/examples.h"
#include "src/eval/html/figures.h"
#include "src/eval/html/matrix.h"
#include "src/eval/html/page.h"
#include "src/eval/html/tables.h"
#include "src/eval/report.h"
#include "tests/support.h"

namespace usam::eval::html {
namespace {

using text::Edits;

bool holds(const Markup& markup, const std::string& part) {
  return markup.bytes().find(part) != std::string::npos;
}

ScoreOptions basic() {
  return {.normalizer = text::make_normalizer("basic")};
}

Hypothesis answered(const std::string& key, const std::string& task, const std::string& reference,
                    const std::string& answer) {
  Hypothesis h;
  h.key = key;
  h.task = task;
  h.references = {reference};
  h.answer = answer;
  return h;
}

TEST(Markup, EscapesWhatComesFromOutside) {
  EXPECT_EQ(text("<script>a && 'b' \"c\"\x01\n").bytes(),
            "&lt;script&gt;a &amp;&amp; &#39;b&#39; &quot;c&quot;\uFFFD\n");
  EXPECT_EQ(element("a", {{"href", "\"><script>"}}, text("x<y")).bytes(),
            "<a href=\"&quot;&gt;&lt;script&gt;\">x&lt;y</a>");
  EXPECT_EQ(element("img", {{"alt", ""}}).bytes(), "<img alt=\"\">");
}

TEST(Markup, DataUrisAreBase64) {
  // RFC 4648, section 10.
  for (const auto& [plain, coded] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}})
    EXPECT_EQ(data_uri("audio/wav", plain), "data:audio/wav;base64," + coded);
  EXPECT_EQ(data_uri("a/b", "\xFF\xFE\xFD"), "data:a/b;base64,//79");
}

TEST(Alignment, ShowsTheEditsThatAreCounted) {
  std::mt19937 random(7);
  const auto drawn = [&](int64_t units) {
    std::vector<std::string> all;
    for (int64_t i = 0; i < units; ++i) all.push_back(std::string(1, static_cast<char>('a' + random() % 4)));
    return all;
  };
  for (int i = 0; i < 2000; ++i) {
    const auto reference = drawn(random() % 9), hypothesis = drawn(random() % 9);
    const auto columns = aligned(reference, hypothesis);
    EXPECT_EQ(counted(columns), text::edits_between(reference, hypothesis));
    std::vector<std::string> above, below;
    for (const auto& c : columns) {
      if (c.edit != Edit::kInsertion) above.push_back(c.reference);
      if (c.edit != Edit::kDeletion) below.push_back(c.hypothesis);
      EXPECT_EQ(c.edit == Edit::kHit, c.reference == c.hypothesis);
    }
    EXPECT_EQ(above, reference);
    EXPECT_EQ(below, hypothesis);
  }
}

TEST(Alignment, OfVeryLongTextsIsNotSearchedFor) {
  std::vector<std::string> reference(5000, "a"), hypothesis(5000, "b");
  reference.front() = hypothesis.front() = "same";
  EXPECT_EQ(counted(aligned(reference, hypothesis)), (Edits{1, 0, 4999, 4999}));
}

TEST(Alignment, UnitsAreWordsAndCharactersOfScriptsWithoutSpaces) {
  EXPECT_EQ(units(" it's  今天abc好 né "), (std::vector<std::string>{"it's", "今", "天", "abc", "好", "né"}));
}

TEST(Cards, ColourEachEdit) {
  EXPECT_EQ(
      alignment("one two four", "one too four five").bytes(),
      "<div class=\"aligned\" dir=\"auto\"><span class=\"hit\"><u dir=\"auto\">one</u><b dir=\"auto\">one</b></span>"
      "<span class=\"sub\"><u dir=\"auto\">two</u><b dir=\"auto\">too</b></span><span class=\"hit\"><u "
      "dir=\"auto\">four</u><b dir=\"auto\">four</b></span><span class=\"ins\"><u dir=\"auto\">\u00A0</u><b "
      "dir=\"auto\">five</b></span></div>");
  EXPECT_TRUE(holds(alignment("a", ""), "<span class=\"del\"><u dir=\"auto\">a</u><b dir=\"auto\">\u00A0</b>"));
}

TEST(Cards, ShadeWhatWasDropped) {
  Heard heard;
  heard.seconds = 4;
  heard.spectrogram = "png";
  heard.audio = "clip.wav";
  heard.explained = {
      {"seconds", 2.0}, {"kept", {1, 0, 0, 1}}, {"scores", {0.5, 0.0, 0.25, 1.0}}, {"gates", {0.75, 0.25}}};
  const auto figure = heard_figure(heard);
  // The model heard the first half: four tokens are half of the picture.
  EXPECT_TRUE(holds(figure, "class=\"mask\" viewBox=\"0 0 8 1\""));
  EXPECT_TRUE(holds(figure, "<rect x=\"1\" y=\"0\" width=\"2\" height=\"1\"></rect></svg>"));
  EXPECT_TRUE(holds(figure, "2 of 4 audio tokens masked as redundant"));
  EXPECT_TRUE(holds(figure, "<rect class=\"dropped\" x=\"2.06\" y=\"0.75\" width=\"0.88\" height=\"0.25\">"));
  EXPECT_TRUE(holds(figure, "expert 1</span><span class=\"bar\"><i class=\"value\" style=\"width:75.0%\">"));
  EXPECT_TRUE(holds(figure, "preload=\"none\" src=\"clip.wav\""));
  EXPECT_TRUE(heard_figure({}).empty());
}

TEST(Examples, WorstFirst) {
  std::vector<Hypothesis> all = {answered("a", "ASR", "one two", "one two"), answered("b", "SEC", "dog", "cat"),
                                 answered("c", "ASR", "one two", "one too"), answered("d", "ASR", "one", "two three"),
                                 answered("e", "SEC", "dog", " Dog "),       answered("f", "SEC", "dog", "cow")};
  all[2].references.push_back("one, Too!");  // the nearest reference counts
  const Json tasks = report(all, basic()).at("tasks");
  const auto worst = worst_examples(all, tasks, basic(), 2);
  ASSERT_EQ(worst.size(), 2U);
  EXPECT_EQ(worst[0].task, "ASR");
  EXPECT_EQ(worst[0].kind, Kind::kText);
  ASSERT_EQ(worst[0].worst.size(), 2U);
  EXPECT_EQ(worst[0].worst[0].index, 3U);
  EXPECT_EQ(worst[0].worst[0].error, 2);
  EXPECT_EQ(worst[0].worst[1].index, 0U);
  EXPECT_EQ(worst[1].kind, Kind::kLabel);
  ASSERT_EQ(worst[1].worst.size(), 2U);
  EXPECT_EQ(worst[1].worst[0].index, 1U);
  EXPECT_EQ(worst[1].worst[1].index, 5U);
  EXPECT_EQ(worst_examples(all, tasks, basic(), 9)[0].worst[2].reference, "one too");
}

TEST(Examples, NumbersByDistanceAndTagsByRanking) {
  std::vector<Hypothesis> all = {answered("a", "MOS", "3", "3.5"), answered("b", "MOS", "3", "none"),
                                 answered("c", "MOS", "3", "1"), answered("d", "MC", "x", "y"),
                                 answered("e", "MC", "x", "y")};
  auto options = basic();
  options.normalizer = text::make_normalizer("none");
  options.tasks["MOS"].answer = Answer::kNumber;
  for (size_t i : {3U, 4U}) {
    all[i].tags = {"slow"};
    all[i].scores = {{"slow", i == 3 ? 0.9 : 0.1}, {"fast", 0.5}};
  }
  const Json tasks = {{"MOS", {{"majority", {{"mae", 0}}}}}, {"MC", {{"majority", {{"bleu", 0}, {"map", 0}}}}}};
  const auto worst = worst_examples(all, tasks, options, 9);
  const auto indices = [](const TaskExamples& task) {
    std::vector<size_t> found;
    for (const auto& example : task.worst) found.push_back(example.index);
    return found;
  };
  EXPECT_EQ(worst[0].kind, Kind::kNumber);
  EXPECT_EQ(indices(worst[0]), (std::vector<size_t>{1, 2, 0}));
  EXPECT_EQ(worst[1].kind, Kind::kTags);
  EXPECT_EQ(indices(worst[1]), (std::vector<size_t>{4, 3}));
  EXPECT_EQ(worst[1].worst[0].error, 0.5);
}

// "1" is a word to one normaliser and a point is a space to the other; the metrics read neither's text.
TEST(Examples, NumbersAreReadAsTheyStand) {
  const std::vector<Hypothesis> all = {answered("a", "MOS", "1", "1.5"), answered("b", "MOS", "-2.5", "2.5"),
                                       answered("c", "MOS", "3.25", "3.5")};
  for (const char* name : {"whisper_en", "basic"}) {
    auto options = basic();
    options.normalizer = text::make_normalizer(name);
    options.tasks["MOS"].answer = Answer::kNumber;
    const auto worst = worst_examples(all, {{"MOS", {{"majority", {{"mae", 0}}}}}}, options, 9)[0].worst;
    ASSERT_EQ(worst.size(), 3U) << name;
    EXPECT_EQ(worst[0].error, 5) << name;
    EXPECT_EQ(worst[1].error, 0.5) << name;
    EXPECT_EQ(worst[1].answer, "1.5") << name;
    EXPECT_EQ(worst[1].reference, "1") << name;
    EXPECT_EQ(worst[2].error, 0.25) << name;
  }
}

TEST(Figures, AsPeopleReadThem) {
  EXPECT_EQ(shown("wer", 0.12345), "12.3\u202F%");
  EXPECT_EQ(shown("bleu", 0.2731), "27.3");
  EXPECT_EQ(shown("pearson", -0.5), "−0.500");
  EXPECT_EQ(shown("map", Json()), "–");
  EXPECT_EQ(count_text(1234567), "1\u202F234\u202F567");
  EXPECT_EQ(metrics_in({{"bleu", 1}, {"majority", {{"bleu", 1}, {"map", 0}}}}),
            (std::vector<std::string>{"map", "bleu"}));
}

TEST(Matrix, HasATipForEachPairAndNamesTheCommonest) {
  const auto matrix = confusion_matrix({{"labels", {"dog", "<cat>"}}, {"counts", {{3, 2}, {0, 7}}}});
  EXPECT_TRUE(holds(matrix, "<title>dog → dog: 3 of 5</title>"));
  EXPECT_TRUE(holds(matrix, "<title>dog → &lt;cat&gt;: 2 of 5</title>"));
  EXPECT_FALSE(holds(matrix, ": 0 of 7"));
  EXPECT_TRUE(holds(matrix, "<b>2\u202F×</b> dog<span class=\"arrow\"> heard as </span>&lt;cat&gt;"));
  EXPECT_TRUE(confusion_matrix(Json()).empty());
  EXPECT_TRUE(confusion_matrix({{"labels", {"a"}}, {"counts", {{1, 2, 3}}}}).empty());
}

TEST(Tables, OfTags) {
  std::vector<Hypothesis> all = {answered("a", "MC", "x", "x"), answered("b", "MC", "x", "x")};
  all[0].tags = {"slow"};
  all[0].scores = {{"slow", 0.9}, {"never", 0.2}};
  all[1].scores = {{"slow", 0.1}, {"never", 0.3}};
  const Json tasks = report(all, basic()).at("tasks");
  const auto table = tag_table(tasks.at("MC"));
  EXPECT_TRUE(holds(table, "slow</th><td class=\"number\">1</td><td class=\"number lead\">100.0\u202F%</td>"));
  EXPECT_TRUE(holds(table, "never</th><td class=\"number\">0</td><td class=\"number lead\">–</td>"));
  EXPECT_TRUE(tag_table(Json::object()).empty());
}

TEST(Tables, OfTasksShowIntervalsBaselinesAndFailures) {
  const std::vector<Hypothesis> all = {answered("a", "ASR", "one two", "one"), answered("b", "ASR", "one two", ""),
                                       answered("c", "SEC", "dog", "dog")};
  auto options = basic();
  options.bootstrap = {100, 1};
  const auto table = headline_table(report(all, options).at("tasks"));
  EXPECT_TRUE(holds(table, "class=\"headline\""));
  EXPECT_TRUE(holds(table, "WER ↓</td><td class=\"number lead\">75.0\u202F%</td>"));
  EXPECT_TRUE(holds(table, "<td class=\"number\">50.0\u202F% – 100.0\u202F%</td><td class=\"number\">0.0\u202F%</td>"));
  EXPECT_TRUE(holds(table, "class=\"failures\">empty 1</td>"));
  EXPECT_TRUE(holds(table, "class=\"failures\">none</td>"));
  EXPECT_TRUE(holds(table, "95 % interval</th>"));
  EXPECT_FALSE(holds(headline_table(report(all, basic()).at("tasks")), "interval"));
}

TEST(Tables, OfSourcesOnlyWhereThereAreSeveral) {
  std::vector<Hypothesis> all = {answered("a", "ASR", "one", "one"), answered("b", "ASR", "one", "two")};
  all[0].source = "clean";
  all[1].source = "clean";
  EXPECT_TRUE(source_table(report(all, basic())).empty());
  all[1].source = "other";
  const auto table = source_table(report(all, basic()));
  EXPECT_TRUE(holds(table, "other</th><td class=\"number\">100.0\u202F% <small>of 1</small></td>"));
}

TEST(Page, IsWholeByItselfAndEscapesAnswers) {
  std::vector<Hypothesis> all = {answered("<k>", "ASR", "one", "<script>alert(1)</script>"),
                                 answered("b", "SE\"C", "dog", "<img src=x onerror=alert(1)>")};
  all[0].source = "<one>.jsonl";
  all[1].source = "two";
  Page page{"<title>", "", report(all, basic()), 10, {}, {{"usam", "<1>"}}};
  const std::string html = render(page, all, basic());
  for (const char* part : {"<script>alert", "<img src=x", "<k>", "<title><title>", "<one>", "<1>", "http:", "https:"})
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  for (const char* part :
       {"&lt;script&gt;alert(1)", "&lt;k&gt;", "&lt;one&gt;.jsonl", "<dd>basic/", "id=\"task-SE&quot;C\""})
    EXPECT_NE(html.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace usam::eval::html
