// Expected values by hand where they are small, else from jiwer, sacrebleu and scikit-learn.
#include <cmath>

#include "src/text/bleu.h"
#include "src/text/caption_metrics.h"
#include "src/text/chrf.h"
#include "src/text/error_rate.h"
#include "src/text/label_metrics.h"
#include "src/text/number_metrics.h"
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
  EXPECT_EQ(wer.scored, 1);
  EXPECT_DOUBLE_EQ(wer.value(), 1.0);
  EXPECT_TRUE(std::isnan(error_rate({{{""}, "x"}}, Unit::kWord).value()));
}

TEST(ErrorRate, MatchErrorRateCountsInsertionsBelowToo) {
  const ErrorRate rate = error_rate({{{"a b c d"}, "a b c d"}, {{"x"}, "y z"}}, Unit::kWord);
  EXPECT_DOUBLE_EQ(rate.match_mean_of_utterances, 0.5);
  EXPECT_TRUE(std::isnan(error_rate({{{""}, "x"}}, Unit::kWord).match_mean_of_utterances));
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

TEST(Chrf, IsOneForEqualTextsWhateverTheirSpaces) {
  EXPECT_DOUBLE_EQ(chrf(chrf_statistics({{"the cat"}, "t he  cat"})), 1.0);
  EXPECT_EQ(chrf(chrf_statistics({{"the cat"}, "www"})), 0);
  EXPECT_EQ(chrf(chrf_statistics({{"the cat"}, ""})), 0);
  // Of 1 to 3 characters 2/3, 1/2 and 0 are right on both sides.
  EXPECT_NEAR(chrf(chrf_statistics({{"abc"}, "abd"})), (2.0 / 3 + 1.0 / 2) / 3, 1e-12);
  EXPECT_DOUBLE_EQ(chrf(chrf_statistics({{"xyz", "abd"}, "abd"})), 1.0);
}

TEST(Captions, RougeLIsOfTheLongestCommonSubsequence) {
  EXPECT_DOUBLE_EQ(rouge_l({{"A dog barks, loudly!"}, "a dog loudly barks"}), 0.75);
  EXPECT_DOUBLE_EQ(rouge_l({{"rain", "a dog"}, "a dog runs"}), 2 * (2.0 / 3) / (2.0 / 3 + 1));
  EXPECT_EQ(rouge_l({{"\u72d7"}, "\u72d7"}), 0);  // no letters that it knows
}

TEST(Captions, MeteorTakesOffForMatchesInPieces) {
  EXPECT_DOUBLE_EQ(meteor_exact({{"a dog barks"}, "A dog barks"}), 1 - 0.5 / 27);
  EXPECT_DOUBLE_EQ(meteor_exact({{"a dog barks"}, "barks dog a"}), 0.5);
  EXPECT_EQ(meteor_exact({{"a dog barks"}, "rain"}), 0);
  EXPECT_EQ(meteor_exact({{""}, ""}), 0);
}

TEST(Labels, AccuracyAndF1) {
  const LabelTable labels({{"a", "a"}, {"a", "b"}, {"b", "b"}, {"c", "d"}});
  EXPECT_DOUBLE_EQ(labels.accuracy(), 0.5);
  EXPECT_DOUBLE_EQ(labels.macro_f1(), (2.0 / 3 + 2.0 / 3 + 0 + 0) / 4);
  EXPECT_DOUBLE_EQ(labels.weighted_f1(), (2 * 2.0 / 3 + 2.0 / 3 + 0) / 4);
  EXPECT_DOUBLE_EQ(labels.macro_f1({0, 2, 2, 0}), (0 + 2.0 * 2 / 6) / 2 + 0.0)
      << "labels that are not drawn are not there";
  const LabelTable none(std::vector<LabelPair>{});
  EXPECT_TRUE(std::isnan(none.accuracy()) && std::isnan(none.macro_f1()) && std::isnan(none.weighted_f1()));
}

TEST(Rankings, AveragePrecisionTreatsTiesAsOneStep) {
  EXPECT_DOUBLE_EQ(average_precision({{true, false, true}, {0.9, 0.8, 0.1}}), (1.0 + 2.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(average_precision({{true, false, false, true}, {0.5, 0.5, 0.5, 0.5}}), 0.5);
  EXPECT_TRUE(std::isnan(average_precision({{false, false}, {0.1, 0.2}})));
}

TEST(Rankings, RocAucCountsTiesHalf) {
  EXPECT_DOUBLE_EQ(SortedRanking({{true, false, true}, {0.9, 0.8, 0.1}}).areas().roc_auc, 0.5);
  EXPECT_DOUBLE_EQ(SortedRanking({{true, false}, {0.5, 0.5}}).areas().roc_auc, 0.5);
  EXPECT_TRUE(std::isnan(SortedRanking({{true, true}, {0.1, 0.2}}).areas().roc_auc));
}

TEST(Rankings, PrAucIsOfTrapezoids) {
  // Recall 0, 1/2, 1/2, 1 at precision 1, 1, 1/2, 2/3.
  EXPECT_DOUBLE_EQ(SortedRanking({{true, false, true}, {0.9, 0.8, 0.1}}).areas().pr_auc,
                   0.5 + 0.5 * (0.5 + 2.0 / 3) / 2);
}

TEST(Rankings, MacroMeanSkipsAndCountsAbsentClasses) {
  const std::vector<SortedRanking> classes = {SortedRanking({{true, false}, {1, 0}}),
                                              SortedRanking({{false, false}, {1, 0}}),
                                              SortedRanking({{true, true}, {1, 0}})};
  const MacroMean mean = macro_mean(classes, &RankingAreas::average_precision);
  EXPECT_DOUBLE_EQ(mean.value, 1.0);
  EXPECT_EQ(mean.used, 1);
  EXPECT_EQ(mean.skipped, 2);
  EXPECT_TRUE(std::isnan(macro_mean(classes, &RankingAreas::roc_auc, {2, 0}).value));
}

TEST(Numbers, MeanAbsoluteErrorAndPearson) {
  const std::vector<NumberPair> pairs = {{1, 2}, {2, 2}, {4, 7}};
  EXPECT_DOUBLE_EQ(mean_absolute_error(pairs), 4.0 / 3);
  EXPECT_NEAR(pearson(pairs), 0.9449111825230680, 1e-12);
  EXPECT_TRUE(std::isnan(pearson({{1, 1}})));
  EXPECT_TRUE(std::isnan(pearson({{1, 3}, {2, 3}})));
  EXPECT_TRUE(std::isnan(pearson({{1, 0.1}, {2, 0.1}, {4, 0.1}, {8, 7}}, {1, 1, 1, 0})));
  EXPECT_NEAR(root_mean_square_error(pairs), std::sqrt(10.0 / 3), 1e-12);
}

TEST(Numbers, SpearmanSharesRanksAmongEquals) {
  EXPECT_DOUBLE_EQ(Spearman({{1, 10}, {2, 20}, {3, 1000}})(), 1.0);
  EXPECT_NEAR(Spearman({{1, 2}, {2, 2}, {4, 7}})(), std::sqrt(3.0) / 2, 1e-12);
  EXPECT_TRUE(std::isnan(Spearman({{1, 3}, {2, 3}})()));
  EXPECT_TRUE(std::isnan(Spearman(std::vector<NumberPair>{})()));
}

}  // namespace
}  // namespace usam::text
