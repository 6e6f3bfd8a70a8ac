// usam-train, usam-eval and usam-generate from start to end, with what they leave behind.
#include <unistd.h>
#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "tests/train/process.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    names.insert(name.starts_with("events.") ? "events" : name);
  }
  return names;
}

class Programs : public ProgramTest {};

// Training, evaluation and answers of one run: the test path of the published code never ran (defect 15).
TEST_F(Programs, TrainEvaluateAndAnswer) {
  const auto trained = train_tiny();
  ASSERT_EQ(trained.code, 0) << trained.errors;
  EXPECT_EQ(trained.output, "");
  EXPECT_EQ(names_in(path("run")), (std::set<std::string>{"config.yaml", "metrics.jsonl", "events", "checkpoint-2",
                                                          "checkpoint-4", "last", "best", "ranks", "starts.jsonl"}));
  EXPECT_EQ(names_in(path("run/last")),
            (std::set<std::string>{"config.yaml", "model.safetensors", "adapter", "optimizer.safetensors", "state.json",
                                   "tokenizer", "base.json", "manifest.json"}));
  EXPECT_EQ(fs::read_symlink(path("run/last")), "checkpoint-4");
  const auto bases = Json::parse(text_of(path("run/last/base.json"))).at("bases");
  ASSERT_EQ(bases.size(), 4U);
  EXPECT_EQ(bases[0], (Json{{"part", "encoders.whisper"}, {"source", "random"}, {"seed", 20}}));

  int64_t steps = 0;
  for (const auto& row : json_lines_of(path("run/metrics.jsonl"))) {
    if (row.contains("eval")) continue;
    EXPECT_EQ(row.at("step"), ++steps);
    for (const char* key :
         {"loss", "ce", "saclm_hinge", "saclm_ratio", "saclm_distill", "balance", "lr", "grad_norm"}) {
      EXPECT_TRUE(row.at(key).is_number()) << key;
    }
    EXPECT_TRUE(row.at("time").is_object());
  }
  EXPECT_EQ(steps, 4);

  const auto evaluated = evaluate("configs/tests/tiny.yaml run.dir=" + path("run") + " --explain");
  ASSERT_EQ(evaluated.code, 0) << evaluated.errors;
  const auto metrics = Json::parse(text_of(path("run/evaluation/metrics.json")));
  EXPECT_EQ(metrics, Json::parse(evaluated.output));
  const auto& tasks = metrics.at("tasks");
  for (const char* key : {"wer", "cer", "n"}) EXPECT_TRUE(tasks.at("ASR").at(key).is_number()) << key;
  for (const char* key : {"accuracy", "n"}) EXPECT_TRUE(tasks.at("SEC").at(key).is_number()) << key;
  for (const char* key : {"map", "tags", "n"}) EXPECT_TRUE(tasks.at("MC").contains(key)) << key;
  EXPECT_EQ(tasks.at("ASR").at("n"), 2);
  EXPECT_EQ(metrics.at("sources").at("test.jsonl").at("MC").at("n"), 2);
  EXPECT_EQ(metrics.at("normalizer").get<std::string>().substr(0, 5), "basic");
  const auto hypotheses = json_lines_of(path("run/evaluation/hypotheses.jsonl"));
  ASSERT_EQ(hypotheses.size(), static_cast<size_t>(Corpus::kTest));
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    EXPECT_EQ(hypotheses[i].at("key"), "test" + std::to_string(i));
    EXPECT_TRUE(hypotheses[i].at("hyp").is_string());
    EXPECT_EQ(hypotheses[i].contains("scores"), i % 3 == 2);
  }
  EXPECT_EQ(hypotheses[2].at("scores").size(), 3U);  // bright, calm, dark
  EXPECT_EQ(json_lines_of(path("run/evaluation/explained.jsonl")).size(), hypotheses.size());

  // What usam-eval heard, usam-generate hears.
  const auto answered = run(USAM_GENERATE, "--checkpoint " + path("run/best") + " --task ASR " +
                                               corpus_.path("test0.wav") + " " + corpus_.path("test3.wav"));
  ASSERT_EQ(answered.code, 0) << answered.errors;
  std::istringstream lines(answered.output);
  for (const char* key : {"test0", "test3"}) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const auto& hypothesis = hypotheses[key == std::string("test0") ? 0 : 3];
    EXPECT_EQ(
        Json::parse(line),
        (Json{{"audio", std::string("CORPUS/") + key + ".wav"}, {"task", "ASR"}, {"text", hypothesis.at("hyp")}}));
  }
}

