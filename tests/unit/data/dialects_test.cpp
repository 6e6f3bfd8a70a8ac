// Rows as other projects write them: what becomes of them, and each mistake's sentence.
#include "data/dialects.h"

#include <zlib.h>

#include "data/sources/open.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::tone;
using test_support::write_wav;

class Dialects : public ::testing::Test {
 protected:
  // The rows of a manifest of this text.
  std::vector<Row> rows(const std::string& text, ManifestConfig config = {}, const std::string& name = "m.jsonl") {
    config.path.value = folder_.write(name, text);
    const auto source = open_manifests({config});
    std::vector<Row> all;
    for (int64_t i = 0; i < source->size(); ++i) {
      all.push_back(source->row(i));
      EXPECT_EQ(std::max(all.back().seconds, 0.0), source->seconds(i));
      EXPECT_EQ(Source(*source).text_bytes(i), source->text_bytes(i));
    }
    return all;
  }
  struct Source final : data::Source {  // text_bytes as it follows from the row
    explicit Source(const data::Source& of) : of_(of) {}
    int64_t size() const override { return of_.size(); }
    Row row(int64_t index) const override { return of_.row(index); }
    double seconds(int64_t index) const override { return of_.seconds(index); }
    std::string name() const override { return of_.name(); }
    const data::Source& of_;
  };
  std::string at(const std::string& name) const { return (folder_.path() / name).string(); }
  static std::string problem(const char* dialect, const std::string& text) {
    ManifestLine line;
    return find_dialect(dialect)->parse(text, line, true).value_or("");
  }
  static ManifestConfig with_task(const std::string& task) {
    ManifestConfig config;
    config.task = task;
    return config;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Dialects, Usam) {
  const auto all = rows(
      R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "dur": 1, "lang": "de", "spk": {"x": [1], "x": 2}})");
  EXPECT_EQ(all.at(0).extra, R"({"lang":"de","spk":{"x":2}})");
}

TEST_F(Dialects, Slam) {
  const auto all =
      rows(R"({"key": "k0", "prompt": "<ASR>", "source": "a.wav", "target": "one", "target_len": 3, "source_len": 17})"
           "\n"
           R"({"key": "k1", "prompt": "Transcribe speech.", "source": "/b.wav", "target": "two"})"
           "\n"
           R"({"key": "k2", "task": "hotword", "path": "c.wav", "target": "three", "hotword": "tree"})",
           [] {
             ManifestConfig config = with_task("AAC");
             config.tasks = {{"hotword", "ASR"}};
             return config;
           }());
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].key, "k0");
  EXPECT_EQ(all[0].audio().path, at("a.wav"));
  EXPECT_EQ(all[0].task, "ASR");
  EXPECT_EQ(all[0].prompt, "");
  EXPECT_EQ(all[0].extra, R"({"target_len":3,"source_len":17})");
  EXPECT_EQ(all[1].prompt, "<audio>Transcribe speech.");
  EXPECT_EQ(all[1].task, "AAC");  // names none
  EXPECT_EQ(all[2].audio().path, at("c.wav"));
  EXPECT_EQ(all[2].task, "ASR");  // renamed
  EXPECT_EQ(problem("slam", R"({"key": "k"})"), "'source' is missing");
  EXPECT_EQ(problem("slam", R"({"path": "a.wav"})"), "'target' is missing");
  EXPECT_EQ(problem("slam", R"({"source": "a.wav", "target": 3})"), "'target' must be text, found a number");
  EXPECT_EQ(problem("slam", R"({"source": " ", "target": "a"})"), "'source' is empty");
}

