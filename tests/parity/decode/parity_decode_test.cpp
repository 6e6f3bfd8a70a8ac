// Searches against transformers' `generate` on the same weights: what make_decode.py wrote.
// B prompts, T positions, D width, V vocabulary.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "src/base/fs.h"
#include "src/base/json.h"
#include "src/decode/choice.h"
#include "src/decode/constraint.h"
#include "src/decode/generate.h"
#include "src/io/weights.h"
#include "src/models/llama/build.h"
#include "src/models/qwen/config.h"
#include "src/text/tokenizer_config.h"
#include "tests/parity/language_models/new_ids.h"
#include "tests/parity/note.h"
#include "tests/support.h"

namespace usam {
namespace {

decode::Options options_of(const Json& given) {
  decode::Options options;
  options.max_new_tokens = given.value("max_new_tokens", options.max_new_tokens);
  options.min_new_tokens = given.value("min_new_tokens", options.min_new_tokens);
  options.eos = given.value("eos_token_id", options.eos);
  options.repetition_penalty = given.value("repetition_penalty", options.repetition_penalty);
  options.temperature = given.value("temperature", options.temperature);
  options.top_k = given.value("top_k", options.top_k);
  options.top_p = given.value("top_p", options.top_p);
  options.beams = given.value("num_beams", options.beams);
  options.length_penalty = given.value("length_penalty", options.length_penalty);
  options.n_best = given.value("num_return_sequences", options.n_best);
  return options;
}

class DecodeParity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    USAM_NEEDS_ORACLES();
    const auto folder = test::oracle_folder() / "decode" / GetParam();
    golden_.emplace(folder / "golden.safetensors");
    cases_ = Json::parse(read_file(folder / "golden.json")).at("cases");
    llama::Config config;
    config.path.value = test::oracle_folder() / GetParam();
    model_ = llama::build(config, GetParam() == "qwen2" ? qwen::kQwen2 : llama::kLlama, {});
    model_->eval();
  }
  // Every prompt's hypotheses.
  std::vector<std::vector<decode::Hypothesis>> generate(const decode::Options& options) const {
    const auto mask_BT = golden_->get("prompts/attention_mask");
    return decode::generate(*model_, test::to_front(golden_->get("prompts/inputs_embeds"), mask_BT), mask_BT.sum(1),
                            options);
  }
  // A golden's row without its end token and the padding after it; whether it has one.
  static std::pair<decode::Ids, bool> cut(const torch::Tensor& row, const decode::Options& options) {
    decode::Ids ids;
    for (int64_t t = 0; t < row.size(0); ++t) {
      const auto id = row[t].item<int64_t>();
      if (std::ranges::count(options.eos, id) > 0) return {ids, true};
      ids.push_back(id);
    }
    return {ids, false};
  }

  std::optional<io::SafetensorsFile> golden_;
  Json cases_;
  std::shared_ptr<llama::Decoder> model_;
};

TEST_P(DecodeParity, IdsAndScores) {
  std::set<int64_t> lengths;
  int64_t ended = 0, compared = 0, scored = 0;
  for (const auto& [name, given] : cases_.items()) {
    if (!given.contains("eos_token_id")) continue;
    SCOPED_TRACE(name);
    const auto options = options_of(given);
    const auto sequences = golden_->get(name + "/sequences");
    const auto all = generate(options);
    std::vector<double> scores;
    for (size_t b = 0; b < all.size(); ++b) {
      ASSERT_EQ(std::ssize(all[b]), options.n_best);
      for (size_t n = 0; n < all[b].size(); ++n, ++compared) {
        const auto [ids, is_ended] =
            cut(sequences[static_cast<int64_t>(b) * options.n_best + static_cast<int64_t>(n)], options);
        EXPECT_EQ(all[b][n].ids, ids) << "prompt " << b << ", hypothesis " << n;
        EXPECT_EQ(all[b][n].is_ended, is_ended) << "prompt " << b << ", hypothesis " << n;
        scores.push_back(all[b][n].beam_score);
        lengths.insert(std::ssize(ids));
        ended += is_ended;
      }
    }
    if (options.beams == 1) continue;
    const auto got = torch::tensor(scores, torch::kDouble), expected = golden_->get(name + "/scores");
    EXPECT_LT(test::noted_error(GetParam(), "beam scores", got, expected).relative, 1e-5);
    ++scored;
  }
  EXPECT_EQ(compared, 192);
  EXPECT_EQ(scored, 9);
  EXPECT_GT(lengths.size(), 15u) << "searches that all go the same way prove little";
  EXPECT_GT(ended, 30);
  EXPECT_LT(ended, compared - 10);
}

TEST_P(DecodeParity, WhatIsDrawnFrom) {
  int64_t compared = 0;
  for (const auto& [name, given] : cases_.items()) {
    if (!name.starts_with("warp/")) continue;
    const auto got_BV = decode::probabilities(golden_->get(name + "/logits"), options_of(given));
    const auto expected_BV = golden_->get(name + "/probabilities");
    EXPECT_TRUE((got_BV > 0).equal(expected_BV > 0)) << given;
    EXPECT_LT(test::noted_error(GetParam(), "sampling probabilities", got_BV, expected_BV).absolute, 1e-6) << given;
    ++compared;
  }
  EXPECT_EQ(compared, 7);
}

INSTANTIATE_TEST_SUITE_P(Models, DecodeParity, testing::Values("llama", "qwen2"),
                         [](const auto& info) { return info.param; });

// As the tokenizers of Llama 3 and Qwen2 write them, and those of SentencePiece with a space before the first digit.
TEST(Numbers, AreAllowedTokenByToken) {
  USAM_NEEDS_ORACLES();
  for (const char* folder : {"tok-llama3", "tok-qwen2", "tokenizers/llama2", "sentencepiece/llama2_bpe.model"}) {
    const auto tokenizer = open_tokenizer((test::oracle_folder() / folder).string());
    const auto number = decode::a_number(*tokenizer);
    for (const char* text : {"7", "-12", "3.5", "100", "-0.25", "1234567.891"}) {
      SCOPED_TRACE(testing::Message() << folder << " " << text);
      decode::Ids ids;
      for (const auto id : tokenizer->encode(text)) {
        EXPECT_EQ(std::ranges::count(number->next(ids).ids, id), 1) << tokenizer->decode({id});
        ids.push_back(id);
      }
      EXPECT_TRUE(number->next(ids).may_end);
    }
    for (const char* text : {"seven", "3,5", "--1", "1.2.3", ".5"}) {
      decode::Ids ids;
      bool is_allowed = true;
      for (const auto id : tokenizer->encode(text)) {
        is_allowed = is_allowed && std::ranges::count(number->next(ids).ids, id) > 0;
        ids.push_back(id);
      }
      EXPECT_FALSE(is_allowed) << folder << " " << text;
    }
  }
}

}  // namespace
}  // namespace usam
