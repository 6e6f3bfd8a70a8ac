#include "data/collate.h"

#include "tests/support.h"

namespace usam::data {
namespace {

TEST(Collate, EachLayout) {
  const std::vector<FieldSpec> specs = {
      {"a", Layout::kPadded}, {"b", Layout::kPacked}, {"c", Layout::kList}, {"d", Layout::kPadded}};
  const auto example = [](int64_t n) {
    return Example{{"a", torch::full({n, 2}, double(n))},
                   {"b", torch::arange(n)},
                   {"c", torch::full({n}, 1.0)},
                   {"d", torch::tensor(double(n))}};
  };
  const auto fields = collate(specs, {example(1), example(3)});
  EXPECT_TRUE(torch::equal(fields.at("a").data,
                           torch::tensor({1., 1., 0., 0., 0., 0., 3., 3., 3., 3., 3., 3.}).view({2, 3, 2})));
  EXPECT_TRUE(torch::equal(fields.at("a").lengths_B, torch::tensor({1, 3}, torch::kInt64)));
  EXPECT_TRUE(torch::equal(fields.at("b").data, torch::tensor({0, 0, 1, 2}, torch::kInt64)));
  EXPECT_TRUE(torch::equal(fields.at("b").lengths_B, torch::tensor({1, 3}, torch::kInt64)));
  ASSERT_EQ(fields.at("c").items.size(), 2u);
  EXPECT_EQ(fields.at("c").items[1].numel(), 3);
  EXPECT_TRUE(torch::equal(fields.at("d").data, torch::tensor({1., 3.})));
}

TEST(Collate, NothingGivesNoFields) {
  EXPECT_TRUE(collate({{"a", Layout::kPadded}}, {}).empty());
}

TEST(Collate, SaysWhatDoesNotFit) {
  const std::vector<FieldSpec> specs = {{"a", Layout::kPadded}};
  EXPECT_EQ(test::message_of([&] { collate(specs, {{}}); }), "an example lacks the field 'a'");
  EXPECT_EQ(test::message_of([&] { collate(specs, {{{"a", torch::zeros({2, 3})}}, {{"a", torch::zeros({2, 4})}}}); }),
            "field 'a': samples of shape 2x3 and 2x4 cannot stand in one batch");
}

TEST(Batch, MovesFieldsButNotLengths) {
  Batch batch;
  batch.keys = {"k"};
  const auto ones = torch::ones({2});
  batch.fields = collate({{"a"}, {"c", Layout::kList}, {"h", Layout::kPadded, /*stays_on_host=*/true}},
                         {{{"a", ones}, {"c", ones}, {"h", ones}}});
  const Batch moved = batch.to(torch::kMeta);
  EXPECT_TRUE(moved.field("a").data.is_meta());
  EXPECT_TRUE(moved.field("a").lengths_B.is_cpu());
  EXPECT_TRUE(moved.field("c").items[0].is_meta());
  EXPECT_TRUE(moved.field("h").data.is_cpu());
  EXPECT_EQ(moved.keys, batch.keys);
}

}  // namespace
}  // namespace usam::data
