// Metrics equal to jiwer's, sacrebleu's and scikit-learn's on the fixtures of metrics_oracle.py --make-fixtures.
#include "src/base/json.h"
#include "src/text/bleu.h"
#include "src/text/error_rate.h"
#include "src/text/label_metrics.h"
#include "src/text/normalizer.h"
#include "tests/support.h"

namespace usam::text {
namespace {

constexpr double kTolerance = 1e-9;

class MetricsParity : public testing::Test {
 protected:
  void SetUp() override {
    USAM_NEEDS_ORACLES();
    std::ifstream in(folder() / "expected.json");
    expected_ = Json::parse(in);
  }
  static std::filesystem::path folder() { return test::oracle_folder() / "metrics"; }

  static std::vector<Json> rows(const std::string& name) {
    std::ifstream in(folder() / (name + ".jsonl"));
    std::vector<Json> rows;
    for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
    EXPECT_FALSE(rows.empty()) << name;
    return rows;
  }

  static std::vector<TextPair> pairs(const std::string& name, const Normalizer& normalizer) {
    std::vector<TextPair> pairs;
    for (const Json& row : rows(name)) {
      TextPair pair{{}, normalizer(row["hyp"].get<std::string>())};
      const Json refs = row["ref"].is_array() ? row["ref"] : Json::array({row["ref"]});
      for (const Json& ref : refs) pair.references.push_back(normalizer(ref.get<std::string>()));
      pairs.push_back(std::move(pair));
    }
    return pairs;
  }

  const Json& result(const std::string& name) const { return expected_[name]["result"]; }

  static void expect_rate(const ErrorRate& got, const Json& want) {
    EXPECT_NEAR(got.value(), want["value"].get<double>(), kTolerance);
    EXPECT_EQ(got.edits.substitutions, want["substitutions"].get<int64_t>());
    EXPECT_EQ(got.edits.deletions, want["deletions"].get<int64_t>());
    EXPECT_EQ(got.edits.insertions, want["insertions"].get<int64_t>());
    EXPECT_EQ(got.edits.hits, want["hits"].get<int64_t>());
    if (want.contains("mean_of_utterances"))
      EXPECT_NEAR(got.mean_of_utterances, want["mean_of_utterances"].get<double>(), kTolerance);
  }

  static void expect_bleu(const Bleu& got, const Json& want) {
    EXPECT_NEAR(100 * got.value, want["value"].get<double>(), kTolerance);
    EXPECT_NEAR(got.brevity_penalty, want["bp"].get<double>(), kTolerance);
    EXPECT_EQ(got.hypothesis_length, want["sys_len"].get<int64_t>());
    EXPECT_EQ(got.reference_length, want["ref_len"].get<int64_t>());
    for (size_t n = 0; n < 4; ++n)
      EXPECT_NEAR(100 * got.precisions[n], want["precisions"][n].get<double>(), kTolerance);
  }

  Json expected_;
};

TEST_F(MetricsParity, ErrorRates) {
  SpellingTable spelling = {{"colour", "color"}, {"grey", "gray"}, {"theatre", "theater"}};
  const std::vector<std::tuple<std::string, std::string, SpellingTable>> jobs = {
      {"asr", "whisper_en", {}},
      {"asr_raw", "none", {}},
      {"asr_spelling", "whisper_en", spelling},
      {"zh", "basic", {}}};
  for (const auto& [name, kind, table] : jobs) {
    SCOPED_TRACE(name);
    const auto all = pairs(name, *make_normalizer(kind, table));
    if (result(name).contains("wer")) {
      const ErrorRate wer = error_rate(all, Unit::kWord);
      expect_rate(wer, result(name)["wer"]);
      EXPECT_EQ(wer.empty_references, result(name)["skipped_empty_references"].get<int64_t>());
    }
    if (result(name).contains("cer")) expect_rate(error_rate(all, Unit::kCharacter), result(name)["cer"]);
  }
}

TEST_F(MetricsParity, WordErrorRateOfSplitLetters) {
  // The fixture keeps diacritics; these texts have none that basic_letters would drop.
  expect_rate(error_rate(pairs("zh_split", *make_normalizer("basic_letters")), Unit::kWord), result("zh_split")["wer"]);
}

TEST_F(MetricsParity, CorpusBleu) {
  const auto none = make_normalizer("none");
  expect_bleu(bleu(pairs("translation", *none)), result("translation")["bleu"]);
  expect_bleu(bleu(pairs("zh", *none), BleuTokens::kZh), result("zh")["bleu"]);
}

TEST_F(MetricsParity, Labels) {
  std::vector<LabelPair> labels;
  for (const Json& row : rows("classes"))
    labels.push_back({row["label"].get<std::string>(), row["pred"].get<std::string>()});
  const LabelTable table(labels);
  EXPECT_NEAR(table.accuracy(), result("classes")["accuracy"].get<double>(), kTolerance);
  EXPECT_NEAR(table.macro_f1(), result("classes")["macro_f1"].get<double>(), kTolerance);
  EXPECT_NEAR(table.weighted_f1(), result("classes")["weighted_f1"].get<double>(), kTolerance);
}

TEST_F(MetricsParity, Rankings) {
  std::vector<Ranking> classes;
  for (const Json& row : rows("tags")) {
    classes.resize(row["labels"].size());
    for (size_t c = 0; c < classes.size(); ++c) {
      classes[c].positive.push_back(row["labels"][c].get<int>() != 0);
      classes[c].scores.push_back(row["scores"][c].get<double>());
    }
  }
  const std::vector<SortedRanking> sorted(classes.begin(), classes.end());
  const MacroMean map = macro_mean(sorted, &RankingAreas::average_precision);
  const MacroMean auc = macro_mean(sorted, &RankingAreas::roc_auc);
  EXPECT_NEAR(map.value, result("tags")["map"].get<double>(), kTolerance);
  EXPECT_EQ(map.used, result("tags")["classes_used"].get<int64_t>());
  EXPECT_EQ(map.skipped, 1);
  EXPECT_NEAR(auc.value, result("tags")["roc_auc"].get<double>(), kTolerance);
}

}  // namespace
}  // namespace usam::text
