#include "src/eval/report.h"

#include "src/eval/loops.h"
#include "tests/support.h"

namespace usam::eval {
namespace {

ScoreOptions options(const std::string& normalizer = "basic") {
  return {text::make_normalizer(normalizer), {}};
}

Hypothesis answer(const std::string& task, const std::string& reference, const std::string& answer,
                  const std::string& source = "") {
  return {reference + answer, task, source, {reference}, answer, {}, {}, ""};
}

Hypothesis tagged(std::vector<std::string> tags, std::map<std::string, double> scores) {
  return {"t", "MC", "", {"a label"}, "an answer", std::move(tags), std::move(scores), ""};
}

TEST(Report, ErrorRateOfSpeech) {
  const Json asr = report(
      {answer("ASR", "One two three four.", "one two three"), answer("ASR", "Nine", ""), answer("ASR", "", "ghost")},
      options())["tasks"]["ASR"];
  EXPECT_DOUBLE_EQ(asr["wer"].get<double>(), 2.0 / 5);
  EXPECT_DOUBLE_EQ(asr["wer_mean_of_utterances"].get<double>(), (0.25 + 1.0) / 2);
  EXPECT_TRUE(asr.contains("cer"));
  EXPECT_EQ(asr["deletions"], 2);
  EXPECT_EQ(asr["reference_words"], 5);
  EXPECT_EQ(asr["hits"], 3);
  EXPECT_EQ(asr["failures"].dump(), R"({"empty":1,"looping":0,"unparsable":0})");
  EXPECT_EQ(asr["empty_references"], 1);
  EXPECT_EQ(asr["n"], 3);
}

TEST(Report, EveryTaskGetsItsMetrics) {
  const Json tasks = report({answer("SEC", "dog", "Dog."), answer("SEC", "rain", "dog"), answer("AAC", "a", "a"),
                             answer("S2TT", "a", "a"), answer("QA", "yes", "yes"), answer("", "x", "y")},
                            options())["tasks"];
  EXPECT_DOUBLE_EQ(tasks["SEC"]["accuracy"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(tasks["SEC"]["f1"].get<double>(), 1.0 / 3);
  EXPECT_TRUE(tasks["AAC"].contains("bleu") && tasks["S2TT"].contains("bleu"));
  EXPECT_EQ(tasks["QA"]["accuracy"], 1.0);
  EXPECT_EQ(tasks["QA"]["wer"], 0.0);
  EXPECT_EQ(tasks["other"]["n"], 1);
  for (const auto& [name, task] : tasks.items()) EXPECT_FALSE(task.contains("map")) << name;
}

TEST(Report, TagsAreScoredBesideTheTasksOwnMetrics) {
  const Json mc = report({tagged({"piano"}, {{"drum", 0.1}, {"flute", 0.2}, {"piano", 0.9}}),
                          tagged({"drum", "unknown"}, {{"drum", 0.2}, {"flute", 0.1}, {"piano", 0.3}})},
                         options())["tasks"]["MC"];
  EXPECT_DOUBLE_EQ(mc["map"].get<double>(), 1.0);
  EXPECT_DOUBLE_EQ(mc["roc_auc"].get<double>(), 1.0);
  EXPECT_EQ(mc["tags"], 2);
  EXPECT_EQ(mc["tags_without_positive"], 1);
  EXPECT_EQ(mc["tags_without_scores"], 1);
  EXPECT_DOUBLE_EQ(mc["majority"]["map"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(mc["majority"]["roc_auc"].get<double>(), 0.5);
  EXPECT_TRUE(mc.contains("bleu"));
  EXPECT_EQ(mc["n"], 2);
}

TEST(Report, MajorityAlwaysGivesTheMostFrequentReference) {
  const Json tasks = report({answer("ASR", "one", "one"), answer("ASR", "two words", "two words"),
                             answer("ASR", "Two words!", "two"), answer("SEC", "dog", "dog"),
                             answer("SEC", "rain", "rain"), answer("SEC", "rain", "x"), answer("SEC", "cat", "x")},
                            options())["tasks"];
  // "two words" against one word: a substitution and an insertion; five reference words.
  EXPECT_DOUBLE_EQ(tasks["ASR"]["majority"]["wer"].get<double>(), 2.0 / 5);
  EXPECT_EQ(tasks["ASR"]["majority"].size(), 2u);  // the metrics alone, no counts
  EXPECT_DOUBLE_EQ(tasks["SEC"]["majority"]["accuracy"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(tasks["SEC"]["accuracy"].get<double>(), 0.5);
}

TEST(Report, SourcesStandApart) {
  const Json all =
      report({answer("ASR", "a", "a", "clean"), answer("ASR", "a", "b", "noisy"), answer("ASR", "a", "c")}, options());
  EXPECT_EQ(all["sources"].size(), 2u);
  EXPECT_EQ(all["sources"]["clean"]["ASR"]["wer"], 0.0);
  EXPECT_EQ(all["sources"]["noisy"]["ASR"]["wer"], 1.0);
  EXPECT_EQ(all["tasks"]["ASR"]["n"], 3);
}

TEST(Report, IsStamped) {
  const Json all = report({answer("ASR", "a", "a")}, {text::make_normalizer("whisper_en"), text::BleuTokens::kZh});
  EXPECT_EQ(all["normalizer"], "whisper_en/1");
  EXPECT_EQ(all["bleu_tokens"], "zh");
}

TEST(Report, UndefinedMetricsAreNull) {
  const Json asr = report({answer("ASR", "", "x")}, options())["tasks"]["ASR"];
  EXPECT_EQ(Json::parse(asr.dump())["wer"], nullptr);
}

TEST(Score, NumbersLeaveOutAnswersThatAreNone) {
  const Json out =
      score({answer("", "1", "2"), answer("", "2", " 2 "), answer("", "4", "7.0"), answer("", "5", "five")},
            {"mae", "pearson"}, options("none"));
  EXPECT_DOUBLE_EQ(out["mae"].get<double>(), 4.0 / 3);
  EXPECT_NEAR(out["pearson"].get<double>(), 0.9449111825230679, 1e-12);
  EXPECT_EQ(out["numbers"], 3);
  EXPECT_EQ(out["failures"]["unparsable"], 1);
}

TEST(Score, AnswerMayEqualAnyReference) {
  Hypothesis h = answer("", "dog", "hound");
  h.references.push_back("Hound");
  EXPECT_EQ(score({h}, {"accuracy"}, options())["accuracy"], 1.0);
}

TEST(Score, Errors) {
  const auto message = [](const std::vector<Hypothesis>& all, const std::string& metric) {
    return test::message_of([&] { score(all, {metric}, options()); });
  };
  EXPECT_EQ(
      message({answer("", "a", "b")}, "acuracy"),
      "There is no metric 'acuracy'; did you mean 'accuracy'? There are wer, cer, mer, bleu, chrf, rouge_l, "
      "meteor_exact, accuracy, f1, weighted_f1, map, roc_auc, pr_auc, recall_at_1, recall_at_5, recall_at_10, mae, "
      "rmse, pearson and spearman.");
  EXPECT_EQ(message({answer("", "a", "b")}, "map"), "No line has \"tags\" and \"scores\", which the metric map needs.");
  Hypothesis tags_only = tagged({"x"}, {{"x", 1}});
  tags_only.answer.reset();
  EXPECT_EQ(message({tags_only}, "wer"), "No line has \"ref\" and \"hyp\", which the metric wer needs.");
  EXPECT_EQ(message({answer("", "a", "1")}, "mae"),
            "sample 'a1': the reference 'a' is not a number, which mae, rmse, pearson and spearman need.");
  Hypothesis other = tagged({"y"}, {{"y", 1}});
  other.place = "f:2";
  EXPECT_EQ(message({tagged({"x"}, {{"x", 1}}), other}, "map"),
            "f:2: \"scores\" holds other tags than those of sample 't'; all lines must score the same candidates. "
            "(Retrieval, where each line has its own, is scored by recall_at_1, recall_at_5 and recall_at_10.)");
}

TEST(Loops, AreRepeatsThatNoReferenceHas) {
  EXPECT_TRUE(is_looping({{"a b"}, "so a b a b a b a b a b"}));
  EXPECT_FALSE(is_looping({{"a b"}, "a b a b a b a b"}));
  EXPECT_FALSE(is_looping({{"no no no no no"}, "no no no no no"}));
  EXPECT_TRUE(is_looping({{"no no no no no"}, "no no no no no no"}));
  EXPECT_FALSE(is_looping({{""}, ""}));
}

}  // namespace
}  // namespace usam::eval
