// Rows with recordings in tars: WebDataset, NeMo's tarred sets, lhotse's shar.
#include <zlib.h>

#include <chrono>
#include <filesystem>

#include "data/audio/decode.h"
#include "data/loader.h"
#include "data/sources/open.h"
#include "src/base/json.h"
#include "tests/unit/data/tars.h"

namespace usam::data {
namespace {

using namespace test_support;

class TarSources : public testing::Test {
 protected:
  ManifestConfig config_of(const std::string& name, const std::string& format = "auto") const {
    ManifestConfig config;
    config.path = {(folder_.path() / name).string()};
    config.format = format;
    return config;
  }
  std::shared_ptr<const Source> open(const std::string& name, const std::string& task = "ASR",
                                     const std::string& format = "auto") const {
    ManifestConfig config = config_of(name, format);
    config.task = task;
    return open_manifests({config}, {{}, index_dir()});
  }
  // What is said when it is opened, without the folder's name.
  std::string problem(const std::string& name, const std::string& task = "ASR",
                      const std::string& format = "auto") const {
    std::string message = test::message_of([&] { open(name, task, format); });
    const std::string folder = folder_.path().string() + "/";
    for (size_t at; (at = message.find(folder)) != std::string::npos;) message.erase(at, folder.size());
    return message;
  }
  std::string index_dir() const { return (folder_.path() / "index").string(); }
  void write_gz(const std::string& name, const std::string& text) const {
    gzFile file = gzopen((folder_.path() / name).c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
  }
  test::TemporaryFolder folder_;
  const std::string wav_ = wav_of(0.25);
};

TEST_F(TarSources, AWebDatasetSampleIsTheMembersOfOneName) {
  folder_.write("a.tar",
                tar_member("x/a.wav", wav_) + tar_member("x/a.txt", "one two\n") +
                    tar_member("b.json", R"({"text": "b text", "task": "SEC", "prompt": "What?", "duration": "0.5",)"
                                         R"( "lang": "de", "tags": "p, q"})") +
                    tar_member("b.FLAC", wav_) + tar_member("c.wav", wav_) + tar_member("c.cls", "7") +
                    tar_member("d.json", R"({"key": "own", "label": ["d one", "d two"], "text": "more"})") +
                    tar_member("d.txt", "not this") + tar_member("d.wav", wav_) +
                    tar_member("e.json", R"({"lang": "en"})") + tar_member("e.txt", "from the txt\tand another") +
                    tar_member("e.wav", wav_) + tar_member("README", "x") + tar_member(".hidden", "x") +
                    tar_member("e.spectrum.png", "x") + tar_end());
  const auto source = open("a.tar");
  ASSERT_EQ(source->size(), 5);
  const Row a = source->row(0), b = source->row(1), c = source->row(2), d = source->row(3), e = source->row(4);
  EXPECT_EQ(a.key, "x/a");
  EXPECT_EQ(a.references, std::vector<std::string>{"one two"});
  EXPECT_EQ(a.task, "ASR");
  EXPECT_EQ(a.seconds, 0.25);  // from the header
  EXPECT_EQ(a.audio().shown(), (folder_.path() / "a.tar").string() + ": x/a.wav");
  EXPECT_EQ(source->place(0), (folder_.path() / "a.tar").string() + ":1");
  EXPECT_EQ(b.key, "b");
  EXPECT_EQ(b.task, "SEC");
  EXPECT_EQ(b.prompt, "<audio>What?");
  EXPECT_EQ(b.seconds, 0.5);
  EXPECT_EQ(b.tags, (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(Json::parse(b.extra), Json({{"lang", "de"}}));
  EXPECT_EQ(c.references, std::vector<std::string>{"7"});
  EXPECT_EQ(d.key, "own");
  EXPECT_EQ(d.references, (std::vector<std::string>{"d one", "d two"}));
  EXPECT_EQ(e.references, (std::vector<std::string>{"from the txt", "and another"}));
  for (int64_t i = 0; i < 5; ++i) {
    const Row row = source->row(i);
    EXPECT_EQ(source->text_bytes(i), source->Source::text_bytes(i));
    EXPECT_EQ(audio::decode(row.audio()).samples.numel(), 4000);
  }
}

TEST_F(TarSources, WherePathsLieIsNoQuestion) {
  folder_.write("a.tar", tar_member("a.wav", wav_) + tar_member("a.txt", "one") + tar_end());
  ManifestConfig config = config_of("a.tar");
  config.task = "ASR";
  config.audio_root = {folder_.path().string()};
  EXPECT_EQ(test::message_of([&] { open_manifests({config}, {{}, index_dir()}); }),
            (folder_.path() / "a.tar").string() +
                ": 'audio_root' and 'prefix' say where audio files lie, but these lie in tars; "
                "remove them");
}

TEST_F(TarSources, MembersOfASampleMayStandApart) {
  folder_.write("a.tar", tar_member("a.wav", wav_) + tar_member("b.wav", wav_) + tar_member("a.txt", "A") +
                             tar_member("b.txt", "B") + tar_end());
  const auto source = open("a.tar");
  ASSERT_EQ(source->size(), 2);
  EXPECT_EQ(source->row(1).references.front(), "B");
}

TEST_F(TarSources, SeveralShardsByRangePatternAndFolder) {
  for (int i = 0; i < 3; ++i) {
    std::string bytes;
    for (int k = 0; k < 4; ++k)
      bytes += tar_member(fmt::format("{}-{}.wav", i, k), wav_) + tar_member(fmt::format("{}-{}.txt", i, k), "x");
    folder_.write(fmt::format("s-{:03}.tar", i), bytes + tar_end());
  }
  for (const char* path : {"s-{000..002}.tar", "s-*.tar", "."}) {
    const auto source = open(path);
    ASSERT_EQ(source->size(), 12) << path;
    EXPECT_EQ(source->row(7).key, "1-3") << path;
    EXPECT_EQ(source->place(7), (folder_.path() / "s-001.tar").string() + ":4") << path;
  }
}

// Shards that each number their samples from 0.
TEST_F(TarSources, NamesThatStandInSeveralShards) {
  const std::string bytes = tar_member("0.wav", wav_) + tar_member("0.txt", "x");
  folder_.write("a.tar", bytes + tar_end());
  folder_.write("b.tar", bytes + tar_member("1.wav", wav_) + tar_member("1.txt", "x") + tar_end());
  const auto source = open(".");
  ASSERT_EQ(source->size(), 3);
  EXPECT_EQ(source->row(0).key, "0");
  EXPECT_EQ(source->row(1).key, "b/0");
  EXPECT_EQ(source->row(2).key, "1");
}

TEST_F(TarSources, WhatIsNoSampleIsToldWithItsShardAndName) {
  folder_.write("a.tar", tar_member("a.wav", wav_) + tar_member("b.txt", "x") + tar_member("c.1.wav", wav_) +
                             tar_member("c.2.wav", wav_) + tar_member("c.txt", "x") + tar_member("d.wav", wav_) +
                             tar_member("d.json", "{") + tar_member("e.wav", wav_) + tar_member("e.txt", "\xff") +
                             tar_member("f.wav", wav_) + tar_member("f.wav", wav_) + tar_member("f.txt", "x") +
                             tar_link("g.wav", "/etc/passwd", '2') + tar_member("g.txt", "x") +
                             tar_member("h.wav", wav_) + tar_member("h.json", R"({"text": "x", "duration": -1})") +
                             tar_end());
  folder_.write("b.tar", tar_member("a.wav", wav_).substr(0, 3000));
  folder_.write("c.tar", tar_member("readme.md", "x") + tar_end());
  EXPECT_EQ(
      problem("{a,b,c}.tar"),
      "a.tar: c.2.wav: the sample 'c' has a recording already, c.1.wav: what stands before a name's first dot names "
      "the sample\n"
      "a.tar: f.wav: the member stands twice in the tar\n"
      "a.tar: g.wav: a symbolic link, which is never followed\n"
      "a.tar: b: the sample has no recording (its parts share their name up to the first dot)\n"
      "a.tar: g: the sample has no recording (its parts share their name up to the first dot)\n"
      "a.tar: a: the sample has no label: no 'label' or 'text' in a .json, no .txt and no .cls\n"
      "a.tar: d: its .json: not valid JSON at column 2: unexpected end of input; expected string literal\n"
      "a.tar: e: its label is not UTF-8 text\n"
      "a.tar: h: its .json: 'duration' must be from 0 to 1000000 seconds, found -1\n"
      "b.tar: a.wav: the tar shard ends before this member of " +
          std::to_string(wav_.size()) +
          " bytes does: it is cut off or damaged; write or copy it again\n"
          "c.tar: the tar shard holds no sample: no recording beside a .json, .txt or .cls of its name");
  folder_.write("d.tar", tar_member("a.wav", wav_) + tar_member("a.txt", "x") + tar_end());
  EXPECT_EQ(problem("d.tar", ""),
            "d.tar:1: 'task' is missing; name it in the row, or for all of them in the config: {path: ..., task: ASR}");
  EXPECT_EQ(problem("none-{0..1}.tar"), "none-{0..1}.tar: 2 of 2 files are not there: none-0.tar and none-1.tar");
  folder_.write("e.tar.gz", "\x1f\x8b\x08");
  EXPECT_EQ(problem("e.tar.gz"),
            "e.tar.gz: a tar shard that is compressed (gzip) cannot be read at random places; unpack it (audio hardly "
            "shrinks) or write the shards again as plain .tar");
}

// What cannot be decoded, and shards that go away while they are used, cost their samples alone.
TEST_F(TarSources, AVanishedShardIsACountedSkip) {
  const auto shard = [&](const std::string& name) {
    return tar_member(name + "0.wav", wav_) + tar_member(name + "0.txt", "x") + tar_member(name + "1.wav", wav_) +
           tar_member(name + "1.txt", "x") + tar_end();
  };
  folder_.write("a.tar", shard("a"));
  const std::string b = folder_.write("b.tar", shard("b"));
  const std::string c = folder_.write("c.tar", shard("c"));
  folder_.write("d.tar", tar_member("d.wav", "no audio") + tar_member("d.txt", "x") + tar_member("e.wav", "") +
                             tar_member("e.txt", "x") + tar_end());
  const auto source = open(".");
  std::map<std::string, std::string> reasons;
  const auto skips = std::make_shared<SkipList>(
      1.0, [&](const Skipped& s) { reasons[s.key] = s.reason.substr(s.reason.find(": ") + 2); });
  const auto data = std::make_shared<DataSet>(source, small_plan(), small_config(2), Use{}, skips);
  std::filesystem::remove(b);
  std::filesystem::resize_file(c, 3000);
  Loader loader(data, {});
  std::set<std::string> keys;
  while (const auto batch = loader.next()) keys.insert(batch->keys.begin(), batch->keys.end());
  EXPECT_EQ(keys, (std::set<std::string>{"a0", "a1"}));
  EXPECT_EQ(reasons["b0"], "b0.wav: the tar shard does not exist");
  EXPECT_EQ(reasons["c0"],
            "c0.wav: the tar shard ends at byte 3000, before this member does: it was cut off after it was "
            "indexed");
  EXPECT_EQ(reasons["d"].substr(0, 30), "d.wav: cannot be read as audio");
  EXPECT_EQ(reasons["e"], "e.wav: the audio file is empty");
  EXPECT_EQ(loader.counts().skipped, 6);
}

TEST_F(TarSources, NemoManifestsNameTheirTars) {
  folder_.write("audio_0.tar",
                tar_member("a.wav", wav_) + tar_member("b.wav", wav_) + tar_member("unused.wav", wav_) + tar_end());
  folder_.write("audio_1.tar", tar_member("a.wav", wav_) + tar_end());
  const std::string rows =
      R"({"audio_filepath": "a.wav", "duration": 0.25, "text": "zero", "shard_id": 0, "lang": "en"})"
      "\n"
      R"({"audio_filepath": "a.wav", "duration": 0.25, "text": "one", "shard_id": 1})"
      "\n"
      R"({"audio_filepath": "b.wav", "duration": 0.1, "text": "two", "offset": 0.0, "shard_id": 0})"
      "\n"
      R"({"audio_filepath": "b-sub1.wav", "duration": 0.1, "text": "three", "offset": 0.1, "shard_id": 0})"
      "\n"
      R"({"audio_filepath": "gone.wav", "duration": 0.1, "text": "three", "shard_id": 0, "_skipme": 1})"
      "\n";
  folder_.write("tarred_audio_manifest.json", rows);
  const auto source = open("tarred_audio_manifest.json");
  ASSERT_EQ(source->size(), 4);
  EXPECT_EQ(source->row(0).key, "a.wav");
  EXPECT_EQ(source->row(1).key, "audio_1/a.wav");
  EXPECT_EQ(source->row(1).references.front(), "one");
  EXPECT_EQ(source->row(1).audio().path, (folder_.path() / "audio_1.tar").string());
  EXPECT_EQ(Json::parse(source->row(0).extra).at("lang"), "en");
  EXPECT_EQ(source->row(3).audio().member, "b.wav");
  EXPECT_EQ(source->row(3).audio().offset, 0.1);
  EXPECT_EQ(source->place(3), (folder_.path() / "tarred_audio_manifest.json").string() + ":4");
  for (int64_t i = 0; i < 4; ++i) {
    const Row row = source->row(i);
    EXPECT_EQ(audio::decode(row.audio(), 9, audio::part_of(row)).samples.numel(), i < 2 ? 4000 : 1600);
  }

  folder_.write("tarred_audio_manifest_bad.json",
                R"({"audio_filepath": "none.wav", "duration": 1, "text": "x", "shard_id": 0})"
                "\n"
                R"({"audio_filepath": "a.wav", "duration": 1, "text": "x", "shard_id": 7})"
                "\n"
                R"({"audio_filepath": "a.wav", "duration": 1, "text": "x"})"
                "\n{\n");
  const std::string said = problem("tarred_audio_manifest_bad.json");
  EXPECT_TRUE(
      said.starts_with("tarred_audio_manifest_bad.json:1: 'none.wav' is not in audio_0.tar\n"
                       "tarred_audio_manifest_bad.json:2: 'shard_id' is 7, but no tar has this number\n"
                       "tarred_audio_manifest_bad.json:3: 'shard_id' is missing, and there are several tars\n"
                       "tarred_audio_manifest_bad.json:4: not valid JSON at column 2"))
      << said;
}

TEST_F(TarSources, NemoShardedManifests) {
  std::filesystem::create_directory(folder_.path() / "sharded_manifests");
  for (int i = 0; i < 2; ++i) {
    folder_.write(fmt::format("audio_{}.tar", i), tar_member(fmt::format("{}.wav", i), wav_) + tar_end());
    folder_.write(fmt::format("sharded_manifests/manifest_{}.json", i),
                  fmt::format(R"({{"audio_filepath": "{}.wav", "duration": 0.25, "text": "x{}"}})", i, i));
  }
  EXPECT_EQ(open("sharded_manifests/manifest__OP_0..1_CL_.json")->row(1).references.front(), "x1");
  EXPECT_EQ(open("sharded_manifests/manifest_1.json")->row(0).references.front(), "x1");
  ManifestConfig config = config_of("sharded_manifests/manifest__OP_0..1_CL_.json", "nemo_tarred");
  config.task = "ASR";
  config.tars = {(folder_.path() / "audio__OP_0..1_CL_.tar").string()};
  EXPECT_EQ(open_manifests({config})->row(0).audio().member, "0.wav");
  std::filesystem::rename(folder_.path() / "audio_0.tar", folder_.path() / "other.tar");
  std::filesystem::rename(folder_.path() / "audio_1.tar", folder_.path() / "another.tar");
  EXPECT_NE(problem("sharded_manifests/manifest_0.json").find("name the tars beside the path"), std::string::npos);
}

std::string cut(const std::string& id, const std::string& text, double seconds = 0.25) {
  const Json recording = {{"id", id},
                          {"sources", {{{"type", "shar"}, {"channels", {0}}, {"source", ""}}}},
                          {"sampling_rate", 16000},
                          {"num_samples", 4000},
                          {"duration", seconds},
                          {"channel_ids", {0}}};
  return Json({{"id", id},
               {"start", 0},
               {"duration", seconds},
               {"channel", 0},
               {"supervisions",
                {{{"id", id},
                  {"recording_id", id},
                  {"start", 0.0},
                  {"duration", seconds},
                  {"text", text},
                  {"language", "en"}}}},
               {"recording", recording},
               {"type", "MonoCut"}})
             .dump() +
         "\n";
}

TEST_F(TarSources, LhotseSharFolders) {
  for (int i = 0; i < 2; ++i) {
    const std::string a = fmt::format("rec-{}.a", i), b = fmt::format("rec-{}.b", i);
    folder_.write(fmt::format("recording.{:06}.tar", i),
                  tar_member(a + ".wav", wav_) + tar_member(a + ".json", R"({"id": "x"})") +
                      tar_member(b + ".flac", wav_) + tar_member(b + ".json", R"({"id": "x"})") + tar_end());
    folder_.write(fmt::format("features.{:06}.tar", i), "anything");
    write_gz(fmt::format("cuts.{:06}.jsonl.gz", i), cut(a, fmt::format("text {}", i)) + cut(b, "other"));
  }
  const auto source = open(".");
  ASSERT_EQ(source->size(), 4);
  const Row row = source->row(2);
  EXPECT_EQ(row.key, "rec-1.a");
  EXPECT_EQ(row.references.front(), "text 1");
  EXPECT_EQ(row.seconds, 0.25);
  EXPECT_FALSE(row.audio().is_part);
  EXPECT_EQ(audio::decode(row.audio()).samples.numel(), 4000);
  EXPECT_EQ(Json::parse(row.extra).at("lang"), "en");
  EXPECT_TRUE(source->place(2).ends_with("cuts.000001.jsonl.gz:1"));

  write_gz("cuts.000001.jsonl.gz", cut("rec-1.a", "x") + cut("rec-1.c", "x") + cut("rec-1.d", "x"));
  folder_.write("recording.000001.tar", tar_member("rec-1.a.wav", wav_) + tar_member("rec-1.a.json", "{}") +
                                            tar_member("rec-1.d.nodata", "") + tar_member("rec-1.d.nometa", "") +
                                            tar_end());
  EXPECT_EQ(problem("."),
            "cuts.000001.jsonl.gz:2: the cut 'rec-1.c' has no recording in recording.000001.tar\n"
            "cuts.000001.jsonl.gz:3: the cut 'rec-1.d' was stored without a recording (rec-1.d.nodata)");
  std::filesystem::remove(folder_.path() / "recording.000001.tar");
  EXPECT_NE(problem(".").find("2 files of cuts, but 1 recording.*.tar; each shard has one of both"), std::string::npos);
  EXPECT_NE(problem("index", "ASR", "lhotse_shar").find("holds no cuts.*.jsonl.gz"), std::string::npos);
}

TEST_F(TarSources, LhotseCutsThatCannotBeRead) {
  for (int i = 0; i < 3; ++i)
    folder_.write(fmt::format("recording.{:06}.tar", i), tar_member("a.wav", wav_) + tar_end());
  std::filesystem::create_symlink("nowhere", folder_.path() / "cuts.000000.jsonl.gz");
  std::filesystem::create_directory(folder_.path() / "cuts.000001.jsonl.gz");
  std::filesystem::create_directory(folder_.path() / "cuts.000002.jsonl");
  EXPECT_EQ(problem("."),
            "cuts.000000.jsonl.gz: the manifest cannot be read: No such file or directory\n"
            "cuts.000001.jsonl.gz: the manifest cannot be read: not a file\n"
            "cuts.000002.jsonl: the manifest cannot be read: not a file");
}

// The same batches, bit for bit, whether the recordings are files or members of tars.
TEST_F(TarSources, BatchesAreThoseOfTheSameRowsAsFiles) {
  USAM_NEEDS_SHARED();
  const auto shared = test::shared_folder() / "data";
  std::ifstream manifest(shared / "train.jsonl");
  std::string rows, shards[3];
  int64_t number = 0;
  for (std::string text; std::getline(manifest, text); ++number) {
    if (number % 60 != 0) continue;
    Json row = Json::parse(text);
    const std::string wav = (shared / row["wav"].get<std::string>()).string();
    std::string& shard = shards[std::min<int64_t>(number / 800, 2)];
    shard +=
        tar_member(row["key"].get<std::string>() + std::filesystem::path(wav).extension().string(), file_bytes(wav));
    row.erase("wav");
    shard += tar_member(row["key"].get<std::string>() + ".json", row.dump());
    row["wav"] = wav;
    rows += row.dump() + "\n";
  }
  for (int i = 0; i < 3; ++i) folder_.write(fmt::format("s-{}.tar", i), shards[i] + tar_end());
  folder_.write("m.jsonl", rows);

  DataConfig config = small_config(4, 2);
  config.augment.speed = {0.9, 1.1};
  config.augment.gain_db = 6;
  const auto batches_of = [&](const std::string& path) {
    const auto data = std::make_shared<DataSet>(open(path), small_plan(), config, Use{11, true});
    Loader loader(data, {});
    std::vector<Batch> batches;
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
    return batches;
  };
  const auto files = batches_of("m.jsonl"), tars = batches_of("s-{0..2}.tar");
  ASSERT_GE(files.size(), 9u);
  ASSERT_EQ(files.size(), tars.size());
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(files[i].keys, tars[i].keys);
    for (const auto& [name, field] : files[i].fields) {
      EXPECT_TRUE(torch::equal(field.data, tars[i].field(name).data)) << i << " " << name;
      EXPECT_TRUE(torch::equal(field.lengths_B, tars[i].field(name).lengths_B)) << i << " " << name;
    }
  }
}

// Many shards open from their index at once.
TEST_F(TarSources, AThousandShardsOpenFromTheIndex) {
  std::filesystem::create_directory(folder_.path() / "many");
  for (int i = 0; i < 1000; ++i) {
    std::string bytes;
    for (int k = 0; k < 20; ++k)
      bytes += tar_member(fmt::format("{}-{}.wav", i, k), "RIFF") +
               tar_member(fmt::format("{}-{}.json", i, k), R"({"text": "some words", "duration": 1.5})");
    folder_.write(fmt::format("many/s-{:06}.tar", i), bytes + tar_end());
  }
  const auto timed = [&] {
    const auto begin = std::chrono::steady_clock::now();
    const auto source = open("many/s-{000000..000999}.tar");
    EXPECT_EQ(source->size(), 20000);
    EXPECT_EQ(source->row(19999).key, "999-19");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double built = timed(), opened = timed();
  RecordProperty("built_ms", static_cast<int>(built * 1000));
  RecordProperty("opened_ms", static_cast<int>(opened * 1000));
  EXPECT_LT(opened, 1);
  EXPECT_LT(opened, built);
  folder_.write("many/s-000999.tar", tar_member("x.wav", wav_) + tar_member("x.txt", "x") + tar_end());
  EXPECT_EQ(open("many/s-{000000..000999}.tar")->size(), 19981);  // a shard that changed is noticed
}

}  // namespace
}  // namespace usam::data