TEST_F(Dialects, Salmonn) {
  const std::string text = R"({"annotation": [
    {"path": "/d/a.wav", "text": "one [1] \"two\" \\", "task": "asr", "lang": "en"},
    {"path": "/d/a.wav", "text": "yes", "task": "QA", "Q": "Is it {loud}?"},
    {"path": "b.wav", "text": "three"}
  ]})";
  ManifestConfig config = with_task("");
  config.tasks = {{"asr", "ASR"}};
  const auto all = rows(text, config, "a.json");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].references.front(), "one [1] \"two\" \\");
  EXPECT_EQ(all[0].task, "ASR");
  EXPECT_EQ(all[0].extra, R"({"lang":"en"})");
  EXPECT_EQ(all[0].key, "/d/a.wav#asr");
  EXPECT_EQ(all[1].prompt, "<audio>Is it {loud}?");
  EXPECT_EQ(all[1].key, "/d/a.wav#QA#<audio>Is it {loud}?");
  EXPECT_EQ(all[1].line, 2);
  EXPECT_EQ(all[2].task, "ASR");  // the project's own default
  EXPECT_EQ(problem("salmonn", R"({"path": "a", "text": "b", "expand_wav": ["c"]})"),
            "'expand_wav' joins several recordings to one; join them beforehand");
  const std::string f = folder_.path().string();
  const auto message = [&](const std::string& broken) {
    return test::message_of([&] { rows(broken, {}, "a.json"); }).substr(f.size());
  };
  EXPECT_EQ(message(R"({"annotation": [{"path": "a", "text": "b"}, {"path)"),
            "/a.json:2: the text ends before its list does; the file is cut off");
  EXPECT_EQ(message(R"({"annotation": []})"), "/a.json: the manifest holds no row");
  EXPECT_EQ(message(R"({"annotation": {}})"), "/a.json:1: \"annotation\" must be a list");
  EXPECT_EQ(message(R"({"annotation": [{"path": "a", "text": "b"}, 3]})"),
            "/a.json:2: element 2 of the list is no map");
  EXPECT_EQ(message(R"({"annotation": [{"path": "a", "text": "b"}, {"path": "a"}]})"), "/a.json:2: 'text' is missing");
}

TEST_F(Dialects, Nemo) {
  const auto all = rows(R"({"audio_filepath": "a.wav", "duration": 1.5, "text": "one", "offset": 0.25, "lang": "en"})"
                        "\n"
                        R"({"audio_filepath": "a.wav", "duration": 9, "text": "", "_skipme": true})"
                        "\n"
                        R"({"audio_filepath": "b.wav", "duration": 2, "text": "two", "_skipme": 0})",
                        with_task("ASR"));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].key, "a.wav@0.25+1.5");
  EXPECT_TRUE(all[0].audio().is_part);
  EXPECT_EQ(all[0].audio().offset, 0.25);
  EXPECT_EQ(all[0].seconds, 1.5);
  EXPECT_EQ(all[0].extra, R"({"lang":"en"})");
  EXPECT_EQ(all[1].key, "b.wav");
  EXPECT_EQ(all[1].line, 3);
  EXPECT_FALSE(all[1].audio().is_part);
  EXPECT_EQ(problem("nemo", R"({"audio_filepath": "a", "duration": "x", "text": "t"})"),
            "'duration' must be a number of seconds, found 'x'");
  EXPECT_EQ(problem("nemo", R"({"audio_filepath": "a", "text": ""})"), "'text' is empty");
  EXPECT_EQ(problem("nemo", R"({"audio_filepath": "a", "offset": -1, "text": "t"})"),
            "'offset' must be from 0 to 1000000 seconds, found -1");
}

