#include "src/eval/hypotheses.h"

#include "tests/support.h"

namespace usam::eval {
namespace {

std::string message(const std::string& line) {
  return test::message_of([&] { parse_hypothesis(line, "f:1"); });
}

TEST(Hypotheses, WrittenAndReadAreEqual) {
  Hypothesis text{"a", "ASR", "test.jsonl", {"zwei \"Wörter\"\n"}, "zwei", {}, {}, ""};
  Hypothesis several{"b", "AAC", "", {"one", "two"}, "", {}, {}, ""};
  Hypothesis both{"c", "MC", "", {"piano"}, "piano", {"piano"}, {{"drum", 0.25}, {"piano", -1.5}}, ""};
  Hypothesis tags{"d", "", "", {}, std::nullopt, {}, {{"drum", 0.1}}, ""};
  test::TemporaryFolder folder;
  const std::string file = (folder.path() / "hypotheses.jsonl").string();
  write_hypotheses(file, {text, several, both, tags});
  const auto read = read_hypotheses(file);
  ASSERT_EQ(read.size(), 4u);
  EXPECT_EQ(read[0].source, "test.jsonl");
  EXPECT_EQ(read[0].references, text.references);
  EXPECT_EQ(read[1].references, several.references);
  EXPECT_EQ(read[1].answer, "");
  EXPECT_EQ(read[2].scores, both.scores);
  EXPECT_EQ(read[2].tags, both.tags);
  EXPECT_FALSE(read[3].answer.has_value());
  EXPECT_EQ(read[3].where(), file + ":4");
  EXPECT_EQ(text.where(), "sample 'a'");
}

TEST(Hypotheses, LinesAreFixed) {
  const Hypothesis both{"c", "MC", "s", {"r"}, "h", {"t"}, {{"t", 0.5}}, ""};
  EXPECT_EQ(to_json(both).dump(),
            R"({"key":"c","task":"MC","source":"s","ref":"r","hyp":"h","tags":["t"],"scores":{"t":0.5}})");
}

TEST(Hypotheses, SaysWhatIsWrongWithALine) {
  EXPECT_EQ(message("{"), "f:1: this is not a JSON object.");
  EXPECT_EQ(message("[1]"), "f:1: this is not a JSON object.");
  EXPECT_EQ(message(R"({"ref": "a", "hyp": "a"})"), "f:1: the line has no \"key\".");
  EXPECT_EQ(message(R"({"key": 3, "ref": "a", "hyp": "a"})"), "f:1: \"key\" must be a string.");
  EXPECT_EQ(message(R"({"key": "a"})"), "f:1: the line has neither \"ref\" and \"hyp\" nor \"tags\" and \"scores\".");
  EXPECT_EQ(message(R"({"key": "a", "ref": "a"})"), "f:1: there is a reference but no \"hyp\".");
  EXPECT_EQ(message(R"({"key": "a", "hyp": "a"})"), "f:1: a line with \"hyp\" needs either \"ref\" or \"refs\".");
  EXPECT_EQ(message(R"({"key": "a", "hyp": "a", "ref": "a", "refs": ["a"]})"),
            "f:1: a line with \"hyp\" needs either \"ref\" or \"refs\".");
  EXPECT_EQ(message(R"({"key": "a", "hyp": "a", "refs": []})"), "f:1: \"refs\" holds no reference.");
  EXPECT_EQ(message(R"({"key": "a", "hyp": "a", "refs": "a"})"), "f:1: \"refs\" must be a list of strings.");
  EXPECT_EQ(message(R"({"key": "a", "hyp": "a", "refs": [1]})"), "f:1: \"refs\" must be a list of strings.");
  EXPECT_EQ(message(R"({"key": "a", "tags": ["x"]})"),
            "f:1: \"tags\" and \"scores\" belong together; one of them is missing.");
  EXPECT_EQ(message(R"({"key": "a", "tags": ["x"], "scores": [0.5]})"),
            "f:1: \"scores\" must be an object {tag: score}.");
  EXPECT_EQ(message(R"({"key": "a", "tags": ["x"], "scores": {"x": "high"}})"),
            "f:1: the score of \"x\" must be a finite number.");
  EXPECT_EQ(message(R"({"key": "a", "tags": ["x"], "scores": {}})"), "f:1: \"scores\" holds no tag.");
}

TEST(Hypotheses, ReportsAllBadLinesAtOnce) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("h.jsonl", "{\n\n{\"key\": \"a\", \"ref\": \"x\", \"hyp\": \"x\"}\n[]\n");
  EXPECT_EQ(test::message_of([&] { read_hypotheses(file); }),
            file + ":1: this is not a JSON object.\n" + file + ":4: this is not a JSON object.");
  std::string many;
  for (int i = 0; i < 22; ++i) many += "x\n";
  const std::string bad = folder.write("bad.jsonl", many);
  const std::string text = test::message_of([&] { read_hypotheses(bad); });
  EXPECT_NE(text.find(bad + ":20: this is not a JSON object.\n... and 2 more lines."), std::string::npos);
  EXPECT_EQ(text.find(bad + ":21:"), std::string::npos);
}

TEST(Hypotheses, RefusesAnEmptyOrMissingFile) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("h.jsonl", "\n");
  EXPECT_EQ(test::message_of([&] { read_hypotheses(file); }), file + ": the file holds no hypothesis.");
  EXPECT_NE(test::message_of([&] { read_hypotheses("/none.jsonl"); }).find("/none.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace usam::eval
