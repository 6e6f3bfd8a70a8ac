// A trained run as one folder that opens on another machine, where the base models lie elsewhere and the run is not.
#include "src/base/hash.h"
#include "tests/train/llama_folder.h"
#include "tests/train/process.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRemedy =
    "\nusam-generate and usam-eval take --base NAME=FOLDER for one of them, or --models FOLDER (or USAM_MODELS) for a "
    "folder that holds them under the names that they had.\n";

class Export : public ProgramTest {
 protected:
  // Two stages over a pretrained language model: what the first trained the second keeps frozen.
  void SetUp() override {
    write_llama(path("here/tiny-llama"), 1);
    const std::string llm = "recipe.llm.init=pretrained recipe.llm.path=" + path("here/tiny-llama");
    const auto first = train_tiny(llm + " run.dir=" + path("first"));
    ASSERT_EQ(first.code, 0) << first.errors;
    const auto second = train_tiny(llm + " recipe.freeze=['bridge.*'] init_from=" + path("first/last"));
    ASSERT_EQ(second.code, 0) << second.errors;
  }
  Ended inspect(const std::string& arguments) const { return run(USAM_INSPECT, arguments); }
  Ended generate(const std::string& checkpoint, const std::string& options = "") const {
    return run(USAM_GENERATE, "--checkpoint " + path(checkpoint) + " --task ASR " + options + " --max-new-tokens 30 " +
                                  corpus_.path("test0.wav") + " " + corpus_.path("test3.wav"));
  }
  // The machine that gets the export: models in there/, nothing of the run.
  void move_away() const {
    fs::create_directories(path("there"));
    fs::rename(path("here/tiny-llama"), path("there/tiny-llama"));
    for (const char* run : {"first", "run"}) fs::remove_all(path(run));
  }
};

TEST_F(Export, OpensWhereTheBaseModelsLieElsewhere) {
  const auto before = generate("run/best");
  ASSERT_EQ(before.code, 0) << before.errors;
  const auto exported = inspect("export " + path("run/best") + " --output " + path("exported"));
  ASSERT_EQ(exported.code, 0) << exported.errors;
  const Json report = Json::parse(exported.output);
  EXPECT_EQ(report.at("output"), "DIR/exported");
  EXPECT_EQ(report.at("bases"), Json::parse(R"([{"part": "llm", "path": "DIR/here/tiny-llama"}])"));
  for (const char* name : {"config.yaml", "model.safetensors", "tokenizer/tokenizer.model", "base.json",
                           "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "manifest.json"})
    EXPECT_TRUE(fs::is_regular_file(path("exported/") + name)) << name;
  EXPECT_FALSE(fs::exists(path("exported/optimizer.safetensors")));
  const auto shown = inspect("checkpoint " + path("exported"));
  EXPECT_NE(shown.output.find("problems: none\n"), std::string::npos) << shown.output << shown.errors;

  move_away();
  EXPECT_EQ(generate("exported", "--models " + path("there")).output, before.output);
  EXPECT_EQ(generate("exported", "--base llm=" + path("there/tiny-llama")).output, before.output);
  setenv("USAM_MODELS", path("there").c_str(), 1);
  EXPECT_EQ(generate("exported").output, before.output);
  unsetenv("USAM_MODELS");
  const std::string eval =
      write_config("eval.yaml", "recipe: {llm: {init: pretrained, path: nowhere}, freeze: ['bridge.*']}\n");
  const auto evaluated = evaluate(eval + " --checkpoint " + path("exported") + " --output " + path("evaluation") +
                                  " --base llm=" + path("there/tiny-llama"));
  ASSERT_EQ(evaluated.code, 0) << evaluated.errors;
  EXPECT_EQ(json_lines_of(path("evaluation/hypotheses.jsonl")).size(), static_cast<size_t>(Corpus::kTest));
}

TEST_F(Export, AWrongOrMissingBaseIsNamed) {
  ASSERT_EQ(inspect("export " + path("run/best") + " --output " + path("exported")).code, 0);
  const std::string right = sha256_file(path("here/tiny-llama/model.safetensors"));
  move_away();
  const auto missing = generate("exported", "--models " + path("empty"));
  EXPECT_EQ(missing.code, 2);
  EXPECT_EQ(missing.errors,
            "DIR/exported needs base models that are not here:\n"
            "  llm: there is no DIR/empty/tiny-llama and no DIR/here/tiny-llama" +
                std::string(kRemedy));
  write_llama(path("wrong"), 2);
  const auto wrong = generate("exported", "--base llm=" + path("wrong"));
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.errors,
            "DIR/exported was trained on other base models than these:\n  llm: DIR/wrong/model.safetensors has "
            "SHA-256 " +
                sha256_file(path("wrong/model.safetensors")) + ", expected " + right + kRemedy);
  fs::remove(path("wrong/model.safetensors"));
  EXPECT_EQ(
      generate("exported", "--base llm=" + path("wrong")).errors,
      "DIR/exported was trained on other base models than these:\n  llm: DIR/wrong/model.safetensors is not there" +
          std::string(kRemedy));
  EXPECT_EQ(generate("exported", "--base bert=" + path("wrong")).errors,
            "--base bert=DIR/wrong: DIR/exported was not trained on a base model 'bert'; it has llm.\n");
  EXPECT_EQ(generate("exported", "--base llm").errors,
            "--base llm: give NAME=FOLDER, like --base llm=/models/llama.\n");
}

TEST_F(Export, NeedsEverythingWhereItIsMade) {
  const std::string exporting = "export " + path("run/best") + " --output " + path("exported");
  fs::create_directory(path("exported"));
  const auto there = inspect(exporting);
  EXPECT_EQ(there.code, 2);
  EXPECT_EQ(there.errors, "DIR/exported exists already and is not overwritten; give another --output.\n");
  fs::remove(path("exported"));
  fs::remove_all(path("first"));
  const auto gone = inspect(exporting);
  EXPECT_EQ(gone.code, 2);
  EXPECT_EQ(
      gone.errors,
      "DIR/run/best was trained on values that it does not hold:\n  init_from: DIR/first/last is not there\nWhere "
      "they are, `usam-inspect export` makes one folder of it that holds them.\n");
  EXPECT_FALSE(fs::exists(path("exported")));
}

}  // namespace
}  // namespace usam::test
