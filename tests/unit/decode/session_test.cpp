// Prompts that come and go are answered as each is alone.
#include "src/decode/session.h"

#include <map>

#include "src/decode/constraint.h"
#include "src/decode/generate.h"
#include "src/decode/text_stream.h"
#include "src/tensor/rng.h"
#include "tests/support.h"
#include "tests/unit/decode/letters.h"
#include "tests/unit/decode/small_model.h"

namespace usam::decode {
namespace {

using test::Letters;

const std::vector<int64_t> kSessionLengths{7, 1, 12, 4, 9, 2, 12, 5, 3, 8, 1, 6, 10, 11, 2, 7, 4, 25, 3, 1, 30, 5};

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::tie(prompts_, lengths_) = test::small_prompts(kSessionLengths);
    const auto letters = std::make_shared<Letters>();
    const Options plain{.max_new_tokens = 24, .eos = {Letters::kEnd, 7, 11}, .tokenizer = letters};
    options_.assign(7, plain);
    options_[1].repetition_penalty = 1.4, options_[1].min_new_tokens = 3;
    options_[2].beams = 3, options_[2].n_best = 2;
    options_[3].temperature = 1.1, options_[3].n_best = 2;
    options_[4].max_new_tokens = 5;
    options_[5].constraint = one_of({"yes", "no", "yesterday"}, *letters);
    options_[6].stop = {"a", "3"};
    for (const auto& one : options_) shared_.push_back(std::make_shared<const Options>(one));
  }

  int64_t length(int64_t i) const { return kSessionLengths[static_cast<size_t>(i)]; }
  torch::Tensor prompt(int64_t i) const { return prompts_[i].narrow(0, 0, length(i)).unsqueeze(0); }
  const Options& options(int64_t i) const { return options_[static_cast<size_t>(i) % options_.size()]; }
  Request request(int64_t i) const {
    return {i, "clip" + std::to_string(i), shared_[static_cast<size_t>(i) % shared_.size()]};
  }
  void add(Session& session, int64_t first, int64_t count) const {
    std::vector<Request> requests;
    for (int64_t i = first; i < first + count; ++i) requests.push_back(request(i));
    session.add(prompts_.slice(0, first, first + count), lengths_.slice(0, first, first + count), requests);
  }
  std::vector<Hypothesis> alone(LanguageModel& model, int64_t i) const {
    return generate(model, prompt(i), torch::tensor({length(i)}), options(i), {request(i).key})[0];
  }
  static void expect_same(const std::vector<Hypothesis>& got, const std::vector<Hypothesis>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t n = 0; n < got.size(); ++n) {
      EXPECT_EQ(got[n].ids, expected[n].ids);
      EXPECT_EQ(got[n].text, expected[n].text);
      EXPECT_EQ(got[n].is_ended, expected[n].is_ended);
      EXPECT_NEAR(got[n].log_prob, expected[n].log_prob, 1e-2);
    }
  }
  // At most `room` under way, refilled as soon as one has left.
  std::map<int64_t, std::vector<Hypothesis>> refilled(LanguageModel& model, int64_t room) const {
    Session session(model);
    std::map<int64_t, std::vector<Hypothesis>> answers;
    for (int64_t next = 0; next < std::ssize(kSessionLengths) || !session.is_idle();) {
      const auto count = std::min(room - session.size(), std::ssize(kSessionLengths) - next);
      add(session, next, count);
      next += count;
      EXPECT_LE(session.size(), room);
      for (auto& [id, hypotheses] : session.step())
        EXPECT_TRUE(answers.emplace(id, std::move(hypotheses)).second) << id;
    }
    return answers;
  }

  torch::Tensor prompts_, lengths_;
  std::vector<Options> options_;
  std::vector<std::shared_ptr<const Options>> shared_;
};

TEST_F(SessionTest, ScoresThatAreNoNumbersEndIt) {
  const auto model = test::small_model();
  {
    const torch::NoGradGuard no_grad;
    model->parameters().back().fill_(NAN);
  }
  for (const int64_t i : {0, 2, 3, 5}) {
    Session session(*model);
    add(session, i, 1);
    EXPECT_EQ(
        test::message_of([&] { session.step(); }),
        "The language model's scores of the next token are no finite numbers, so none can be chosen. Training of "
        "these values has diverged, or they do not fit recipe.llm.dtype: float16, whose largest number is 65504.");
  }
}

TEST_F(SessionTest, ARefilledBatchAnswersAsEachPromptAlone) {
  const auto model = test::small_model();
  std::map<int64_t, std::vector<Hypothesis>> expected;
  for (int64_t i = 0; i < std::ssize(kSessionLengths); ++i) expected[i] = alone(*model, i);
  for (const int64_t room : {1, 2, 5, 100}) {
    const auto answers = refilled(*model, room);
    ASSERT_EQ(answers.size(), kSessionLengths.size());
    for (const auto& [id, hypotheses] : answers) {
      SCOPED_TRACE(testing::Message() << "room " << room << ", prompt " << id);
      expect_same(hypotheses, expected[id]);
    }
  }
}

