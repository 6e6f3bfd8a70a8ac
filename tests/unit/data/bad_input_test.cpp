// ../shared/data/bad: every file judged as its manifest says.
#include <fstream>
#include <map>

#include "data/audio/decode.h"
#include "data/manifest.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "tests/support.h"

namespace usam::data {
namespace {

std::vector<Json> read_lines(const std::filesystem::path& path) {
  std::vector<Json> rows;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) rows.push_back(Json::parse(text));
  return rows;
}

// The line number of a problem `path:line: sentence`.
int64_t line_of(const std::string& problem, const std::string& path) {
  EXPECT_TRUE(problem.starts_with(path + ":")) << problem;
  return std::stoll(problem.substr(path.size() + 1));
}

TEST(BadManifest, EachLineIsJudgedAsExpected) {
  USAM_NEEDS_SHARED();
  const auto folder = test::shared_folder() / "data/bad";
  const std::string path = (folder / "bad.jsonl").string();
  SeenKeys seen;
  ManifestProblems problems;
  ManifestOptions options;
  options.tasks = {"ASR", "SEC", "AAC", "MC", "S2TT"};
  const auto manifest = Manifest::open(path, options, seen, problems);
  std::map<int64_t, std::string> refused;
  for (const auto& problem : problems.all()) refused[line_of(problem, path)] = problem;
  for (const auto& problem : check_audio(*manifest, 1000).first) {
    if (problem.find("'dur' is 29.9 s") == std::string::npos) refused[line_of(problem, path)] = problem;
  }
  std::map<int64_t, Row> accepted;
  for (int64_t i = 0; i < manifest->size(); ++i) accepted[manifest->row(i).line] = manifest->row(i);

  const auto expectations = read_lines(folder / "bad_expect.jsonl");
  ASSERT_EQ(expectations.size(), 58u);
  for (const Json& row : expectations) {
    const int64_t line = row["line"];
    const std::string expect = row["expect"], why = row["why"];
    const bool is_refused = refused.contains(line), is_accepted = accepted.contains(line) && !is_refused;
    if (expect == "skip") {
      EXPECT_FALSE(is_refused || is_accepted) << line << " " << why;
    } else if (expect.starts_with("ok or error") || expect.starts_with("error or ok") ||
               expect.starts_with("error or")) {
      EXPECT_TRUE(is_refused || is_accepted) << line << " " << why;
    } else if (expect.starts_with("ok")) {
      EXPECT_TRUE(is_accepted) << line << " " << why << ": " << refused[line];
    } else {
      EXPECT_TRUE(is_refused) << line << " " << why;
    }
  }
  EXPECT_EQ(accepted[32].references.front(), "<|endoftext|><s></s><pad><AcousticTokens>");  // plain text
  EXPECT_EQ(refused[2], path + ":2: not valid JSON at column 98: invalid string: ill-formed UTF-8 byte");
}

TEST(BadManifest, WholeFiles) {
  USAM_NEEDS_SHARED();
  const auto folder = test::shared_folder() / "data/bad";
  const auto message = [&](const std::string& name) {
    return test::message_of([&] { Manifest::open((folder / name).string()); });
  };
  EXPECT_EQ(message("empty.jsonl"), (folder / "empty.jsonl").string() + ": the manifest holds no row");
  EXPECT_EQ(message("utf16.jsonl"),
            (folder / "utf16.jsonl").string() + ": the file is UTF-16 or UTF-32 text; save it as UTF-8");
  EXPECT_EQ(message("bom.jsonl"), "");
}

// What a decoder may do with a file: the samples that may come out, -1 for an error, -2 for any number.
std::vector<int64_t> outcomes(const std::string& expect, int64_t declared) {
  std::vector<int64_t> allowed;
  if (expect.find("error") != std::string::npos || expect.find("reject") != std::string::npos) allowed.push_back(-1);
  if (expect.starts_with("decoded")) allowed.push_back(declared);
  if (expect.find("skip") != std::string::npos) allowed.push_back(-1);
  for (const int64_t count : {16000, 15999, 9978, 4000, 1600}) {
    if (expect.find(std::to_string(count)) != std::string::npos) allowed.push_back(count);
  }
  if (expect.find("finite features") == 0) allowed.push_back(declared);
  if (expect.find("part") != std::string::npos || expect.find("half") != std::string::npos) allowed.push_back(-2);
  return allowed;
}

TEST(BadAudio, EachFileIsReadOrRefusedAsExpected) {
  USAM_NEEDS_SHARED();
  const auto folder = test::shared_folder() / "data/bad";
  const auto rows = read_lines(folder / "bad_audio.jsonl");
  EXPECT_GE(rows.size(), 50u);
  for (const Json& row : rows) {
    const std::string wav = row["wav"], expect = row["expect"];
    int64_t found = -1, rate = 16000;
    std::string message;
    try {
      const audio::Audio audio = audio::decode((folder / wav).string());
      found = audio.samples.numel();
      rate = audio.sample_rate;
      EXPECT_TRUE(audio.samples.isfinite().all().item<bool>()) << wav;
    } catch (const UserError& e) {
      message = e.what();
      EXPECT_NE(message.find(wav), std::string::npos) << message;
    }
    const auto declared = static_cast<int64_t>(std::llround(row["dur"].get<double>() * static_cast<double>(rate)));
    bool is_allowed = false;
    for (const int64_t allowed : outcomes(expect, declared)) {
      is_allowed |= allowed == -2 ? found > declared / 4 && found < declared
                    : allowed < 0 ? found < 0
                                  : std::abs(found - allowed) <= 4;
    }
    EXPECT_TRUE(is_allowed) << wav << ": " << found << " samples of " << declared << ", expected: " << expect << " "
                            << message;
  }
}

TEST(BadAudio, LosslessFilesThatEndEarlyAreDamaged) {
  USAM_NEEDS_SHARED();
  const std::string path = (test::shared_folder() / "data/bad/truncated.flac").string();
  EXPECT_EQ(test::message_of([&] { audio::decode(path); }),
            path + ": the file is damaged: 19584 of 47840 samples could be read");
}

TEST(BadAudio, TheCodecIsNamed) {
  USAM_NEEDS_SHARED();
  const std::string path = (test::shared_folder() / "data/bad/unknown_codec.wav").string();
  EXPECT_NE(test::message_of([&] { audio::decode(path); }).find("codec tag 0x1234"), std::string::npos);
}

}  // namespace
}  // namespace usam::data
