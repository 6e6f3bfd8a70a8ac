#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

class Data : public UsamInspect {
 protected:
  Data() {
    write_wav("a.wav", torch::zeros({16000}), 16000);
    write_wav("b.wav", torch::zeros({48000}), 16000);
  }
};

TEST_F(Data, AGoodManifest) {
  const std::string manifest = folder_.write("m.jsonl",
                                             R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR"}
{"key": "b", "wav": "b.wav", "label": "x", "task": "MC", "dur": 3, "tags": ["u", "v"]}
{"key": "c", "wav": "b.wav", "label": "x", "task": "MC", "dur": 3, "tags": ["u"]}
)");
  const Outcome got = run("data " + manifest);
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, manifest + R"(
  rows: 3
  audio: 7.0 s in 3 rows, 2.33 s on average, 1.00 to 3.00 s
  tasks: ASR 1 and MC 2
  tags: 2 different
  problems: none
)");
}

TEST_F(Data, ProblemsAreListedAndTheExitCodeIsZero) {
  const std::string manifest = folder_.write("m.jsonl",
                                             R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "dur": 2.5}
{"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "dur": 1}
{"key": "c", "wav": "none.wav", "label": "x", "task": "ASR", "dur": 1}
)");
  const Outcome got = run("data " + manifest);
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, manifest + "\n  rows: 2\n  audio: 3.5 s in 2 rows, 1.75 s on average, 1.00 to 2.50 s\n" +
                            "  tasks: ASR 2\n  problems: 3\n    " + manifest + ":2: key 'a' stands in " + manifest +
                            ":1 already\n    " + manifest + ":1: a: 'dur' is 2.5 s, but " + path("a.wav") +
                            " holds 1.00 s\n    " + manifest + ":3: c: " + path("none.wav") +
                            ": the audio file does not exist\n");
}

TEST_F(Data, TheManifestsOfAConfig) {
  const std::string line = R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR"})";
  folder_.write("t.jsonl", line + "\n");
  folder_.write("v.jsonl", line + "\n");
  const std::string config = folder_.write("c.yaml",
                                           "run: {dir: r}\n"
                                           "data: {train: t.jsonl, valid: v.jsonl, batch: {rows: 1}, "
                                           "long_audio: drop}\n"
                                           "trainer: {max_steps: 1}\n");
  const Outcome got = run("data " + config);
  ASSERT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output.find("data.train: " + path("t.jsonl") + "\n  rows: 1\n"), 0u) << got.output;
  EXPECT_NE(got.output.find("data.valid: " + path("v.jsonl") + "\n  rows: 1\n"), std::string::npos);
  std::filesystem::remove(path("v.jsonl"));
  expect_user_error("data " + config, path("v.jsonl") + ": there is no such file.");
}

TEST_F(Data, UserErrors) {
  expect_user_error("data " + path("none.jsonl"), path("none.jsonl") + ": there is no such file.");
  EXPECT_EQ(run("data").code, 2);
}

}  // namespace
}  // namespace usam::test
