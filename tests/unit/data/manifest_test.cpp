#include "data/manifest.h"

#include "data/manifest_line.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::line;
using test_support::tone;
using test_support::write_wav;

std::string problem(const std::string& text) {
  ManifestLine parsed;
  return parse_manifest_line(text, parsed).value_or("");
}
// A line with one name replaced.
std::string with(const std::string& name, const std::string& value) {
  std::string text = "{";
  for (const auto& [key, standard] : {std::pair<std::string, std::string>{"key", "\"k\""},
                                      {"wav", "\"a.wav\""},
                                      {"label", "\"one\""},
                                      {"task", "\"ASR\""},
                                      {"dur", "1.5"},
                                      {"offset", "null"},
                                      {"tags", "null"},
                                      {"prompt", "null"}})
    text += "\"" + key + "\":" + (key == name ? value : standard) + (key == "prompt" ? "}" : ",");
  return text;
}

TEST(ManifestLine, EachProblemHasItsSentence) {
  EXPECT_EQ(problem(with("", "")), "");
  EXPECT_EQ(problem("{}"), "'key' is missing");
  EXPECT_EQ(problem(with("label", "7")), "'label' must be text, found a number");
  EXPECT_EQ(problem(with("label", "[\"a\"]")), "'label' must be text, found a list");
  EXPECT_EQ(problem(with("wav", "null")), "'wav' must be text, found null");
  EXPECT_EQ(problem(with("task", "{}")), "'task' must be text, found a map");
  EXPECT_EQ(problem(with("label", "\" \\t\"")), "'label' is empty");
  EXPECT_EQ(problem(with("key", "\"\"")), "'key' is empty");
  EXPECT_EQ(problem(with("label", "\"a\\u0000b\"")), "'label' holds a NUL character");
  EXPECT_EQ(problem(with("label", '"' + std::string(70000, 'a') + '"')),
            "'label' has 70000 bytes, at most 65536 are accepted");
  EXPECT_EQ(problem(with("dur", "true")), "'dur' must be a number of seconds, found true or false");
  EXPECT_EQ(problem(with("dur", "\"1.5 s\"")), "'dur' must be a number of seconds, found '1.5 s'");
  EXPECT_EQ(problem(with("dur", "\"nan\"")), "'dur' must be from 0 to 1000000 seconds, found nan");
  EXPECT_EQ(problem(with("dur", "-2")), "'dur' must be from 0 to 1000000 seconds, found -2");
  EXPECT_EQ(problem(with("dur", "1e12")), "'dur' must be from 0 to 1000000 seconds, found 1000000000000");
  EXPECT_EQ(problem(with("offset", "7.25")), "");
  EXPECT_EQ(problem(with("offset", "\" 7.25 \"")), "");
  EXPECT_EQ(problem(with("offset", "-1")), "'offset' must be from 0 to 1000000 seconds, found -1");
  EXPECT_EQ(problem(with("offset", "\"inf\"")), "'offset' must be from 0 to 1000000 seconds, found inf");
  EXPECT_EQ(problem(with("offset", "\"1:30\"")), "'offset' must be a number of seconds, found '1:30'");
  EXPECT_EQ(problem(with("offset", "[1]")), "'offset' must be a number of seconds, found a list");
  EXPECT_EQ(problem(with("tags", "[\"a\", 3]")), "'tags' must be a list of texts, found a number in it");
  EXPECT_EQ(problem(with("tags", "[\"a\", [\"b\"]]")), "'tags' must be a list of texts, found a list in it");
  EXPECT_EQ(problem(with("tags", "3")), "'tags' must be a list of texts or one text, found a number");
  EXPECT_EQ(problem(with("prompt", "3")), "'prompt' must be text, found a number");
  EXPECT_EQ(problem(with("task", "null")), "");  // the config may name it
  EXPECT_EQ(problem(with("task", "3")), "'task' must be text, found a number");
  EXPECT_EQ(problem("[1]"), "the line must be a JSON object, found a list");
  EXPECT_EQ(problem("null"), "the line must be a JSON object, found null");
  EXPECT_EQ(problem("\"text\""), "the line must be a JSON object, found text");
  EXPECT_EQ(problem("{\"key\": \"a\", \"key\": \"b\"}"), "'key' stands twice in the line");
  EXPECT_EQ(problem(with("label", std::string(5000, '['))), "'label' must be text, found a list");
  EXPECT_EQ(problem("{\"extra\": " + std::string(5000, '[')), "nested more than 64 levels deep");
  EXPECT_EQ(problem("{\"key\": \"a\""), "not valid JSON at column 12: unexpected end of input; expected '}'");
}

