// What a config says of one task takes effect in its numbers.
#include "src/base/error.h"
#include "src/eval/evaluate_config.h"
#include "src/eval/failures.h"
#include "src/eval/report.h"
#include "tests/support.h"

namespace usam::eval {
namespace {

ScoreOptions options_with(const std::string& normalizer = "basic") {
  return {text::make_normalizer(normalizer)};
}

Hypothesis answer_to(const std::string& task, const std::string& reference, const std::string& answer) {
  return {reference + answer, task, "", {reference}, answer, {}, {}, ""};
}

TEST(TaskOptions, NormalizerIsTheTasksOwnAndStamped) {
  ScoreOptions own = options_with("none");
  own.tasks["ASR"].normalizer = text::make_normalizer("whisper_en");
  const Json all = report({answer_to("ASR", "Twenty five dogs.", "25 dogs"), answer_to("KWS", "Yes.", "yes")}, own);
  EXPECT_EQ(all["normalizer"], "none/1");
  EXPECT_EQ(all["tasks"]["ASR"]["normalizer"], "whisper_en/1");
  EXPECT_EQ(all["tasks"]["ASR"]["wer"], 0.0);
  EXPECT_FALSE(all["tasks"]["KWS"].contains("normalizer"));
  EXPECT_EQ(all["tasks"]["KWS"]["wer"], 1.0);
  EXPECT_EQ(all["tasks"]["KWS"]["majority"]["wer"], 0.0);
}

TEST(TaskOptions, MetricsAreTheTasksOwn) {
  ScoreOptions own = options_with();
  own.tasks["ASR"].metrics = {"mer", "map"};
  own.tasks["MOS"].answer = Answer::kNumber;
  own.tasks["SER"].answer = Answer::kLikelihood;
  const Json tasks = report({answer_to("ASR", "a b", "a"), answer_to("MOS", "3.5", "4.5"), answer_to("MOS", "2", "1"),
                             answer_to("SER", "sad", "sad")},
                            own)["tasks"];
  EXPECT_EQ(tasks["ASR"]["mer"], 0.5);
  EXPECT_EQ(tasks["ASR"]["map"], nullptr) << "named, but the lines have no scores";
  EXPECT_FALSE(tasks["ASR"].contains("wer"));
  EXPECT_EQ(tasks["MOS"]["mae"], 1.0);
  EXPECT_EQ(tasks["MOS"]["rmse"], 1.0);
  EXPECT_DOUBLE_EQ(tasks["MOS"]["pearson"].get<double>(), 1.0);
  EXPECT_DOUBLE_EQ(tasks["MOS"]["spearman"].get<double>(), 1.0);
  EXPECT_EQ(tasks["SER"]["f1"], 1.0);
  EXPECT_EQ(tasks["SER"]["majority"]["accuracy"], 1.0);
}

TEST(TaskOptions, LabelsOrderTheConfusionMatrixAndTellWhatIsNone) {
  ScoreOptions own = options_with();
  own.tasks["SER"].answer = Answer::kLabel;
  own.tasks["SER"].labels = {"Sad", "Happy", "Angry"};
  const std::vector<Hypothesis> lines = {answer_to("SER", "sad", "Sad."), answer_to("SER", "sad", "happy"),
                                         answer_to("SER", "happy", "a happy one"), answer_to("SER", "happy", "")};
  const Json ser = report(lines, own)["tasks"]["SER"];
  EXPECT_EQ(ser["confusion"].dump(), R"({"labels":["sad","happy","angry"],"counts":[[1,1,0,0],[0,0,0,2],[0,0,0,0]]})");
  EXPECT_EQ(ser["failures"].dump(), R"({"empty":1,"looping":0,"unparsable":1})");
  EXPECT_EQ(ser["accuracy"], 0.25);
  own.tasks.clear();
  EXPECT_FALSE(report({answer_to("QA", "a", "b")}, own)["tasks"]["QA"].contains("confusion")) << "no classification";
}

TEST(TaskOptions, ConfusionKeepsTheMostFrequentOfManyLabels) {
  std::vector<Hypothesis> lines;
  for (int i = 0; i < 120; ++i) lines.push_back(answer_to("SEC", fmt::format("class {:03}", i), "class 119"));
  lines.push_back(answer_to("SEC", "class 119", "class 119"));
  const Json confusion = report(lines, options_with())["tasks"]["SEC"]["confusion"];
  EXPECT_EQ(confusion["labels"].size(), 100u);
  EXPECT_EQ(confusion["labels"].back(), "class 119");
  EXPECT_EQ(confusion["counts"].size(), 101u) << "the rest of the truths in one row";
  EXPECT_EQ(confusion["counts"][100][99], 20);
  EXPECT_EQ(confusion["counts"][99].dump().ends_with(",2]"), true);
}

TEST(TaskOptions, LabelsThatTheNormalizerMakesOneAreRefused) {
  test::TemporaryFolder folder;
  EvaluateConfig config;
  config.tasks["KEY"].answer = Answer::kLabel;
  config.tasks["KEY"].labels.value = folder.write("keys.txt", "C major\nC# major\n");
  EXPECT_EQ(
      test::message_of([&] { score_options(config); }),
      "The labels 'C major' and 'C# major' of task KEY are the same to the normalizer whisper_en/1; choose another "
      "in `evaluate.tasks.KEY.normalizer`.");
  config.tasks["KEY"].normalizer = "none";
  EXPECT_EQ(score_options(config).tasks.at("KEY").labels.size(), 2u);
}

TEST(Failures, AnAnswerIsCountedOnce) {
  const auto counted = [](const std::string& text, const std::string& metric) {
    return score({answer_to("", metric == "mae" ? "3" : "yes", text)}, {metric}, options_with())["failures"].dump();
  };
  EXPECT_EQ(counted(" ! ", "f1"), R"({"empty":1,"looping":0,"unparsable":0})");
  EXPECT_EQ(counted("no no no no no no", "f1"), R"({"empty":0,"looping":1,"unparsable":0})");
  EXPECT_EQ(counted("no", "f1"), R"({"empty":0,"looping":0,"unparsable":1})");
  EXPECT_EQ(counted("Yes.", "f1"), R"({"empty":0,"looping":0,"unparsable":0})");
  EXPECT_EQ(counted("no", "wer"), R"({"empty":0,"looping":0,"unparsable":0})") << "free text is never unparsable";
  EXPECT_EQ(counted("three", "mae"), R"({"empty":0,"looping":0,"unparsable":1})");
  EXPECT_EQ(counted("about 3 stars", "mae"), R"({"empty":0,"looping":0,"unparsable":0})");
}

TEST(Failures, ANumberIsTheOnlyOneOfItsText) {
  EXPECT_EQ(number_in("3.5"), 3.5);
  EXPECT_EQ(number_in(" -2e3. "), -2000);
  EXPECT_EQ(number_in("The score is +4."), 4);
  EXPECT_EQ(number_in(".5"), 0.5);
  for (const char* none : {"", "three", "3 of 5", "3-4", "1,000", "1.2.3", "v2", "nan", "1e999"})
    EXPECT_EQ(number_in(none), std::nullopt) << none;
}

}  // namespace
}  // namespace usam::eval