TEST_F(Dialects, Messages) {
  write_wav(folder_, "1.wav", tone(0.5, 440));
  write_wav(folder_, "2.wav", tone(0.25, 440));
  const auto all = rows(
      // ms-swift
      R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<audio>What is it?"}, )"
      R"({"role": "assistant", "content": "Glass."}], "audios": ["1.wav"], "source": "x"})"
      "\n"
      // LLaMA-Factory and ShareGPT
      R"({"conversations": [{"from": "human", "value": "<audio><audio>Same?"}, {"from": "gpt", "value": "No."}], )"
      R"("audios": ["1.wav", "2.wav"], "system": "Listen."})"
      "\n"
      // OpenAI
      R"({"messages": [{"role": "user", "content": [{"type": "audio", "audio": "2.wav"}, {"type": "text", "text": "Hm?"}]}, )"
      R"({"role": "assistant", "content": "A tone."}], "id": "k"})",
      with_task("AAC"));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].prompt, "Be brief.\n<audio>What is it?");
  EXPECT_EQ(all[0].references.front(), "Glass.");
  EXPECT_EQ(all[0].audio().path, at("1.wav"));
  EXPECT_EQ(all[0].seconds, 0.5);
  EXPECT_EQ(all[0].extra, R"({"source":"x"})");
  EXPECT_EQ(all[0].key, "1.wav#Be brief.\n<audio>What is it?");
  EXPECT_EQ(all[1].prompt, "Listen.\n<audio><audio>Same?");
  ASSERT_EQ(all[1].audios.size(), 2u);
  EXPECT_EQ(all[1].audios[1].path, at("2.wav"));
  EXPECT_EQ(all[1].seconds, 0.75);
  EXPECT_EQ(all[2].key, "k");
  EXPECT_EQ(all[2].prompt, "<audio>Hm?");
}

TEST_F(Dialects, MessagesRefuse) {
  const auto turns = [](const std::string& turns, const std::string& more = R"("audios": ["a.wav"])") {
    return problem("messages", R"({"messages": [)" + turns + "], " + more + "}");
  };
  const std::string user = R"({"role": "user", "content": "<audio>?"})",
                    answer = R"({"role": "assistant", "content": "!"})";
  EXPECT_EQ(turns(user + "," + answer), "");
  EXPECT_EQ(turns(user), "the talk holds no answer: a turn of assistant (gpt) is missing");
  EXPECT_EQ(turns(user + "," + answer + "," + user),
            "the talk goes on after an answer; give each answer as a row of its own");
  EXPECT_EQ(turns(user + "," + answer + "," + answer), "the talk holds several answers; give each as a row of its own");
  EXPECT_EQ(turns(user + "," + answer, R"("audios": [])"), "the prompt holds 1 <audio>, but there are 0 audios");
  EXPECT_EQ(turns(user + "," + answer, R"("audios": "a.wav")"), "");
  EXPECT_EQ(turns(user + "," + answer, R"("audios": [3])"), "'audios' must be a list of paths");
  EXPECT_EQ(turns(R"({"role": "user", "content": "?"},)" + answer, R"("audios": [])"), "the row has no audio");
  EXPECT_EQ(turns(user + "," + R"({"role": "assistant", "content": "<audio>"})"),
            "the answer holds <audio>; usam answers in text");
  EXPECT_EQ(turns(R"({"role": "tool", "content": "?"},)" + answer),
            "a turn of 'tool' is not known; turns are of system, user (human) or assistant (gpt)");
  EXPECT_EQ(turns(R"({"role": "user"},)" + answer), "'content' is missing");
  EXPECT_EQ(turns("3"), "a turn must be a map, found a number");
  EXPECT_EQ(turns(R"({"role": "user", "content": [{"type": "image"}]},)" + answer),
            "a part of type 'image' is not known; parts are text or audio");
  EXPECT_EQ(turns(user + "," + answer, R"("audios": ["a.wav"], "images": ["b.png"])"),
            "'images' is not known to usam, which takes audio and one answer");
  EXPECT_EQ(problem("messages", R"({"messages": 3})"), "'messages' must be a list, found a number");
}

TEST_F(Dialects, Kimi) {
  const auto all = rows(
      R"({"task_type": "understanding", "conversation": [{"role": "user", "message_type": "text", "content": "Write:"}, )"
      R"({"role": "user", "message_type": "audio", "content": "a.wav"}, )"
      R"({"role": "assistant", "message_type": "text", "content": "one"}], "dur": 3})",
      with_task("ASR"));
  EXPECT_EQ(all.at(0).prompt, "Write:\n<audio>");
  EXPECT_EQ(all.at(0).audio().path, at("a.wav"));
  EXPECT_EQ(all.at(0).references.front(), "one");
  EXPECT_EQ(problem("kimi", R"({"task_type": "s-s", "conversation": []})"),
            "a row of 'task_type' s-s is not known; usam takes 'understanding'");
  EXPECT_EQ(problem("kimi", R"({"conversation": [{"role": "user", "message_type": "image", "content": "a"}]})"),
            "a turn of 'message_type' image is not known; it is text or audio");
  EXPECT_EQ(problem("kimi", R"({"conversation": [{"role": "assistant", "message_type": "audio", "content": "a"}]})"),
            "the answer is audio; usam answers in text");
}

