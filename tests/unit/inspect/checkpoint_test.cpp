#include "trainer/checkpoint.h"

#include "src/base/fs.h"
#include "tests/checkpoints.h"
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

class CheckpointCommand : public UsamInspect {
 protected:
  std::string write(int64_t step) const {
    CheckpointParts parts;
    parts.state.step = step;
    parts.state.cursor = {1, 4};
    parts.state.seed = 20;
    parts.state.best = Best{"loss", 0.5, 3};
    parts.config_yaml = "seed: 20\n";
    parts.model = {{"bridge.w", torch::ones({2, 3})}, {"llm.w", torch::zeros({4})}};
    parts.optimizer = whole_pieces({{"bridge.w.average", torch::ones({2, 3})}});
    parts.save_assets = [](const std::string& folder, const io::NamedTensors&) {
      write_file_atomically(folder + "/base.json",
                            R"({"bases": [{"part": "llm", "source": "random", "seed": 20}], "overlays": []})");
    };
    return write_checkpoint(folder_.path(), parts);
  }
  static std::string body(int64_t step) {
    return "  state: step " + std::to_string(step) + R"(, epoch 1, micro-batch 4, seed 20; best loss 0.5 at step 3
  model: 10 values in 2 tensors (bridge 6 and llm 4)
  optimizer: 6 values in 1 tensor (bridge 6)
  base: llm from random values, seed 20
)";
  }
};

TEST_F(CheckpointCommand, AWholeOne) {
  const std::string checkpoint = write(7);
  const Outcome got = run("checkpoint " + checkpoint);
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, checkpoint + "\n" + body(7) + "  problems: none\n");
}

TEST_F(CheckpointCommand, ADamagedOne) {
  const std::string checkpoint = write(7);
  std::ofstream(checkpoint + "/config.yaml") << "seed: 21\n";
  const Outcome got = run("checkpoint " + checkpoint);
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, checkpoint + "\n" + body(7) +
                            "  problems: 1\n    config.yaml has another SHA-256 than the manifest says\n");
}

TEST_F(CheckpointCommand, ARun) {
  const std::string first = write(7), second = write(9);
  std::filesystem::create_symlink("checkpoint-9", path("last"));
  std::filesystem::create_symlink("checkpoint-3", path("best"));
  std::filesystem::remove(second + "/manifest.json");
  const Outcome got = run("checkpoint " + folder_.path().string());
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, folder_.path().string() +
                            ": 2 checkpoints\nlast is checkpoint-9\nbest is checkpoint-3, which is not there\n" +
                            first + "\n" + body(7) + "  problems: none\n" + second + "\n" + body(9) +
                            "  problems: 1\n    manifest.json is missing: it was not written to its end\n");
}

TEST_F(CheckpointCommand, OneOfSeveralRanks) {
  CheckpointParts parts;
  parts.state.step = 7;
  parts.config_yaml = "seed: 20\n";
  parts.model = {{"bridge.w", torch::ones({2, 3})}};
  parts.is_shared = true;
  Json files = Json::object();
  for (const int64_t rank : {0, 1}) {
    parts.optimizer = {{"bridge.w.average", torch::ones({3}), 3 * rank, {2, 3}}};
    files.update(write_share(folder_.path(), parts, rank, 2));
  }
  const std::string checkpoint = commit_checkpoint(folder_.path(), 7, files);
  const std::string text = checkpoint +
                           "\n  state: step 7, epoch 0, micro-batch 0, seed 0\n  model: 6 values in 1 tensor (bridge "
                           "6)\n";
  EXPECT_EQ(run("checkpoint " + checkpoint).output,
            text + "  optimizer: 6 values in 1 tensor (bridge 6), shared by 2 ranks\n  problems: none\n");
  files.erase("optimizer-00002-of-00002.safetensors");
  std::filesystem::remove(checkpoint + "/optimizer-00002-of-00002.safetensors");
  write_manifest(checkpoint, FolderKind::kCheckpoint, files);
  EXPECT_EQ(run("checkpoint " + checkpoint).output,
            text +
                "  optimizer: 6 values in 1 tensor (bridge 6)\n  problems: 2\n"
                "    manifest.json does not list optimizer-00002-of-00002.safetensors\n"
                "    optimizer: bridge.w.average: elements 3 to 5 of 6 are missing\n");
}

TEST_F(CheckpointCommand, AWriteThatDidNotEnd) {
  const std::string checkpoint = write(7);
  std::filesystem::create_directory(path(".checkpoint-9.partial"));
  EXPECT_EQ(run("checkpoint " + folder_.path().string()).output,
            folder_.path().string() +
                ": 1 checkpoint\n.checkpoint-9.partial is being written, or was when the run ended; the run removes "
                "it when it goes on\n" +
                checkpoint + "\n" + body(7) + "  problems: none\n");
}

TEST_F(CheckpointCommand, UserErrors) {
  expect_user_error("checkpoint " + path("none"), path("none") + ": there is no such folder.");
  std::filesystem::create_directory(path("empty"));
  expect_user_error("checkpoint " + path("empty"),
                    path("empty") + " is neither a checkpoint nor the folder of a run with checkpoints.");
}

}  // namespace
}  // namespace usam::test
