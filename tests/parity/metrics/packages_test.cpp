// Metrics, intervals and normalised texts equal to those of jiwer, sacrebleu, scikit-learn, scipy, rouge_score, NLTK,
// numpy and transformers on the random cases of make_metrics.py.
#include <cmath>
#include <map>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/eval/bootstrap.h"
#include "src/eval/compare.h"
#include "src/eval/metric.h"
#include "tests/parity/note.h"
#include "tests/support.h"

namespace usam::eval {
namespace {

constexpr double kTolerance = 1e-9;

std::filesystem::path folder() {
  return test::oracle_folder() / "metrics_packages";
}

std::vector<Hypothesis> hypotheses_of(const Json& lines) {
  std::vector<Hypothesis> all;
  for (const Json& line : lines) all.push_back(parse_hypothesis(line.dump(), "case"));
  return all;
}

double number_or_nan(const Json& value) {
  return value.is_null() ? NAN : value.get<double>();
}

// What one metric gave, beside what was expected.
struct Compared {
  std::vector<double> got, expected;
};

// Adds a value pair; one that is not defined here must not be defined there.
void add(Compared& compared, double got, double expected, const std::string& what) {
  ASSERT_EQ(std::isnan(got), std::isnan(expected)) << what;
  if (std::isnan(got)) return;
  ASSERT_NEAR(got, expected, kTolerance * std::max(1.0, std::abs(expected))) << what;
  compared.got.push_back(got);
  compared.expected.push_back(expected);
}

// Numbers within the tolerance, everything else the same.
void expect_same(const Json& got, const Json& expected, const std::string& what) {
  if (expected.is_number_float()) {
    ASSERT_TRUE(got.is_number()) << what;
    ASSERT_NEAR(got.get<double>(), expected.get<double>(), kTolerance) << what;
  } else if (expected.is_structured() && !expected.empty()) {
    ASSERT_EQ(got.size(), expected.size()) << what;
    for (const auto& [key, value] : expected.items()) {
      if (expected.is_object()) ASSERT_TRUE(got.contains(key)) << what << " " << key;
      expect_same(expected.is_object() ? got[key] : got[std::stoul(key)], value, what + " " + key);
    }
  } else {
    ASSERT_EQ(got, expected) << what;
  }
}

TEST(MetricsOfPackages, AreEqualOnceAndRepeated) {
  USAM_NEEDS_ORACLES();
  std::ifstream in(folder() / "cases.jsonl");
  std::map<std::string, Compared> compared;
  const std::map<std::string, text::BleuTokens> tokens = {
      {"13a", text::BleuTokens::k13a}, {"zh", text::BleuTokens::kZh}, {"char", text::BleuTokens::kChar}};
  int64_t number = 0, values = 0;
  for (std::string line; std::getline(in, line); ++number) {
    const Json expected = Json::parse(line);
    const auto hypotheses = hypotheses_of(expected["lines"]);
    const ScoreOptions options{text::make_normalizer("none"), tokens.at(expected["bleu_tokens"])};
    std::vector<std::string> names;
    for (const auto& entry : expected["expected"].items()) names.push_back(entry.key());
    const Json got = score(hypotheses, names, options);
    const auto weights = expected["weights"].get<text::Weights>();
    for (const std::string& name : names) {
      const std::string what = fmt::format("case {}, {}", number, name);
      add(compared[name], number_or_nan(Json::parse(got[name].dump())), number_or_nan(expected["expected"][name]),
          what);
      if (!expected["repeated"].contains(name)) continue;
      Json details = Json::object();
      const Metric& metric = find_metric(name);
      const Samples samples = samples_of(hypotheses, metric.reads_scores, "", options);
      const double weighted = metric.prepare(samples, details)(weights);
      add(compared[name], weighted, number_or_nan(expected["repeated"][name]), what + ", repeated");
      values += 2;
    }
    for (const auto& [name, value] : expected["details"].items()) {
      ASSERT_TRUE(got.contains(name)) << "case " << number << " " << name;
      expect_same(Json::parse(got[name].dump()), value, fmt::format("case {}, {}", number, name));
    }
  }
  EXPECT_GE(number, 1000);
  EXPECT_GT(values, 5000);
  for (const auto& [name, both] : compared)
    test::noted_error("metrics", name, torch::tensor(both.got, torch::kDouble),
                      torch::tensor(both.expected, torch::kDouble));
  EXPECT_EQ(compared.size(), metric_names().size()) << "every metric has its cases";
}

TEST(MetricsOfPackages, IntervalsAreThoseOfNumpy) {
  USAM_NEEDS_ORACLES();
  const Json expected = parse_json(read_file(folder() / "intervals.json"), "intervals.json");
  const auto interval = interval_95(expected["values"].get<std::vector<double>>());
  EXPECT_NEAR(interval[0], expected["percentiles"][0].get<double>(), 1e-12);
  EXPECT_NEAR(interval[1], expected["percentiles"][1].get<double>(), 1e-12);
  ScoreOptions options{text::make_normalizer("none")};
  options.bootstrap = {4000, 20};
  for (const Json& system : expected["systems"]) {
    const auto ours = hypotheses_of(system["ours"]), theirs = hypotheses_of(system["theirs"]);
    const Json got = compare(ours, theirs, {"wer", "bleu"}, options)["tasks"]["other"];
    const Json wer = got["wer"], alone = score(ours, {"wer", "bleu"}, options);
    for (size_t end = 0; end < 2; ++end) {
      // Draws differ; the ends of an interval wander by a few hundredths of its width.
      const double width = system["wer_ci"][1].get<double>() - system["wer_ci"][0].get<double>();
      EXPECT_NEAR(alone["wer_ci"][end].get<double>(), system["wer_ci"][end].get<double>(), 0.06 * width);
      EXPECT_NEAR(wer["difference_ci"][end].get<double>(), system["difference_ci"][end].get<double>(), 0.06 * width);
    }
    EXPECT_NEAR(wer["p_value"].get<double>(), system["p_value"].get<double>(), 0.03);
    EXPECT_NEAR(wer["better_in"].get<double>(), system["better_in"].get<double>(), 0.03);
    const Json& sacrebleu = system["sacrebleu"];
    const double low = alone["bleu_ci"][0].get<double>(), high = alone["bleu_ci"][1].get<double>();
    EXPECT_NEAR((high - low) / 2, sacrebleu["half_width"].get<double>(), 0.15 * (high - low) / 2);
    EXPECT_NEAR((high + low) / 2, sacrebleu["mean"].get<double>(), 0.15 * (high - low) / 2);
    if (sacrebleu["p_value"].get<double>() < 0.002) EXPECT_LT(got["bleu"]["p_value"].get<double>(), 0.01);
    if (sacrebleu["p_value"].get<double>() > 0.2) EXPECT_GT(got["bleu"]["p_value"].get<double>(), 0.1);
  }
}

TEST(MetricsOfPackages, NormalisedTextsAreWhispers) {
  USAM_NEEDS_ORACLES();
  std::map<std::string, std::shared_ptr<const text::Normalizer>> normalizers;
  for (const char* name : {"whisper_en", "basic", "basic_letters"}) normalizers[name] = text::make_normalizer(name);
  normalizers["spelled"] = text::make_normalizer("whisper_en", text::read_spelling_table(folder() / "spelling.json"));
  std::ifstream in(folder() / "normalized.jsonl");
  int64_t count = 0, wrong = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const Json row = Json::parse(line);
    for (const auto& [name, normalizer] : normalizers) {
      const std::string got = (*normalizer)(row["text"].get<std::string>());
      if (got == row[name].get<std::string>() || ++wrong > 10) continue;
      ADD_FAILURE() << name << ": " << row["text"] << " became\n'" << got << "', not\n'" << row[name].get<std::string>()
                    << "'";
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(count, 6000);
}

}  // namespace
}  // namespace usam::eval
