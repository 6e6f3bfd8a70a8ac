#pragma once
// A config with every kind of field, and the short hand that its tests share.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config_yaml.h"
#include "src/base/error.h"
#include "tests/support.h"

namespace usam::test {

enum class Pad { kClip, kThirtySeconds };

struct TrainFile {
  Path path;
  double weight = 1;
};
inline void describe(Fields& f, TrainFile& c) {
  f("path", c.path, "manifest").required().must_exist();
  f("weight", c.weight, "how often its rows are drawn").more_than(0).resumable();
  f.from_scalar("path");
}

struct DataConfig {
  std::vector<TrainFile> train;
  std::vector<Path> test;
  bool shuffle = true;
};
inline void describe(Fields& f, DataConfig& c) {
  f("train", c.train, "manifests to train on").or_single();
  f("test", c.test, "manifests to evaluate").or_single().must_exist();
  f("shuffle", c.shuffle, "draw rows in random order");
}

struct OptimizerConfig {
  double lr = 1e-3;
  int64_t warmup = 0;
  std::optional<double> clip = 1;
};
inline void describe(Fields& f, OptimizerConfig& c) {
  f("lr", c.lr, "learning rate").more_than(0).at_most(1).resumable();
  f("warmup", c.warmup, "steps of warm-up").at_least(0);
  f("clip", c.clip, "largest gradient norm").more_than(0);
}

struct RunConfig {
  Path dir{"runs/new"};
};
inline void describe(Fields& f, RunConfig& c) {
  f("dir", c.dir, "where the run is written").relative_to_cwd();
}

struct SampleConfig {
  int64_t seed = 0;
  std::string name = "none";
  Pad pad = Pad::kClip;
  RunConfig run;
  DataConfig data;
  OptimizerConfig optimizer;
  std::map<std::string, std::string> prompts;
  std::optional<OptimizerConfig> second;
};
inline void describe(Fields& f, SampleConfig& c) {
  f("seed", c.seed, "seed of everything random").at_least(0);
  f("name", c.name, "what the run is called");
  f.choice("pad", c.pad, {{"clip", Pad::kClip}, {"30s", Pad::kThirtySeconds}}, "what a clip is padded to");
  f("run", c.run, "the run");
  f("data", c.data, "the data");
  f("optimizer", c.optimizer, "the optimizer");
  f("prompts", c.prompts, "text per task");
  f("second", c.second, "another optimizer");
}

// Loads `text` as the file c.yaml of a folder of its own; messages show the folder as DIR and the working directory as
// CWD.
class Loader {
 public:
  template <class C = SampleConfig>
  C load(const std::string& text, const LoadOptions& options = {}) {
    C config;
    load_config(folder.write("c.yaml", text), options, config);
    return config;
  }
  template <class C = SampleConfig>
  std::string error(const std::string& text, const LoadOptions& options = {}) {
    return shown(message_of([&] { load<C>(text, options); }));
  }
  std::string shown(std::string text) const {
    replace_all(text, folder.path().string(), "DIR");
    replace_all(text, std::filesystem::current_path().string(), "CWD");
    return text;
  }
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  TemporaryFolder folder;

 private:
  static void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
};

}  // namespace usam::test
