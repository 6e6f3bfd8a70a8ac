// Expected values by hand where they are small, else from jiwer, sacrebleu and scikit-learn.
#include <cmath>

#include "src/text/bleu.h"
#include "src/text/error_rate.h"
#include "src/text/label_metrics.h"
#include "tests/support.h"

namespace usam::text {
namespace {

using Words = std::vector<std::string>;

TEST(EditDistance, CountsKinds) {
  const Edits same = edits_between(Words{"a", "b"}, Words{"a", "b"});
  EXPECT_EQ(same, (Edits{2, 0, 0, 0}));
  EXPECT_EQ(edits_between(Words{"a", "b", "c"}, Words{"a", "x", "c", "d"}), (Edits{2, 1, 0, 1}));
  EXPECT_EQ(edits_between(Words{}, Words{"a"}), (Edits{0, 0, 0, 1}));
  EXPECT_EQ(edits_between(Words{"a", "b"}, Words{}), (Edits{0, 0, 2, 0}));
  EXPECT_EQ(edits_between(std::u32string(U"kitten"), std::u32string(U"sitting")), (Edits{4, 2, 0, 1}));
}

TEST(EditDistance, BreaksTiesAsJiwer) {
  // Two substitutions cost as much as a deletion and an insertion; jiwer 4.0 reports these.
  EXPECT_EQ(edits_between(std::u32string(U"ab"), std::u32string(U"ba")), (Edits{1, 0, 1, 1}));
  EXPECT_EQ(edits_between(std::u32string(U"abcb"), std::u32string(U"cabd")), (Edits{2, 1, 1, 1}));
}

TEST(ErrorRate, IsOfTheCorpusWithTheMeanBeside) {
  const ErrorRate wer = error_rate({{{"a b c d"}, "a b c d"}, {{"x"}, "y z"}}, Unit::kWord);
  EXPECT_DOUBLE_EQ(wer.value(), 2.0 / 5);
  EXPECT_DOUBLE_EQ(wer.mean_of_utterances, 1.0);
  EXPECT_EQ(wer.edits, (Edits{4, 1, 0, 1}));
}

TEST(ErrorRate, CountsCharactersNotBytes) {
  EXPECT_DOUBLE_EQ(error_rate({{{"今天 好"}, "今天 坏"}}, Unit::kCharacter).value(), 1.0 / 4);
}

TEST(ErrorRate, TakesTheBestReference) {
  const ErrorRate wer = error_rate({{{"a b c", "a x"}, "a x"}}, Unit::kWord);
  EXPECT_EQ(wer.edits, (Edits{2, 0, 0, 0}));
}

TEST(ErrorRate, LeavesEmptyReferencesOutAndCountsThem) {
  const ErrorRate wer = error_rate({{{" "}, "ghost"}, {{"a"}, " "}}, Unit::kWord);
  EXPECT_EQ(wer.empty_references, 1);
  EXPECT_EQ(wer.empty_hypotheses, 1);
  EXPECT_EQ(wer.scored, 1);
  EXPECT_DOUBLE_EQ(wer.value(), 1.0);
  EXPECT_TRUE(std::isnan(error_rate({{{""}, "x"}}, Unit::kWord).value()));
}

TEST(Bleu, OfEqualTextsIsOne) {
  EXPECT_DOUBLE_EQ(bleu({{{"the cat sat on the mat."}, "the cat sat on the mat."}}).value, 1.0);
}

TEST(Bleu, SmoothsAndPenalisesShortTexts) {
  // sacrebleu 2.6.0: 57.89 (100.0/75.0/66.7/50.0, BP 0.819) and 30.213753973567677
  const Bleu one = bleu({{{"the cat sat on the mat"}, "the cat sat on mat"}});
  EXPECT_NEAR(one.brevity_penalty, std::exp(1 - 6.0 / 5), 1e-12);
  EXPECT_NEAR(one.precisions[3], 0.5, 1e-12);
  EXPECT_NEAR(one.value, 0.5789, 1e-4);
  const Bleu smoothed = bleu({{{"a b c d e"}, "a b x d e"}});
  EXPECT_NEAR(smoothed.precisions[2], 1.0 / (2 * 3), 1e-12);
  EXPECT_NEAR(smoothed.precisions[3], 1.0 / (4 * 2), 1e-12);
  EXPECT_NEAR(smoothed.value, 0.30213753973567677, 1e-12);
}

TEST(Bleu, IsZeroWithoutAnyMatchOrWithoutFourWords) {
  EXPECT_EQ(bleu({{{"a b c d"}, "w x y z"}}).value, 0);
  EXPECT_EQ(bleu({{{"a b c"}, "a b c"}}).value, 0);
  EXPECT_EQ(bleu({{{"a b c"}, ""}}).value, 0);
}

TEST(Bleu, TokenizesAsItsNamesakes) {
  EXPECT_EQ(bleu_words("It's 3.5, ok-ish; 5-6 &amp; <a>.", BleuTokens::k13a),
            (Words{"It's", "3.5", ",", "ok-ish", ";", "5", "-", "6", "&", "<", "a", ">", "."}));
  EXPECT_EQ(bleu_words("我 like茶。", BleuTokens::kZh), (Words{"我", "like", "茶", "。"}));
  EXPECT_EQ(bleu_words("ab 茶", BleuTokens::kChar), (Words{"a", "b", "茶"}));
}

TEST(Labels, AccuracyAndMacroF1) {
  const std::vector<LabelPair> pairs = {{"a", "a"}, {"a", "b"}, {"b", "b"}, {"c", "d"}};
  EXPECT_DOUBLE_EQ(accuracy(pairs), 0.5);
  EXPECT_DOUBLE_EQ(macro_f1(pairs), (2.0 / 3 + 2.0 / 3 + 0 + 0) / 4);
  EXPECT_TRUE(std::isnan(accuracy({})));
  EXPECT_TRUE(std::isnan(macro_f1({})));
}

TEST(Rankings, AveragePrecisionTreatsTiesAsOneStep) {
  EXPECT_DOUBLE_EQ(average_precision({{true, false, true}, {0.9, 0.8, 0.1}}), (1.0 + 2.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(average_precision({{true, false, false, true}, {0.5, 0.5, 0.5, 0.5}}), 0.5);
  EXPECT_TRUE(std::isnan(average_precision({{false, false}, {0.1, 0.2}})));
}

TEST(Rankings, RocAucCountsTiesHalf) {
  EXPECT_DOUBLE_EQ(roc_auc({{true, false, true}, {0.9, 0.8, 0.1}}), 0.5);
  EXPECT_DOUBLE_EQ(roc_auc({{true, false}, {0.5, 0.5}}), 0.5);
  EXPECT_TRUE(std::isnan(roc_auc({{true, true}, {0.1, 0.2}})));
}

TEST(Rankings, MacroMeanSkipsAndCountsAbsentClasses) {
  const MacroMean mean = macro_mean({{{true, false}, {1, 0}}, {{false, false}, {1, 0}}}, average_precision);
  EXPECT_DOUBLE_EQ(mean.value, 1.0);
  EXPECT_EQ(mean.used, 1);
  EXPECT_EQ(mean.skipped, 1);
}

TEST(Numbers, MeanAbsoluteErrorAndPearson) {
  const std::vector<NumberPair> pairs = {{1, 2}, {2, 2}, {4, 7}};
  EXPECT_DOUBLE_EQ(mean_absolute_error(pairs), 4.0 / 3);
  EXPECT_NEAR(pearson(pairs), 0.9449111825230680, 1e-12);
  EXPECT_TRUE(std::isnan(pearson({{1, 1}})));
  EXPECT_TRUE(std::isnan(pearson({{1, 3}, {2, 3}})));
}

}  // namespace
}  // namespace usam::text
