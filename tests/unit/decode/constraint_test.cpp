// Stop texts, labels and numbers.
#include "src/decode/constraint.h"

#include <algorithm>
#include <regex>
#include <set>

#include "src/decode/generate.h"
#include "src/decode/score.h"
#include "tests/support.h"
#include "tests/unit/decode/letters.h"
#include "tests/unit/decode/small_model.h"

namespace usam::decode {
namespace {

using test::Letters;

class Constraints : public testing::Test {
 protected:
  void SetUp() override { std::tie(prompts_, lengths_) = test::small_prompts({7, 1, 12, 4, 9, 2, 5, 3}); }
  Options options() const { return {.max_new_tokens = 12, .eos = {Letters::kEnd}, .tokenizer = letters_}; }
  std::vector<std::vector<Hypothesis>> generate(const Options& options) const {
    return decode::generate(*model_, prompts_, lengths_, options, std::vector<std::string>(8, "key"));
  }

  std::shared_ptr<Tokenizer> letters_ = std::make_shared<Letters>();
  std::shared_ptr<llama::Decoder> model_ = test::small_model();
  torch::Tensor prompts_, lengths_;
};

// What comes freely, until a text of it is made a stop.
TEST_F(Constraints, AStopTextEndsTheAnswerBeforeIt) {
  const auto free = generate(options())[0][0];
  ASSERT_GT(free.text.size(), 6u);
  auto stopping = options();
  const auto stop = free.text.substr(3, 2);
  stopping.stop = {"no such text", stop};
  const auto got = generate(stopping)[0][0];
  const auto at = free.text.find(stop);
  EXPECT_EQ(got.text, free.text.substr(0, at));
  EXPECT_EQ(got.ids, Ids(free.ids.begin(), free.ids.begin() + static_cast<std::ptrdiff_t>(at + 2)));
  EXPECT_TRUE(got.is_ended);
  EXPECT_EQ(got.tokens, std::ssize(got.ids));
  stopping.stop = {"no such text"};
  EXPECT_EQ(generate(stopping)[0][0].text, free.text);
}

TEST_F(Constraints, AStopTextEndsBeams) {
  auto stopping = options();
  stopping.beams = 3, stopping.n_best = 3;
  const auto free = generate(stopping);
  const auto stop = free[0][0].text.substr(2, 1);
  stopping.stop = {stop};
  size_t stopped = 0;
  for (const auto& hypotheses : generate(stopping)) {
    for (const auto& hypothesis : hypotheses) {
      EXPECT_EQ(hypothesis.text.find(stop), std::string::npos);
      const bool holds = letters_->decode(hypothesis.ids).find(stop) != std::string::npos;
      stopped += holds;
      EXPECT_TRUE(hypothesis.is_ended || !holds);
    }
  }
  EXPECT_GT(stopped, 0u);
}

const std::vector<std::string> kLabels{"cat", "car", "ca", "dog", "a", "zebra"};

TEST_F(Constraints, AnswersAreLabels) {
  auto constrained = options();
  constrained.constraint = one_of(kLabels, *letters_);
  std::set<std::string> seen;
  for (const double temperature : {0.0, 3.0}) {
    constrained.temperature = temperature;
    for (const auto& hypotheses : generate(constrained)) {
      EXPECT_TRUE(std::ranges::count(kLabels, hypotheses[0].text)) << hypotheses[0].text;
      EXPECT_TRUE(hypotheses[0].is_ended);
      seen.insert(hypotheses[0].text);
    }
  }
  EXPECT_GT(seen.size(), 2u);
}

// With more beams than there are labels, all are found, in the order of their likelihood.
TEST_F(Constraints, BeamsRankTheLabels) {
  auto constrained = options();
  constrained.constraint = one_of(kLabels, *letters_);
  constrained.beams = 8, constrained.n_best = 8;
  const auto all = generate(constrained);
  std::vector<Ids> ids;
  for (const auto& label : kLabels) {
    ids.push_back(letters_->encode(label));
    ids.back().push_back(Letters::kEnd);
  }
  const auto scores = score(*model_, prompts_, lengths_, std::vector<std::vector<Ids>>(8, ids));
  for (size_t b = 0; b < all.size(); ++b) {
    ASSERT_EQ(all[b].size(), kLabels.size());
    std::vector<size_t> order{0, 1, 2, 3, 4, 5};
    std::ranges::sort(order, std::ranges::greater{}, [&](size_t i) { return scores[b][i]; });
    for (size_t n = 0; n < order.size(); ++n) {
      EXPECT_EQ(all[b][n].text, kLabels[order[n]]) << b << " " << n;
      EXPECT_NEAR(all[b][n].mean_log_prob(), scores[b][order[n]], 1e-3);
    }
  }
}

TEST_F(Constraints, AnswersAreNumbers) {
  auto constrained = options();
  constrained.constraint = a_number(*letters_);
  constrained.temperature = 8, constrained.n_best = 20;
  std::set<std::string> seen;
  bool has_pair = false;
  for (const auto& hypotheses : generate(constrained)) {
    for (const auto& [ids, is_ended, log_prob, tokens, score, text] : hypotheses) {
      const std::regex form(is_ended ? "-?[0-9]+(\\.[0-9]+)?" : "-?[0-9]+(\\.[0-9]*)?");
      EXPECT_TRUE(std::regex_match(text, form)) << text;
      has_pair = has_pair || std::ranges::count(ids, Letters::kPair);
      seen.insert(text);
    }
  }
  EXPECT_TRUE(has_pair);
  EXPECT_GT(seen.size(), 15u);
  EXPECT_TRUE(std::ranges::any_of(seen, [](const auto& text) { return text.find('.') != std::string::npos; }));
  EXPECT_TRUE(std::ranges::any_of(seen, [](const auto& text) { return text.starts_with("-"); }));
}

TEST_F(Constraints, Refuse) {
  EXPECT_EQ(test::message_of([&] { one_of({}, *letters_); }),
            "An answer that is one of some labels needs at least one label.");
  EXPECT_EQ(test::message_of([&] { one_of({"a", ""}, *letters_); }),
            "The label '' has no tokens, so it cannot be an answer.");
  auto longer = options();
  longer.constraint = a_number(*letters_), longer.min_new_tokens = 2;
  EXPECT_EQ(test::message_of([&] { generate(longer); }),
            "An answer that is one of some labels or a number ends where it is complete: it goes without "
            "min_new_tokens.");
  EXPECT_EQ(test::message_of([&] { generate({.stop = {"a"}}); }), "stop texts need a tokenizer");
  EXPECT_EQ(test::message_of([&] { generate({.constraint = a_number(*letters_)}); }),
            "a constrained answer needs an end token");
}

}  // namespace
}  // namespace usam::decode
