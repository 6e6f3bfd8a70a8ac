#include "src/eval/bootstrap.h"

#include <cmath>
#include <numeric>

#include "src/eval/compare.h"
#include "src/eval/report.h"
#include "tests/support.h"

namespace usam::eval {
namespace {

ScoreOptions options(int64_t resamples, uint64_t seed = 20) {
  ScoreOptions all{text::make_normalizer("none")};
  all.bootstrap = {resamples, seed};
  return all;
}

// So many lines of one word, every k-th wrong.
std::vector<Hypothesis> words(int64_t count, int64_t wrong_every) {
  std::vector<Hypothesis> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back({"k" + std::to_string(i), "ASR", "", {"a"}, i % wrong_every == 0 ? "b" : "a", {}, {}, ""});
  return all;
}

TEST(Resample, DrawsAsManyAsThereAreAndEachAsOften) {
  std::vector<double> sums(10);
  for (int64_t r = 0; r < 2000; ++r) {
    const auto weights = resample(7, r, 10);
    EXPECT_EQ(std::accumulate(weights.begin(), weights.end(), 0.0), 10);
    for (size_t i = 0; i < 10; ++i) sums[i] += weights[i];
  }
  for (const double sum : sums) EXPECT_NEAR(sum / 2000, 1, 5 * std::sqrt(0.9 / 2000));
  EXPECT_EQ(resample(7, 3, 10), resample(7, 3, 10));
  EXPECT_NE(resample(7, 3, 10), resample(8, 3, 10));
  EXPECT_NE(resample(7, 3, 10), resample(7, 4, 10));
}

TEST(Interval, LeavesOutWhatIsNotDefined) {
  const auto interval = interval_95({3, NAN, 1, 2});
  EXPECT_DOUBLE_EQ(interval[0], 1.05);
  EXPECT_DOUBLE_EQ(interval[1], 2.95);
  EXPECT_TRUE(std::isnan(interval_95({NAN})[0]));
}

TEST(Bootstrap, IntervalIsTheBinomialsForWordsThatAreRightOrWrong) {
  const Json asr = report(words(1000, 5), options(4000))["tasks"]["ASR"];
  EXPECT_EQ(asr["wer"], 0.2);
  const double half = 1.96 * std::sqrt(0.2 * 0.8 / 1000);
  EXPECT_NEAR(asr["wer_ci"][0].get<double>(), 0.2 - half, 0.05 * half);
  EXPECT_NEAR(asr["wer_ci"][1].get<double>(), 0.2 + half, 0.05 * half);
  EXPECT_FALSE(asr["majority"].contains("wer_ci"));
}

TEST(Bootstrap, IsTheSameForTheSameSeedAndStamped) {
  const auto lines = words(50, 4);
  const Json one = report(lines, options(100)), same = report(lines, options(100)),
             other = report(lines, options(100, 3));
  EXPECT_EQ(one, same);
  EXPECT_NE(one["tasks"]["ASR"]["cer_ci"], other["tasks"]["ASR"]["cer_ci"]);
  EXPECT_EQ(one["bootstrap"].dump(), R"({"resamples":100,"seed":20})");
  EXPECT_FALSE(report(lines, options(0)).contains("bootstrap"));
}

TEST(Compare, TellsABetterSystemFromALuckyOne) {
  const Json clear = compare(words(400, 10), words(400, 3), {"wer", "accuracy"}, options(1000))["tasks"]["ASR"];
  EXPECT_NEAR(clear["wer"]["difference"].get<double>(), 40.0 / 400 - 134.0 / 400, 1e-12);
  EXPECT_LT(clear["wer"]["difference_ci"][1].get<double>(), -0.1);
  EXPECT_LT(clear["wer"]["p_value"].get<double>(), 0.002);
  EXPECT_EQ(clear["wer"]["better_in"], 1.0);
  EXPECT_EQ(clear["accuracy"]["better_in"], 1.0) << "higher is better";
  EXPECT_EQ(clear["wer"]["utterances"].dump(), R"({"better":120,"worse":26,"equal":254})");
  const Json same = compare(words(40, 4), words(40, 4), {"wer"}, options(100))["tasks"]["ASR"]["wer"];
  EXPECT_EQ(same["p_value"], 1.0);
  EXPECT_EQ(same["better_in"], 0.5);
  EXPECT_EQ(same["difference_ci"].dump(), "[0.0,0.0]");
}

TEST(Compare, PairsLinesByKeyWhateverTheirOrder) {
  auto reversed = words(60, 7);
  std::reverse(reversed.begin(), reversed.end());
  const auto ours = words(60, 4);
  EXPECT_EQ(compare(ours, reversed, {"wer", "bleu"}, options(50)),
            compare(ours, words(60, 7), {"wer", "bleu"}, options(50)));
}

TEST(Compare, RefusesFilesThatDoNotBelongTogether) {
  const auto message = [](std::vector<Hypothesis> ours, std::vector<Hypothesis> theirs) {
    return test::message_of([&] { compare(ours, theirs, {}, options(10)); });
  };
  auto twice = words(2, 3), other = words(2, 3), silent = words(2, 3);
  twice[1].key = "k0";
  other[1].references = {"c"};
  silent[1].answer.reset();
  silent[1].scores = {{"x", 1}};
  EXPECT_EQ(message(words(3, 2), words(2, 2)),
            "A comparison needs two files with the same keys. The second lacks 'k2' (ASR).");
  auto renamed = words(2, 2);
  renamed[0].key = "x";
  renamed[0].task = "";
  EXPECT_EQ(message(words(2, 2), renamed),
            "A comparison needs two files with the same keys. The second lacks 'k0' (ASR). The first lacks 'x'.");
  EXPECT_NE(message(words(14, 2), words(2, 2)).find("'k11' (ASR) and 2 more."), std::string::npos);
  EXPECT_EQ(message(twice, words(2, 3)),
            "sample 'k0': the key 'k0' (ASR) stands here a second time; a comparison needs to know which lines belong "
            "together.");
  EXPECT_EQ(
      message(words(2, 3), other),
      "sample 'k1' and sample 'k1': the key 'k1' (ASR) has other references here and there; a comparison needs the "
      "same.");
  EXPECT_EQ(message(words(2, 3), silent),
            "sample 'k1' and sample 'k1': the key 'k1' (ASR) has a text or scores on one side only; a comparison needs "
            "the same.");
}

}  // namespace
}  // namespace usam::eval