std::string cut(const std::string& more,
                const std::string& source = R"({"type": "file", "channels": [0], "source": "a.wav"})") {
  return R"({"id": "c1", "start": 1.5, "duration": 2, "channel": 0, "supervisions": [)"
         R"({"id": "s2", "start": 1, "duration": 1, "text": "two", "language": "en", "speaker": "p"}, )"
         R"({"id": "s1", "start": 0, "duration": 1, "text": "one", "language": "en", "speaker": "p"}], )"
         R"("recording": {"id": "r", "sources": [)" +
         source + R"(], "sampling_rate": 16000, "num_samples": 80000, "duration": 5})" + more + "}";
}

TEST_F(Dialects, Lhotse) {
  const auto all = rows(
      cut(R"(, "custom": {"origin": "x"}, "type": "MonoCut")") + "\n" +
          R"({"id": "c2", "start": 0, "duration": 5, "channel": 0, "supervisions": [{"text": "all"}], "recording": )"
          R"({"id": "r", "sources": [{"type": "file", "channels": [0], "source": "b.wav"}], "duration": 5}, "type": "MonoCut"})",
      with_task("ASR"));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].key, "c1");
  EXPECT_EQ(all[0].references.front(), "one two");  // in the order of time
  EXPECT_EQ(all[0].audio().offset, 1.5);
  EXPECT_EQ(all[0].seconds, 2);
  EXPECT_EQ(all[0].extra, R"({"origin":"x","lang":"en","spk":"p"})");
  EXPECT_FALSE(all[1].audio().is_part);
  const auto lhotse = [](const std::string& text) { return problem("lhotse", text); };
  EXPECT_EQ(lhotse(cut(R"(, "type": "MonoCut")")), "");
  EXPECT_EQ(lhotse(cut(R"(, "type": "MultiCut")")),
            "a cut of type 'MultiCut' is not known; usam takes MonoCut: store mixed and padded cuts as audio");
  EXPECT_EQ(lhotse(R"({"id": "c", "tracks": []})"),
            "a cut of type 'MixedCut' is not known; usam takes MonoCut: store mixed and padded cuts as audio");
  EXPECT_EQ(lhotse(cut("", R"({"type": "file", "channels": [0, 1], "source": "a.wav"})")),
            "the cut takes channel 0 of 2; usam hears the mean of a file's channels: store the channel as a file");
  EXPECT_EQ(lhotse(cut("", R"({"type": "command", "channels": [0], "source": "a.wav"})")),
            "a recording's source of type 'command' is not known; usam takes 'file'");
  EXPECT_EQ(lhotse(cut("", R"({"type": "file", "source": "a"}, {"type": "file", "source": "b"})")),
            "the recording has 2 sources; usam takes one of one file");
  EXPECT_EQ(lhotse(R"({"id": "c", "start": 0, "duration": 1, "supervisions": []})"), "'recording' is missing");
  EXPECT_EQ(lhotse(R"({"id": "c", "start": 0, "duration": 1, "supervisions": [], "recording": {"sources": [)"
                   R"({"type": "file", "source": "a"}]}})"),
            "no supervision of the cut holds text");
  EXPECT_EQ(lhotse(R"({"id": "c", "start": 0, "duration": 1, "supervisions": [], "recording": {"sources": [], )"
                   R"("transforms": [{"name": "Speed"}]}})"),
            "'recording.transforms' are not applied by usam; store the audio as it is to be heard");
}

TEST_F(Dialects, ListsHoldRowsOfAnyDialect) {
  const auto all = rows(R"([{"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "dur": 1},
 {"key": "b", "wav": "b.wav", "label": "y", "task": "ASR", "dur": 1}])",
                        {}, "m.json");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].key, "b");
  EXPECT_EQ(all[1].line, 2);
}

