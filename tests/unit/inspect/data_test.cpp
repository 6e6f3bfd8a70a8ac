// usam-inspect data, as a user runs it.
#include <sndfile.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "data/loader.h"
#include "data/manifest.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "tests/browser.h"
#include "tests/train/corpus.h"
#include "tests/unit/data/tars.h"
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
  return all;
}

std::string shared_path(const std::string& name) {
  return (shared_folder() / name).string();
}

class Data : public UsamInspect {
 protected:
  Data() {
    write_wav("a.wav", tone(1, 300), 16000);
    write_wav("b.wav", tone(3, 400), 16000);
  }
  static torch::Tensor tone(double seconds, double hz) {
    return 0.3 * torch::sin(torch::arange(std::llround(seconds * 16000)) * (2 * M_PI * hz / 16000));
  }
  static std::string row(const std::string& key, const std::string& wav, double seconds, const std::string& label = "x",
                         const std::string& more = "") {
    return fmt::format(R"({{"key": "{}", "wav": "{}", "label": "{}", "task": "ASR", "dur": {}{}}})", key, wav, label,
                       seconds, more) +
           "\n";
  }
  // Every sample of a manifest is read as training reads it; the first that cannot be throws.
  static int64_t load_all(const std::string& manifest) {
    data::DataPlan plan;
    plan.streams = {{"mel", CedMelSpec{}, 2400}};
    plan.min_seconds = 0.15;
    plan.fields = {{"mel", data::Layout::kPadded}};
    plan.length = [](const data::Row&, double seconds) { return data::SampleLength{seconds, 1, 1}; };
    plan.make_example = [](const data::Row& row, const data::Clip& clip) {
      EXPECT_FALSE(row.references.empty()) << row.key;
      EXPECT_TRUE(clip.features.at("mel").isfinite().all().item<bool>()) << row.key;
      return data::Example{{"mel", clip.features.at("mel")}};
    };
    data::DataConfig config;
    config.batch.rows = 4;
    config.on_error = data::OnError::kFail;
    config.threads = 2;
    const auto set =
        std::make_shared<data::DataSet>(data::Manifest::open(manifest), plan, config, data::Use{1, true}, nullptr);
    data::Loader loader(set, {});
    int64_t rows = 0;
    while (const auto batch = loader.next()) rows += batch->size();
    EXPECT_EQ(loader.counts().misdeclared, 0);
    return rows;
  }
};

TEST_F(Data, AGoodManifest) {
  const std::string manifest = folder_.write("m.jsonl",
                                             R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "lang": "en"}
{"key": "b", "wav": "b.wav", "label": "u, v", "task": "MC", "dur": 3, "tags": ["u", "v"]}
{"key": "c", "wav": "b.wav", "label": "u", "task": "MC", "dur": 3, "tags": ["u"]}
)");
  const Outcome got = run("data " + manifest);
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, manifest + R"(
  rows: 3
  audio: 7.0 s in 3 rows, 2.33 s on average, 1.00 to 3.00 s
  lengths: 5 % below 1.00 s, half below 3.00 s, 95 % below 3.00 s
  tasks: ASR 1 and MC 2
  languages: en 1
  tags: 2 different
  labels of ASR in en: 1 different
  labels of MC: 2 different
  sampling rates: 16000 Hz 3
  channels: 1 3
  formats: WAV (Microsoft), 32 bit float 3
  problems: none
)");
  EXPECT_TRUE(contains(run("data --audio none " + manifest).output, "labels of MC: 2 different\n  problems: none\n"));
}

TEST_F(Data, ShardsAreInspectedByTheirPattern) {
  using namespace data::test_support;
  for (const char* name : {"0", "1"})
    folder_.write(fmt::format("t-{}.tar", name),
                  tar_member(fmt::format("{}.wav", name), text(path("a.wav"))) +
                      tar_member(fmt::format("{}.json", name), R"({"label": "x", "task": "ASR"})"));
  const std::string pattern = path("t-{0..1}.tar");
  const Outcome got = run("data '" + pattern + "'");
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_TRUE(got.output.starts_with(pattern + "\n  rows: 2\n")) << got.output;
  const std::string config =
      folder_.write("c.yaml",
                    "run: {dir: r}\n"
                    "data: {test: 't-{0..1}.tar', batch: {rows: 4}, long_audio: drop, max_seconds: 2}\n"
                    "trainer: {max_steps: 1}\n");
  EXPECT_TRUE(contains(run("data " + config).output, pattern + "\n  rows: 2\n")) << run("data " + config).errors;
  EXPECT_TRUE(contains(run("data '" + path("t-{0..2}.tar") + "'").output, "1 of 3 files is not there: t-2.tar"));
}

