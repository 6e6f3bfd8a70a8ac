// Sequences of a batch hold no padding in their middle (defect 14). B rows, T positions, D width, N packed vectors.
#include "recipes/usam/sequence.h"

#include "data/collate.h"
#include "data/loader.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::operator+;

// Vectors of one value each, the same in both channels.
SequencePart part(const std::vector<std::vector<float>>& rows) {
  SequencePart out;
  std::vector<float> values;
  for (const auto& row : rows) {
    values.insert(values.end(), row.begin(), row.end());
    out.lengths.push_back(std::ssize(row));
  }
  out.x_ND = torch::tensor(values).unsqueeze(1).expand({-1, 2}).contiguous();
  return out;
}

TEST(Sequence, PartsStandSideBySide) {
  const auto out = lay_out({part({{1, 2}, {3}}), part({{4}, {5, 6, 7}}), part({{}, {8}}), part({{9, 10}, {11}})});
  const auto expected_BT = torch::tensor({{1.f, 2.f, 4.f, 9.f, 10.f, 0.f}, {3.f, 5.f, 6.f, 7.f, 8.f, 11.f}});
  EXPECT_TRUE(out.embeds_BTD.select(2, 0).equal(expected_BT)) << out.embeds_BTD;
  EXPECT_TRUE(out.embeds_BTD.select(2, 1).equal(expected_BT));
  EXPECT_TRUE(out.lengths_B.equal(torch::tensor({5, 6}, torch::kInt64)));
  EXPECT_TRUE(out.segments_BT.equal(torch::tensor({{1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 1}}, torch::kInt64)));
  EXPECT_TRUE(out.positions_BT.equal(torch::arange(6).expand({2, 6})));
  // 9 is predicted at 4's place, 10 at 9's, 11 at 8's.
  EXPECT_TRUE(out.predictors_N.equal(torch::tensor({2, 3, 6 + 4}, torch::kInt64)));
}

TEST(Sequence, PackedPartsStandBehindEachOtherWithoutPadding) {
  const auto out = pack({part({{1, 2}, {3}, {}}), part({{4}, {5, 6, 7}, {8}}), part({{}, {9}, {10}})});
  const auto expected_N = torch::tensor({1.f, 2.f, 4.f, 3.f, 5.f, 6.f, 7.f, 9.f, 8.f, 10.f});
  EXPECT_TRUE(out.embeds_ND.select(1, 0).equal(expected_N)) << out.embeds_ND;
  EXPECT_EQ(out.lengths, (std::vector<int64_t>{3, 5, 2}));
  EXPECT_TRUE(out.predictors_N.equal(torch::tensor({6, 8}, torch::kInt64)));  // of 9 and 10
}

TEST(Sequence, GradientsReachEveryPart) {
  auto first = part({{1, 2}, {3}}), second = part({{4}, {5, 6}});
  first.x_ND.requires_grad_();
  second.x_ND.requires_grad_();
  (lay_out({first, second}).embeds_BTD * torch::arange(1, 13).view({2, 3, 2})).sum().backward();
  EXPECT_TRUE(first.x_ND.grad().equal(torch::tensor({{1.f, 2.f}, {3.f, 4.f}, {7.f, 8.f}})));
  EXPECT_TRUE(second.x_ND.grad().equal(torch::tensor({{5.f, 6.f}, {9.f, 10.f}, {11.f, 12.f}})));
}

TEST(Sequence, AnEmptyBatchIsEmpty) {
  const auto out = lay_out({{torch::zeros({0, 2}), {}}, {torch::zeros({0, 2}), {}}});
  EXPECT_EQ(out.embeds_BTD.numel(), 0);
  EXPECT_EQ(pack({{torch::zeros({0, 2}), {}}, {torch::zeros({0, 2}), {}}}).embeds_ND.numel(), 0);
}

// A sample's loss does not depend on the prompts, clips and labels beside it.
TEST(Sequence, ASampleIsTheSameAloneAndAmongLongerOnes) {
  const test::Corpus corpus;
  const test::TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  const auto losses = [&](int64_t rows) {
    const test::TinyRun run(folder.path() / "run",
                            test::kNothingRandom + std::vector<std::string>{"recipe.loss.saclm=null",
                                                                            "data.batch.rows=" + std::to_string(rows)});
    run.recipe->train(false);
    data::Loader loader(run.data_set(run.config.data.train, false), {});
    double sum = 0;
    for (int64_t seen = 0; seen < 12;) {
      const auto batch = *loader.next();
      seen += batch.size();
      sum += run.recipe->forward(batch).terms.at(0).sum.item<double>();
    }
    return sum;
  };
  const double alone = losses(1);
  EXPECT_NEAR(losses(6) / alone, 1, 1e-6);
  EXPECT_NEAR(losses(4) / alone, 1, 1e-6);
}

}  // namespace
}  // namespace usam::recipes