TEST_F(Programs, AnswersAreSearchedForAsAsked) {
  ASSERT_EQ(train_tiny().code, 0);
  const auto answer = [&](const std::string& options) {
    return run(USAM_GENERATE, "--checkpoint " + path("run/best") + " --task ASR " + options);
  };
  const auto lines_of = [](const std::string& output) {
    std::map<std::string, std::string> lines;  // by their audio
    std::istringstream in(output);
    for (std::string line; std::getline(in, line);) lines[Json::parse(line).at("audio").get<std::string>()] = line;
    return lines;
  };
  const auto one = corpus_.path("test0.wav"), other = corpus_.path("test3.wav");

  const auto beams = answer("--beams 3 --n-best 2 --log-probs --length-penalty 0.5 " + one);
  ASSERT_EQ(beams.code, 0) << beams.errors;
  const auto line = Json::parse(beams.output);
  ASSERT_EQ(line.at("n_best").size(), 2U);
  EXPECT_EQ(line.at("n_best")[0], (Json{{"text", line.at("text")},
                                        {"log_prob", line.at("log_prob")},
                                        {"mean_log_prob", line.at("mean_log_prob")}}));
  EXPECT_LT(line.at("log_prob").get<double>(), line.at("mean_log_prob").get<double>());
  EXPECT_LT(line.at("mean_log_prob").get<double>(), 0);

  const std::string draws = "--temperature 3 --top-p 0.99 --max-new-tokens 8 --seed ";
  const auto both = answer(draws + "1 " + one + " " + other), turned = answer(draws + "1 " + other + " " + one);
  ASSERT_EQ(both.code, 0) << both.errors;
  EXPECT_EQ(lines_of(both.output).size(), 2U);
  EXPECT_EQ(lines_of(both.output), lines_of(turned.output));
  EXPECT_NE(both.output, answer(draws + "2 " + one + " " + other).output);

  const auto labelled = answer("--label one --label 'two of them' " + one);
  ASSERT_EQ(labelled.code, 0) << labelled.errors;
  EXPECT_EQ((std::set<std::string>{"one", "two of them"}).count(Json::parse(labelled.output).at("text")), 1U)
      << labelled.output;

  const auto number = answer("--number " + one);  // the corpus that the tokenizer was trained on has none
  EXPECT_EQ(number.code, 2);
  EXPECT_NE(number.errors.find("The tokenizer has no digits, so an answer cannot be a number.\n"), std::string::npos)
      << number.errors;
  EXPECT_EQ(answer("--n-best 2 " + one).errors, "--n-best 2 needs as many --beams, or a --temperature to draw them.\n");
  const auto cut = answer("--label 'two of them' --max-new-tokens 1 " + one);
  EXPECT_EQ(cut.code, 2);
  EXPECT_NE(cut.errors.find(": --max-new-tokens 1 would cut it.\n"), std::string::npos) << cut.errors;
  const auto refused = answer("--top-k 5 " + one);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.errors.find("`top_k` and `top_p` limit what is drawn: they need a `temperature` above 0."),
            std::string::npos)
      << refused.errors;

  const auto evaluated = evaluate("configs/tests/tiny.yaml run.dir=" + path("run") +
                                  " evaluate.decoding.beams=3 evaluate.decoding.repetition_penalty=1.5");
  ASSERT_EQ(evaluated.code, 0) << evaluated.errors;
}

TEST_F(Programs, AFinishedRunSaysSoAndNoneIsRefused) {
  ASSERT_EQ(train_tiny().code, 0);
  const auto bytes = text_of(path("run/metrics.jsonl"));
  const auto again = train_tiny();
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.errors.find("DIR/run is finished after 4 steps: nothing is left to do."), std::string::npos)
      << again.errors;
  const auto none = train_tiny("--resume none");
  EXPECT_EQ(none.code, 2);
  EXPECT_EQ(none.errors,
            "DIR/run holds checkpoints up to step 4, and --resume none would overwrite them. Use --resume auto to "
            "continue, or another run.dir.\n");
  const auto changed = train_tiny("trainer.accumulate=1");
  EXPECT_EQ(changed.code, 2);
  EXPECT_EQ(changed.errors,
            "DIR/run/checkpoint-4 was made with another config. These keys may not change when a run is resumed:\n"
            "  trainer.accumulate: 2 -> 1\n"
            "Undo the changes, or start a new run.dir (init_from takes over the weights).\n");
  EXPECT_EQ(text_of(path("run/metrics.jsonl")), bytes);
}