TEST_F(Data, ProblemsAreListedAndTheExitCodeIsZero) {
  const std::string manifest =
      folder_.write("m.jsonl", row("a", "a.wav", 2.5) + row("a", "a.wav", 1) + row("c", "none.wav", 1));
  const Outcome got = run("data " + manifest);
  EXPECT_EQ(got.code, 0) << got.errors;
  const std::string problems =
      R"(  problems: 1 that cannot be read as rows, 1 that should not be used and 1 that may be wrong
    refused: 1
      M:2: key 'a' stands in M:1 already
    unreadable: 1
      M:3: c: F/none.wav: the audio file does not exist
    wrong length: 1
      M:1: a: 'dur' is 2.5 s, but F/a.wav holds 1.00 s
)";
  std::string expected = problems;
  for (const auto& [name, full] : {std::pair("M:", manifest + ":"), {"F/", path("")}})
    for (size_t at = 0; (at = expected.find(name, at)) != std::string::npos; at += full.size())
      expected.replace(at, 2, full);
  EXPECT_TRUE(got.output.ends_with(expected)) << got.output << expected;
}

TEST_F(Data, OddSoundsAndRecordingsThatStandTwice) {
  write_wav("silent.wav", torch::zeros({16000}), 16000);
  write_wav("quiet.wav", 1e-4 * tone(1, 200), 16000);
  write_wav("clipped.wav", (5 * tone(1, 200)).clamp(-0.9, 0.9), 16000);
  write_wav("offset.wav", 0.3 * tone(1, 200) + 0.25, 16000);
  write_wav("loud.wav", 10 * tone(1, 200), 16000);
  write_wav("short.wav", tone(0.02, 200), 16000);
  write_wav("copy.wav", tone(1, 300), 16000);
  std::string rows = row("a", "a.wav", 1) + row("copy", "copy.wav", 1) + row("other", "copy.wav", 1, "y");
  for (const char* name : {"silent", "quiet", "clipped", "offset", "loud"})
    rows += row(name, std::string(name) + ".wav", 1);
  rows += row("short", "short.wav", 0.02);
  const std::string manifest = folder_.write("m.jsonl", rows);
  const std::string text = run("data --audio decode --threads 3 " + manifest).output;
  const auto says = [&](int line, const std::string& sentence) {
    EXPECT_TRUE(contains(text, fmt::format("{}:{}: {}\n", manifest, line, sentence))) << sentence << "\n" << text;
  };
  says(2, "copy: the same samples and label as " + manifest + ":1");
  says(3, "other: the same samples as " + manifest + ":1, another label");
  says(4, "silent: silent: every sample is 0");
  says(5, "quiet: silent: its level is -93 dB");
  says(7, "offset: its samples are 0.25 off zero");
  says(8, "loud: beyond full scale, up to 3.0");
  says(9, "short: short: 20 ms");
  EXPECT_TRUE(contains(text, "clipped: clipped: ")) << text;
  EXPECT_TRUE(contains(text, "twice in a set: 1\n"));
  EXPECT_TRUE(contains(text, "odd sound: 6\n")) << text;
  EXPECT_TRUE(contains(run("data " + manifest).output, "odd sound: 1\n"));  // headers tell of the short one only
}