TEST_F(Dialects, NothingStandsBehindAList) {
  const auto message = [&](const std::string& text) { return test::message_of([&] { rows(text, {}, "m.json"); }); };
  const std::string row = R"({"path": "a", "text": "b"})", list = "[" + row + "]", map = R"({"annotation": )" + list;
  EXPECT_EQ(rows(list + " \r\n\t\n", {}, "m.json").size(), 1u);
  EXPECT_EQ(rows(map + R"(, "made by": {"names": ["x", "]}\""]}} )" + "\n", {}, "m.json").size(), 1u);
  const auto joined = [&](size_t bytes) {
    return fmt::format(
        "{}: further text follows behind the list (at byte {}), as if files had been joined; put all rows into one "
        "list, or name each file as a manifest of its own",
        at("m.json"), bytes);
  };
  EXPECT_EQ(message(list + "\n" + list), joined(list.size() + 1));
  EXPECT_EQ(message(map + "}\n" + map + "}"), joined(map.size() + 2));
  EXPECT_EQ(message(R"({"annotation": []})" + map + "}"), joined(18));
  EXPECT_EQ(message(list + "}"), joined(list.size()));
  EXPECT_EQ(message(map + R"(, "made by": "}")"),
            at("m.json") + ": the text ends behind its list, before the map around it does; the file is cut off");
}

TEST_F(Dialects, AFormatThatIsNamedIsTaken) {
  ManifestConfig config;
  config.format = "slam";
  EXPECT_EQ(
      test::message_of([&] { rows(R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "dur": 1})", config); }),
      at("m.jsonl") + ":1: 'source' is missing");
}

TEST_F(Dialects, TheConfigGivesWhatRowsLack) {
  ManifestConfig config;
  const std::string row = R"({"key": "a", "source": "/old/x/a.wav", "target": "x", "dur": 1})";
  EXPECT_EQ(test::message_of([&] { rows(row, config); }),
            at("m.jsonl") +
                ":1: 'task' is missing; name it in the row, or for all of them in the config: {path: ..., task: ASR}");
  config.task = "ASR";
  config.prompt = "Write: <audio>";
  config.prefix = {{"/old", "/new"}, {"/old/x/", "y/"}};
  config.audio_root.value = "/corpus";
  const auto all = rows(row + "\n" + R"({"key": "b", "source": "b.wav", "target": "x"})", config);
  EXPECT_EQ(all.at(0).task, "ASR");
  EXPECT_EQ(all.at(0).prompt, "Write: <audio>");
  EXPECT_EQ(all.at(0).audio().path, "/corpus/y/a.wav");  // the longest beginning counts
  EXPECT_EQ(all.at(1).audio().path, "/corpus/b.wav");
}

std::string gz(const std::string& text) {
  std::string out(text.size() + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(Dialects, Compressed) {
  const std::string a = test_support::line("a", "a.wav", 1), b = test_support::line("b", "b.wav", 2);
  const auto all = rows(gz(a) + gz(b) + std::string(512, '\0'), {}, "m.jsonl.gz");  // two members, and a tape's zeros
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].key, "b");
  EXPECT_EQ(all[1].line, 2);
  const auto message = [&](const std::string& bytes) {
    return test::message_of([&] { rows(bytes, {}, "m.jsonl.gz"); });
  };
  const std::string whole = gz(a), path = at("m.jsonl.gz");
  EXPECT_EQ(message(whole.substr(0, whole.size() - 9)), path + ": the compressed file is cut off; copy it again");
  EXPECT_EQ(message(a), path + ": the file is no gzip file, though its name ends in .gz");
  EXPECT_EQ(message(""), path + ": the compressed file is cut off; copy it again");
  std::string damaged = whole;
  damaged[whole.size() - 6] ^= 1;
  EXPECT_EQ(message(damaged), path + ": the compressed file is damaged: incorrect data check");
  EXPECT_EQ(message(gz("{}\n")), path + ":1: 'key' is missing");
}

}  // namespace
}  // namespace usam::data