TEST_F(Programs, ASignalSavesAndTheRunGoesOn) {
  const std::string arguments = "run.dir=" + path("run"), far = "trainer.max_steps=100000";
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    execl(USAM_TRAIN, USAM_TRAIN, "configs/tests/tiny.yaml", arguments.c_str(), far.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 1200 && json_lines_of(path("run/metrics.jsonl")).size() < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  kill(child, SIGTERM);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 75);
  const auto state = Json::parse(text_of(path("run/last/state.json")));
  const auto step = state.at("step").get<int64_t>();
  ASSERT_GE(step, 3);
  const auto more = train("configs/tests/tiny.yaml " + arguments + " trainer.max_steps=" + std::to_string(step + 2));
  ASSERT_EQ(more.code, 0) << more.errors;
  int64_t expected = 0;
  for (const auto& row : json_lines_of(path("run/metrics.jsonl"))) {
    if (!row.contains("eval")) EXPECT_EQ(row.at("step"), ++expected);
  }
  EXPECT_EQ(expected, step + 2);
}

TEST_F(Programs, ThePrintedConfigIsTheSameConfig) {
  const auto first = train("configs/tests/tiny.yaml trainer.max_steps=3 --print-config");
  ASSERT_EQ(first.code, 0) << first.errors;
  EXPECT_NE(first.output.find("max_steps: 3"), std::string::npos);
  EXPECT_NE(first.output.find("CORPUS/train.jsonl"), std::string::npos);
  std::string text = first.output;
  replace_all(text, "CORPUS/", corpus_.path(""));
  const auto second = train(folder_.write("printed.yaml", text) + " --print-config");
  ASSERT_EQ(second.code, 0) << second.errors;
  EXPECT_EQ(second.output, first.output);
}

TEST_F(Programs, ValidationTellsOfDataAndModel) {
  const auto ended = train("configs/tests/tiny.yaml --validate");
  ASSERT_EQ(ended.code, 0) << ended.errors;
  for (const char* part : {"data.train: 13 rows, 0.00 h, 7 micro-batches an epoch; ASR 5 MC 4 SEC 4\n",
                           "data.valid: 4 rows", "data.test: 6 rows", "parameters: ", "of which 0.", "sample train"}) {
    EXPECT_NE(ended.output.find(part), std::string::npos) << part << "\nin\n" << ended.output;
  }
  corpus_.damage("train3");
  const auto damaged = train("configs/tests/tiny.yaml --validate data.max_skipped=0.1");
  EXPECT_NE(damaged.output.find("CORPUS/train.jsonl:4: train3: "), std::string::npos) << damaged.output;
}

// A user has neither the corpora nor the weights of every config at hand.
TEST_F(Programs, EveryConfigIsValidOffline) {
  unsetenv("USAM_CORPUS");
  std::set<std::string> configs;
  for (const auto& entry : fs::recursive_directory_iterator("configs")) {
    if (entry.path().extension() == ".yaml") configs.insert(entry.path().string());
  }
  for (const auto& config : configs) {
    const auto ended = train(config + " --validate=offline");
    EXPECT_EQ(ended.code, 0) << ended.errors;
    EXPECT_EQ(ended.output, config + ": the config is valid (paths and data were not looked at)\n");
  }
  EXPECT_GE(configs.size(), 3U);
  RecordProperty("configs", static_cast<int>(configs.size()));
}

TEST_F(Programs, UnreadableAudioIsSkippedCountedAndListed) {
  corpus_.damage("train1");
  const auto ended = train_tiny("data.max_skipped=0.1");
  ASSERT_EQ(ended.code, 0) << ended.errors;
  EXPECT_NE(ended.errors.find("CORPUS/train.jsonl: epoch 0: 1 samples skipped, see skipped.jsonl"), std::string::npos)
      << ended.errors;
  const auto skipped = json_lines_of(path("run/skipped.jsonl"));
  ASSERT_EQ(skipped.size(), 1U);
  EXPECT_EQ(skipped[0].at("key"), "train1");
  EXPECT_EQ(skipped[0].at("file"), corpus_.path("train1.wav"));

  fs::remove_all(path("run"));
  corpus_.damage("train2");
  const auto stopped = train_tiny("data.max_skipped=0.1");
  EXPECT_EQ(stopped.code, 2);
  EXPECT_NE(stopped.errors.find("2 of the epoch's 13 samples could not be used, more than data.max_skipped = 0.1 "
                                "allows; the last is 'train"),
            std::string::npos)
      << stopped.errors;
  EXPECT_EQ(json_lines_of(path("run/skipped.jsonl")).size(), 2U);
  const auto failed = train_tiny("data.on_error=fail run.dir=" + path("other"));
  EXPECT_EQ(failed.code, 2);
  EXPECT_NE(failed.errors.find(". Mend or remove it, or set data.on_error to skip"), std::string::npos)
      << failed.errors;
}

}  // namespace
}  // namespace usam::test