TEST_F(Data, OddLabels) {
  std::string rows;
  for (int i = 0; i < 30; ++i) {
    const double seconds = 1 + 0.1 * i;
    write_wav(fmt::format("{}.wav", i), tone(seconds, 200 + i), 16000);
    rows +=
        row(fmt::format("k{}", i), fmt::format("{}.wav", i), seconds, std::string(static_cast<size_t>(10 + i), 'x'));
  }
  rows += row("long", "a.wav", 1, std::string(300, 'y')) + row("blanks", "b.wav", 3, " this is what was said here") +
          row("mixed", "b.wav", 3, "this i\u0455 what was said here", R"(, "offset": 0)") +
          row("unseen", "b.wav", 3, "this is what\u200B was said here", R"(, "offset": 0)");
  const std::string text = run("data " + folder_.write("m.jsonl", rows)).output;
  EXPECT_TRUE(contains(text, "long: the label has 300.0 characters a second, where ")) << text;
  EXPECT_TRUE(contains(text, "label too long or short for the clip: 1\n")) << text;
  EXPECT_TRUE(contains(text, "blanks: the label has white space at its ends\n"));
  EXPECT_TRUE(contains(text, "mixed: the label's word 'i\u0455' mixes scripts\n"));
  EXPECT_TRUE(contains(text, "unseen: the label holds the character U+200B\n"));
}

TEST_F(Data, TheManifestsOfAConfig) {
  std::string upper, lower;
  for (int i = 0; i < 20; ++i) {
    write_wav(fmt::format("{}.wav", i), tone(0.5 + 0.05 * i, 200 + i), 16000);
    upper += row(fmt::format("u{}", i), fmt::format("{}.wav", i), 0.5 + 0.05 * i, "Said, so.");
    lower += row(fmt::format("l{}", i), fmt::format("{}.wav", i), 0.5 + 0.05 * i, "said so");
  }
  folder_.write("t.jsonl", upper);
  folder_.write("v.jsonl", lower);
  const std::string config = folder_.write("c.yaml",
                                           "run: {dir: r}\n"
                                           "data: {train: t.jsonl, valid: v.jsonl, batch: {rows: 4}, "
                                           "long_audio: truncate, max_seconds: 1.2}\n"
                                           "trainer: {max_steps: 1, accumulate: 2}\n");
  const Outcome got = run("data --audio decode " + config);
  ASSERT_EQ(got.code, 0) << got.errors;
  EXPECT_TRUE(got.output.starts_with("data.train: " + path("t.jsonl") + "\n  rows: 20\n")) << got.output;
  EXPECT_TRUE(contains(got.output, "data.valid: " + path("v.jsonl") + "\n  rows: 20\n"));
  EXPECT_TRUE(contains(got.output, "recording in two sets: 20\n"));
  EXPECT_TRUE(contains(got.output, "labels are written in different ways\n  ASR: 100 % of the labels of " +
                                       path("t.jsonl") + " have capitals, and 0 % of those of " + path("v.jsonl")))
      << got.output;
  EXPECT_TRUE(contains(got.output, "batches of data.train\n")) << got.output;
  std::filesystem::remove(path("v.jsonl"));
  expect_user_error("data " + config, path("v.jsonl") + ": there is no such file.");
}

TEST_F(Data, BatchesOfTheTinyRecipe) {
  const Corpus corpus;
  const std::string text = run("data --audio none configs/tests/tiny.yaml").output;
  EXPECT_TRUE(contains(text, "batches of data.train\n")) << text;
  for (const char* part : {"  micro-batches: 7 an epoch, 1.9 rows in each on average; 4 steps on one rank\n",
                           " % of the tokens\n", "  tokens: ", "  largest micro-batch: 2 rows of up to ",
                           "  long clips: 1 above data.max_seconds = 2 is cut, 0.5 s in all\n"})
    EXPECT_TRUE(contains(text, part)) << part << text;
}

// "Line" 2 of a list is its second element, wherever in the file that stands.
TEST_F(Data, FixShowsNoForeignTextForTheElementsOfAList) {
  const std::string manifest =
      folder_.write("list.json", "[\n" + row("a", "a.wav", 2.5, "x") + ", {\"key\": 7},\n{\"key\": 8}]\n");
  const Outcome got = run("data --fix " + path("clean.jsonl") + " " + manifest);
  ASSERT_EQ(got.code, 0) << got.errors;
  const auto rejects = json_lines(text(path("clean-rejects.jsonl")));
  ASSERT_EQ(rejects.size(), 2U);
  for (const auto& reject : rejects) EXPECT_TRUE(reject["row"].is_null()) << reject.dump();
  EXPECT_EQ(rejects[0]["line"], 2);
}