TEST(Manifest, ReadsRows) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write(
      "m.jsonl",
      "\xef\xbb\xbf"
      R"({"key": "a", "wav": "sub/../a.wav", "label": "one\ttwo\t ", "task": "S2TT", "dur": " 2.5 ", "spk": {"x": [1]}})"
      "\r\n"
      "  \r\n\n"
      R"({"key": "b", "wav": "/abs/b.wav", "label": "piano", "task": "MC", "dur": 3, "tags": ["piano", " slow "], "prompt": "What?<audio>"})"
      "\n"
      R"({"key": "c", "wav": "c.wav", "label": "x", "task": "MC", "dur": 3, "tags": "a, b,,c "})");
  const auto manifest = Manifest::open(path, {{}, 4});
  ASSERT_EQ(manifest->size(), 3);
  const Row a = manifest->row(0), b = manifest->row(1), c = manifest->row(2);
  EXPECT_EQ(a.key, "a");
  EXPECT_EQ(a.audio().path, (folder.path() / "a.wav").string());
  EXPECT_EQ(a.references, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(a.seconds, 2.5);
  EXPECT_EQ(a.line, 1);
  EXPECT_EQ(a.source, 4);
  EXPECT_EQ(b.audio().path, "/abs/b.wav");
  EXPECT_EQ(b.prompt, "What?<audio>");
  EXPECT_EQ(b.tags, (std::vector<std::string>{"piano", "slow"}));
  EXPECT_EQ(b.line, 4);
  EXPECT_EQ(c.tags, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(manifest->place(2), path + ":5");
}

TEST(Manifest, MeasuresWhatHasNoDuration) {
  const test::TemporaryFolder folder;
  write_wav(folder, "a.wav", tone(1.25, 440));
  const auto manifest =
      Manifest::open(folder.write("m.jsonl", R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR"}
{"key": "b", "wav": "missing.wav", "label": "x", "task": "ASR", "dur": null})"));
  EXPECT_DOUBLE_EQ(manifest->seconds(0), 1.25);
  EXPECT_EQ(manifest->row(0).seconds, 1.25);
  EXPECT_EQ(manifest->seconds(1), 0);  // decoding it will fail
  EXPECT_EQ(manifest->row(1).seconds, -1);
}

TEST(Manifest, PartsOfFiles) {
  const test::TemporaryFolder folder;
  const std::string wav = write_wav(folder, "a.wav", tone(4, 440));
  const auto manifest = Manifest::open(
      folder.write("m.jsonl", R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 0.5, "dur": 1.25}
{"key": "b", "wav": "a.wav", "label": "x", "task": "ASR", "offset": "1.5"}
{"key": "c", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 0, "dur": 1}
{"key": "d", "wav": "a.wav", "label": "x", "task": "ASR", "offset": null, "dur": 4}
{"key": "e", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 4}
{"key": "f", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 3, "dur": 1.5})"));
  const auto part = [&](int64_t i) {
    const Row row = manifest->row(i);
    EXPECT_EQ(row.seconds, manifest->seconds(i));
    return std::tuple(row.audio().is_part, row.audio().offset, row.seconds);
  };
  EXPECT_EQ(part(0), std::tuple(true, 0.5, 1.25));
  EXPECT_EQ(part(1), std::tuple(true, 1.5, 2.5));  // up to the end, by the header
  EXPECT_EQ(part(2), std::tuple(true, 0.0, 1.0));  // the first second, unlike a `dur` alone
  EXPECT_EQ(part(3), std::tuple(false, 0.0, 4.0));
  EXPECT_EQ(part(4), std::tuple(true, 4.0, 0.0));
  EXPECT_EQ(
      check_audio(*manifest).first,
      (std::vector<std::string>{manifest->name() + ":5: e: 'offset' is 4 s, but " + wav + " holds 4.00 s",
                                manifest->name() + ":6: f: 'offset' 3 s and 'dur' 1.5 s reach beyond the end of " +
                                    wav + ", which holds 4.00 s"}));
}

TEST(Manifest, RefusesFiles) {
  const test::TemporaryFolder folder;
  const auto message = [](const std::string& path) { return test::message_of([&] { Manifest::open(path); }); };
  const std::string f = folder.path().string();
  EXPECT_EQ(message(f + "/no.jsonl"), f + "/no.jsonl: the manifest cannot be read: No such file or directory");
  EXPECT_EQ(message(f), f + ": the manifest cannot be read: not a file");
  EXPECT_EQ(message(folder.write("e.jsonl", "")), f + "/e.jsonl: the manifest holds no row");
  EXPECT_EQ(message(folder.write("b.jsonl", "\n  \n")), f + "/b.jsonl: the manifest holds no row");
  EXPECT_EQ(message(folder.write("u.jsonl", std::string("\xff\xfe{\0", 4))),
            f + "/u.jsonl: the file is UTF-16 or UTF-32 text; save it as UTF-8");
  EXPECT_EQ(message(folder.write("z.jsonl", "\x1f\x8b\x08")),
            f + "/z.jsonl: the file is compressed; unpack it with gunzip");
}

TEST(Manifest, NamesBothLinesOfAKey) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("m.jsonl", line("a", "a.wav", 1) + "\n" + line("a", "a.wav", 1));
  EXPECT_EQ(test::message_of([&] { Manifest::open(path); }), path + ":3: key 'a' stands in " + path + ":1 already");
}

TEST(Manifest, ShowsTwentyProblemsAndCountsTheRest) {
  const test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 25; ++i) text += "{}\n";
  const std::string path = folder.write("m.jsonl", text);
  const std::string message = test::message_of([&] { Manifest::open(path); });
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 20);
  EXPECT_TRUE(message.starts_with(path + ":1: 'key' is missing\n"));
  EXPECT_TRUE(message.ends_with("\n... and 5 more (25 problems in all)"));
}

TEST(Manifest, NoticesThatItsFileChanged) {
  const test::TemporaryFolder folder;
  const std::string text = line("a", "a.wav", 1), path = folder.write("m.jsonl", text);
  const auto manifest = Manifest::open(path);
  folder.write("m.jsonl", std::string(text.size(), 'x'));
  EXPECT_TRUE(
      test::message_of([&] { manifest->row(0); }).starts_with(path + ":1: the manifest changed while it was in use: "));
}

TEST(CheckAudio, OpensEveryHeader) {
  const test::TemporaryFolder folder;
  const std::string wav = write_wav(folder, "a.wav", tone(2, 440));
  const std::string path =
      folder.write("m.jsonl", line("good", "a.wav", 2.03) + line("wrong", "a.wav", 20) + line("gone", "gone.wav", 1));
  EXPECT_EQ(check_audio(*Manifest::open(path)).first,
            (std::vector<std::string>{
                path + ":2: wrong: 'dur' is 20 s, but " + wav + " holds 2.00 s",
                path + ":3: gone: " + (folder.path() / "gone.wav").string() + ": the audio file does not exist"}));
}

}  // namespace
}  // namespace usam::data
