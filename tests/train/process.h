#pragma once
// The programs as a user runs them.
#include <sys/wait.h>

#include <sstream>
#include <string>

#include "tests/json_lines.h"
#include "tests/train/corpus.h"

namespace usam::test {

struct Ended {
  int code = 0;
  std::string output, errors;
};

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The number before a unit of human_bytes() that stands behind `before`, in bytes.
inline double bytes_behind(const std::string& text, const std::string& before) {
  const size_t at = text.find(before);
  if (at == std::string::npos) return -1;
  std::istringstream words(text.substr(at + before.size()));
  double value = 0;
  std::string unit;
  words >> value >> unit;
  for (const char* known : {"B", "KiB", "MiB", "GiB"}) {
    if (unit == known) return value;
    value *= 1024;
  }
  return -1;
}

// The lines of a run's metrics without what depends on the clock.
inline std::vector<Json> metrics_of(const std::filesystem::path& run) {
  auto lines = json_lines_of(run / "metrics.jsonl");
  for (Json& line : lines) line.erase("time");
  return lines;
}

inline void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// A corpus, a folder for runs, and programs run in the source tree.
class ProgramTest : public testing::Test {
 protected:
  Ended run(const std::string& program, const std::string& arguments) const {
    const std::string out = path("out"), err = path("err");
    const int status = std::system((program + " " + arguments + " >" + out + " 2>" + err).c_str());
    Ended ended{WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(err)};
    // Folders differ from run to run.
    for (auto* text : {&ended.output, &ended.errors}) {
      replace_all(*text, corpus_.path(""), "CORPUS/");
      replace_all(*text, path(""), "DIR/");
    }
    return ended;
  }
  Ended train(const std::string& arguments) const { return run(USAM_TRAIN, arguments); }
  Ended evaluate(const std::string& arguments) const { return run(USAM_EVAL, arguments); }
  // usam-train on the tiny config, in DIR/run, for a few steps.
  Ended train_tiny(const std::string& arguments = "") const {
    return train("configs/tests/tiny.yaml trainer.max_steps=4 trainer.save_every=2 trainer.eval_every=2 run.dir=" +
                 path("run") + " " + arguments);
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  // A config over configs/tests/tiny.yaml.
  std::string write_config(const std::string& name, const std::string& text) const {
    return folder_.write(name, "base: " + std::filesystem::absolute("configs/tests/tiny.yaml").string() + "\n" + text);
  }

  Corpus corpus_;
  TemporaryFolder folder_;
};

}  // namespace usam::test