TEST_F(Data, FixKeepsWhatCanBeUsedAndMendsIt) {
  write_wav("copy.wav", tone(1, 300), 16000);
  const std::string manifest =
      folder_.write("m.jsonl", row("a", "a.wav", 2.5, " said \u200B", R"(, "spk": 7, "lang": "en")") +
                                   row("copy", "copy.wav", 1, "said") + "no JSON\n" + row("c", "none.wav", 1) +
                                   row("part", "b.wav", 9, "y", R"(, "offset": 1.5)") +
                                   row("tags", "b.wav", 3, "u", R"(, "tags": ["u"])"));
  std::filesystem::create_directory(path("out"));
  const Outcome got = run("data --fix " + path("out/clean.jsonl") + " " + manifest);
  ASSERT_EQ(got.code, 0) << got.errors;
  EXPECT_TRUE(got.output.ends_with(path("out/clean.jsonl") + ": 3 rows, 2 of them mended; 3 left out, see " +
                                   path("out/clean-rejects.jsonl") + "\n"))
      << got.output;
  const auto rows = json_lines(text(path("out/clean.jsonl")));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0], Json::parse(R"({"key": "a", "wav": "../a.wav", "label": "said", "task": "ASR", "dur": 1.0,
                                     "spk": 7, "lang": "en"})"));
  EXPECT_EQ(rows[1], Json::parse(R"({"key": "part", "wav": "../b.wav", "label": "y", "task": "ASR", "dur": 1.5,
                                     "offset": 1.5})"));
  EXPECT_EQ(rows[2]["tags"], Json({"u"}));
  const auto rejects = json_lines(text(path("out/clean-rejects.jsonl")));
  ASSERT_EQ(rejects.size(), 3u);
  EXPECT_EQ(rejects[0]["row"]["key"], "copy");
  EXPECT_EQ(rejects[0]["line"], 2);
  EXPECT_EQ(rejects[0]["file"], manifest);
  EXPECT_EQ(rejects[1]["reason"], path("none.wav") + ": the audio file does not exist");
  EXPECT_EQ(rejects[2]["row"], "no JSON");
  EXPECT_EQ(rejects[2]["line"], 3);
  EXPECT_EQ(load_all(path("out/clean.jsonl")), 3);
  EXPECT_TRUE(contains(run("data --audio decode " + path("out/clean.jsonl")).output, "  problems: none\n"));

  expect_user_error("data --fix " + path("out/clean.jsonl") + " " + manifest,
                    "--fix: " + path("out/clean.jsonl") + " is there already; nothing is overwritten.");
  expect_user_error("data --audio headers --fix " + path("new.jsonl") + " " + manifest,
                    "--fix needs --audio decode: only a recording that was decoded is known to train.");
  const std::string config = folder_.write("c.yaml", "run: {dir: r}\n");
  expect_user_error("data --fix " + path("new.jsonl") + " " + config,
                    "--fix mends one manifest; give the manifests of " + config + " one by one.");
}

// Each bad recording is judged as its line says, and what is kept trains.
TEST_F(Data, TheBadRecordings) {
  USAM_NEEDS_SHARED();
  const std::string manifest = shared_path("data/bad/bad_audio.jsonl");
  const Outcome got = run("data --fix " + path("clean.jsonl") + " " + manifest);
  ASSERT_EQ(got.code, 0) << got.errors;
  std::set<std::string> kept;
  for (const auto& row : json_lines(text(path("clean.jsonl")))) kept.insert(row["key"].get<std::string>());
  std::map<std::string, std::string> rejected;  // key -> reason
  for (const auto& line : json_lines(text(path("clean-rejects.jsonl"))))
    rejected[line["row"]["key"].get<std::string>()] = line["reason"].get<std::string>();
  for (const auto& row : json_lines(text(manifest))) {
    const auto key = row["key"].get<std::string>(), expect = row["expect"].get<std::string>();
    if (expect.starts_with("decoded") && !contains(expect, "or "))
      EXPECT_TRUE(kept.contains(key) || rejected[key].starts_with("the same samples and label")) << key << expect;
    const bool must_go = (expect.starts_with("error") && !contains(expect, " or ")) || expect == "rejected";
    if (must_go) EXPECT_FALSE(kept.contains(key)) << key << ": " << expect;
    EXPECT_NE(kept.contains(key), rejected.contains(key)) << key;
  }
  for (const auto& [key, sentence] : std::map<std::string, std::string>{{"bad-silence.wav", "silent"},
                                                                        {"bad-clipped.wav", "clipped"},
                                                                        {"bad-dc_offset.wav", "off zero"},
                                                                        {"bad-float_out_of_range.wav", "beyond full"},
                                                                        {"bad-stereo_opposite_phase.wav", "silent"},
                                                                        {"bad-one_sample.wav", "short"}}) {
    bool is_found = false;
    std::istringstream lines(got.output);
    for (std::string line; std::getline(lines, line);)
      is_found = is_found || (contains(line, key + ": ") && contains(line, sentence));
    EXPECT_TRUE(is_found) << key << " " << sentence << "\n" << got.output;
  }
  EXPECT_EQ(load_all(path("clean.jsonl")), std::ssize(kept));
  EXPECT_GT(std::ssize(kept), 15);
}

