#include "trainer/checkpoint.h"

#include "tests/checkpoints.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

CheckpointParts some_parts(int64_t step) {
  CheckpointParts parts;
  parts.state.step = step;
  parts.state.cursor = {1, 4};
  parts.state.seed = 20;
  parts.state.global_micro_batches = 2;
  parts.state.best = Best{"loss", 0.1, 3};
  parts.config_yaml = "a: 1\n";
  parts.model = {{"m", torch::ones({2, 3})}, {"n", torch::zeros({4})}};
  parts.optimizer = test::whole_pieces({{"m.average", torch::ones({2, 3})}});
  parts.save_assets = [](const std::string& folder, const io::NamedTensors&) {
    std::filesystem::create_directory(folder + "/tokenizer");
    std::ofstream(folder + "/tokenizer/spm.model") << "pieces";
  };
  return parts;
}

class Checkpoint : public ::testing::Test {
 protected:
  std::string run() const { return folder_.path(); }
  test::TemporaryFolder folder_;
};

TEST_F(Checkpoint, IsWhole) {
  const CheckpointParts parts = some_parts(7);
  const std::string path = test::write_checkpoint(run(), parts);
  EXPECT_EQ(path, run() + "/checkpoint-7");
  EXPECT_TRUE(checkpoint_problems(path).empty());
  EXPECT_EQ(read_run_state(path), parts.state);
  EXPECT_EQ(test::names_in(run()), std::vector<std::string>{"checkpoint-7"});
  const Json manifest = Json::parse(test::content(path + "/manifest.json"));
  EXPECT_EQ(manifest["files"]["tokenizer/spm.model"]["bytes"], 6);
  EXPECT_EQ(manifest["files"]["config.yaml"]["sha256"],  // sha256sum of "a: 1\n"
            "37b128c59f1f5097f73f82691cb519f1f568667faab5ced1b4ab979d36837eae");
}

TEST_F(Checkpoint, StateFile) {
  EXPECT_EQ(
      to_json(some_parts(7).state).dump(),
      R"({"step":7,"cursor":{"epoch":1,"micro_batch":4,"phase":0},"seeds":{"run":20},"best":{"metric":"loss","value":0.1,)"
      R"("step":3},"owes_evaluation":false,"global_micro_batches":2,"bad_steps":0,"skipped":0,"seen":{}})");
}

TEST_F(Checkpoint, ProblemsAreNamed) {
  const std::string path = test::write_checkpoint(run(), some_parts(7));
  std::ofstream(path + "/state.json", std::ios::app) << " ";
  std::filesystem::remove(path + "/tokenizer/spm.model");
  std::ofstream(path + "/config.yaml") << "a: 2\n";
  const auto bytes = std::filesystem::file_size(path + "/state.json");
  EXPECT_EQ(checkpoint_problems(path),
            (std::vector<std::string>{"config.yaml has another SHA-256 than the manifest says",
                                      fmt::format("state.json has {} bytes, the manifest says {}", bytes, bytes - 1),
                                      "tokenizer/spm.model is missing"}));
  std::filesystem::remove(path + "/manifest.json");
  EXPECT_EQ(test::message_of([&] { require_whole_checkpoint(path); }),
            path + " is not a whole checkpoint: manifest.json is missing: it was not written to its end.");
  EXPECT_EQ(test::message_of([&] { require_whole_checkpoint(run() + "/none"); }),
            run() + "/none is not a whole checkpoint: it is not a folder.");
}

TEST_F(Checkpoint, BrokenManifestsAreProblems) {
  const std::string path = test::write_checkpoint(run(), some_parts(7));
  std::ofstream(path + "/manifest.json") << "{\"format\": 1, \"files\": {}}";
  EXPECT_EQ(checkpoint_problems(path).size(), 4u);
  std::ofstream(path + "/manifest.json") << "{\"format\": 2}";
  EXPECT_EQ(checkpoint_problems(path), std::vector<std::string>{"its format is 2, this program reads 1"});
  std::ofstream(path + "/manifest.json") << "{";
  EXPECT_EQ(checkpoint_problems(path).size(), 1u);
}

TEST_F(Checkpoint, IsNeverOverwrittenButATornOneIs) {
  const std::string path = test::write_checkpoint(run(), some_parts(7));
  EXPECT_EQ(test::message_of([&] { test::write_checkpoint(run(), some_parts(7)); }),
            path + " exists already and is not overwritten. Use another run.dir.");
  std::filesystem::remove(path + "/manifest.json");
  test::write_checkpoint(run(), some_parts(7));
  EXPECT_TRUE(checkpoint_problems(path).empty());
}

TEST_F(Checkpoint, AFailureLeavesNoCheckpoint) {
  CheckpointParts parts = some_parts(7);
  parts.save_assets = [](const std::string&, const io::NamedTensors&) { throw std::runtime_error("disk full"); };
  EXPECT_THROW(test::write_checkpoint(run(), parts), std::runtime_error);
  EXPECT_FALSE(std::filesystem::exists(run() + "/checkpoint-7"));
}

TEST_F(Checkpoint, RestoringRefusesLeftoversAndGaps) {
  const std::string file = test::write_checkpoint(run(), some_parts(7)) + "/model.safetensors";
  torch::Tensor m = torch::zeros({2, 3}), n = torch::ones({4});
  restore_tensors({{"m", m}, {"n", n}}, file);
  EXPECT_TRUE(m.equal(torch::ones({2, 3})));
  EXPECT_TRUE(n.equal(torch::zeros({4})));
  EXPECT_EQ(
      test::message_of([&] { restore_tensors({{"m", torch::zeros({3, 2})}, {"o", n}}, file); }),
      file +
          " does not fit this run:\n  m: expected Float (3, 2), got Float (2, 3)\n  o: missing in the file\n  n: in "
          "the file, but not in this run");
}

TEST_F(Checkpoint, OverlaysAModule) {
  test::ToyRecipe recipe;
  CheckpointParts parts = some_parts(7);
  parts.model = {{"spare", torch::full({2, 2}, 9.0)}};
  const std::string path = test::write_checkpoint(run(), parts);
  const OverlayReport report = overlay(recipe.module(), path);
  EXPECT_EQ(report.file, path + "/model.safetensors");
  EXPECT_EQ(report.tensors, 1);
  EXPECT_EQ(report.values, 4);
  EXPECT_TRUE(test::trained(recipe)[2].second.equal(torch::full({2, 2}, 9.0)));

  io::write_safetensors(run() + "/a.safetensors", {{"spare", torch::ones({3})}, {"other", torch::ones({1})}});
  const std::string message = test::message_of([&] { overlay(recipe.module(), run() + "/a.safetensors"); });
  EXPECT_NE(message.find("other"), std::string::npos);
  EXPECT_NE(message.find("shape of spare"), std::string::npos);

  std::filesystem::remove(path + "/manifest.json");
  EXPECT_EQ(test::message_of([&] { overlay(recipe.module(), path); }),
            path + " is not a whole checkpoint: manifest.json is missing: it was not written to its end.");
}

}  // namespace
}  // namespace usam