// A layer that slides over the last positions counts a row's own, not the padding between them.
TEST_F(SessionTest, ASlidingWindowSeesNoPadding) {
  llama::Sizes sizes;
  sizes.vocab = 50, sizes.layers = 2, sizes.hidden = 32, sizes.heads = 4, sizes.kv_heads = 2, sizes.head_dim = 8;
  sizes.intermediate = 48, sizes.window = 6, sizes.has_window = {true, false};
  const auto model = std::make_shared<llama::Decoder>(sizes, llama::kLlama);
  const torch::NoGradGuard no_grad;
  auto draws = at::detail::createCPUGenerator(4);
  for (auto& parameter : model->parameters())
    if (parameter.dim() > 1) parameter.copy_(torch::randn(parameter.sizes(), draws) * 0.25);
  model->eval();
  const auto answers = refilled(*model, 4);
  for (const auto& [id, hypotheses] : answers) {
    SCOPED_TRACE(id);
    expect_same(hypotheses, alone(*model, id));
  }
}

TEST_F(SessionTest, ACancelledRequestChangesNoOther) {
  const auto model = test::small_model();
  Session session(*model);
  add(session, 0, 9);
  std::map<int64_t, std::vector<Hypothesis>> answers;
  const auto step = [&] {
    for (auto& [id, hypotheses] : session.step()) answers[id] = std::move(hypotheses);
  };
  step();
  EXPECT_EQ(session.ids_under_way(0).size(), 1U);
  session.cancel(0);
  session.cancel(2);
  EXPECT_EQ(session.size(), 7);
  add(session, 9, 2);
  session.cancel(9);
  while (!session.is_idle()) step();
  EXPECT_EQ(answers.size(), 8U);
  for (const auto& [id, hypotheses] : answers) expect_same(hypotheses, alone(*model, id));
  EXPECT_EQ(test::message_of([&] { session.cancel(0); }), "no request 0 is under way");
  EXPECT_TRUE(session.step().empty());
}

TEST_F(SessionTest, ARefusedRequestLeavesTheOthersAlone) {
  const auto model = test::small_model();
  Session session(*model);
  add(session, 0, 2);
  auto bad = options_[5];
  bad.min_new_tokens = 2;
  const auto message = test::message_of(
      [&] { session.add(prompt(3), torch::tensor({length(3)}), {{3, "", std::make_shared<const Options>(bad)}}); });
  EXPECT_EQ(message,
            "An answer that is one of some labels or a number ends where it is complete: it goes without "
            "min_new_tokens.");
  EXPECT_EQ(session.size(), 2);
  while (!session.is_idle())
    for (const auto& [id, hypotheses] : session.step()) expect_same(hypotheses, alone(*model, id));
}

// What a stream tells, put together, is the text; nothing of a stop text is told.
TEST_F(SessionTest, StreamedTextIsTheText) {
  const auto model = test::small_model();
  for (int64_t i = 0; i < std::ssize(kSessionLengths); ++i) {
    auto options = options_[0];
    options.stop = {"42a", "zz", "bc"};
    Session session(*model);
    session.add(prompt(i), torch::tensor({length(i)}), {{i, "", std::make_shared<const Options>(options)}});
    TextStream stream(options);
    std::string told;
    while (true) {
      const auto finished = session.step();
      if (!finished.empty()) {
        const auto& text = finished[0].hypotheses[0].text;
        told += stream.rest(text);
        EXPECT_EQ(told, text);
        break;
      }
      told += stream.next(session.ids_under_way(i));
    }
  }
}

// Two bytes of a character, one token each.
class Bytes final : public Tokenizer {
 public:
  std::vector<int64_t> encode_mixed(std::string_view, size_t, size_t) const override { return {}; }
  std::string decode(const std::vector<int64_t>& ids, SpecialText) const override {
    std::string text;
    for (size_t i = 0; i < ids.size(); ++i) text += i % 2 == 1 ? "\u00e9" : i + 1 == ids.size() ? "\uFFFD" : "";
    return text;
  }
  int64_t vocab_size() const override { return 2; }
  std::optional<int64_t> bos() const override { return std::nullopt; }
  int64_t eos() const override { return 1; }
  std::optional<int64_t> find(std::string_view) const override { return std::nullopt; }
  void save(const std::string&) const override {}
};

TEST(TextStream, HalfACharacterWaits) {
  const Options options{.tokenizer = std::make_shared<Bytes>()};
  TextStream stream(options);
  EXPECT_EQ(stream.next({0}), "");
  EXPECT_EQ(stream.next({0, 0}), "\u00e9");
  EXPECT_EQ(stream.next({0, 0, 0}), "");
  EXPECT_EQ(stream.next({0, 0, 0, 0}), "\u00e9");
  EXPECT_EQ(stream.rest("\u00e9\u00e9!"), "!");
}

}  // namespace
}  // namespace usam::decode