TEST_F(Data, FormatsAndBadManifestsAreInspected) {
  USAM_NEEDS_SHARED();
  const std::string formats = run("data --audio decode " + shared_path("data/formats/formats.jsonl")).output;
  EXPECT_TRUE(contains(formats, "FLAC (Free Lossless Audio Codec)")) << formats;
  for (const char* name : {"bad", "bom", "empty", "utf16"}) {
    const Outcome got = run("data " + shared_path(fmt::format("data/bad/{}.jsonl", name)));
    EXPECT_EQ(got.code, 0) << name << got.errors;
    EXPECT_TRUE(contains(got.output, "  problems: ")) << name;
  }
  const Outcome fixed = run("data --fix " + path("clean.jsonl") + " " + shared_path("data/bad/bad.jsonl"));
  ASSERT_EQ(fixed.code, 0) << fixed.errors;
  EXPECT_GT(load_all(path("clean.jsonl")), 5);
}

TEST_F(Data, ThePageOpensInABrowser) {
  USAM_NEEDS_BROWSER();
  write_wav("silent.wav", torch::zeros({16000}), 16000);
  std::string rows = row("evil <b>", "none.wav", 1, "<script>alert(1)</script>") + row("s", "silent.wav", 1);
  for (int i = 0; i < 30; ++i) {
    write_wav(fmt::format("{}.wav", i), tone(1 + 0.1 * i, 200 + i), 16000);
    rows += row(fmt::format("k{}", i), fmt::format("{}.wav", i), 1 + 0.1 * i, " said");
  }
  folder_.write("m.jsonl", rows);
  const std::string config = folder_.write("c.yaml",
                                           "run: {dir: r}\n"
                                           "data: {train: m.jsonl, batch: {rows: 4}, long_audio: drop}\n"
                                           "trainer: {max_steps: 1}\n");
  const Outcome got = run("data --audio decode --html " + path("page.html") + " " + config);
  ASSERT_EQ(got.code, 0) << got.errors;
  Browser browser;
  for (const int width : {1200, 390}) {
    browser.resize(width, 900, width < 500);
    browser.open("file://" + path("page.html"));
    EXPECT_EQ(browser.evaluate("document.documentElement.dataset.script"), "ran");
    EXPECT_EQ(browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), true) << width;
  }
  EXPECT_GE(browser.evaluate("document.querySelectorAll('svg.histogram rect').length").get<int>(), 32);
  EXPECT_EQ(browser.evaluate("document.querySelectorAll('.heard audio').length"), 7);  // six of a kind
  EXPECT_EQ(browser.evaluate("document.querySelectorAll('script').length"), 1);
  EXPECT_TRUE(browser.comes_true("[...document.querySelectorAll('audio')].every(a => a.readyState > 0)"));
  EXPECT_TRUE(contains(browser.dom(), "evil &lt;b&gt;"));
  EXPECT_EQ(browser.requests().size(), 1u);
  EXPECT_TRUE(browser.complaints().empty()) << browser.complaints().front();
}

TEST_F(Data, UserErrors) {
  expect_user_error("data " + path("none.jsonl"), path("none.jsonl") + ": there is no such file.");
  EXPECT_EQ(run("data").code, 2);
  EXPECT_EQ(run("data --audio all " + path("a.wav")).code, 2);
}

}  // namespace
}  // namespace usam::test
