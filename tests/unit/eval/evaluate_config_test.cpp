#include "src/eval/evaluate_config.h"

#include "src/base/config_yaml.h"
#include "src/base/text.h"
#include "tests/support.h"

namespace usam::eval {
namespace {

EvaluateConfig parsed(const test::TemporaryFolder& folder, const std::string& yaml) {
  EvaluateConfig config;
  load_config(folder.write("c.yaml", yaml), {}, config);
  return config;
}

TEST(EvaluateConfig, ReadsItsKeys) {
  test::TemporaryFolder folder;
  folder.write("normalizer.json", R"({"colour": "color"})");
  const auto config = parsed(folder,
                             "{normalizer: whisper_en, spelling: normalizer.json, bleu_tokens: zh, max_new_tokens: 30, "
                             "bootstrap: 500, bootstrap_seed: 3}");
  EXPECT_EQ(config.max_new_tokens, 30);
  const ScoreOptions options = score_options(config);
  EXPECT_EQ(options.normalizer->stamp(), "whisper_en/1+1 spellings");
  EXPECT_EQ(options.bleu_tokens, text::BleuTokens::kZh);
  EXPECT_EQ(options.bootstrap.resamples, 500);
  EXPECT_EQ(options.bootstrap.seed, 3u);
}

TEST(EvaluateConfig, RefusesWhatCannotWork) {
  test::TemporaryFolder folder;
  folder.write("normalizer.json", R"({"colour": "color"})");
  const auto message = [&](const std::string& yaml) { return test::message_of([&] { parsed(folder, yaml); }); };
  EXPECT_NE(message("{normalizer: basic, spelling: normalizer.json}")
                .find("`spelling` serves the normalizer whisper_en only."),
            std::string::npos);
  EXPECT_NE(message("{normalizer: english}").find("english"), std::string::npos);
  EXPECT_NE(message("{max_new_tokens: 0}").find("max_new_tokens"), std::string::npos);
  EXPECT_NE(message("{tags: none.txt}").find("none.txt"), std::string::npos);
}

TEST(TaskConfig, ReadsItsKeys) {
  test::TemporaryFolder folder;
  folder.write("emotions.txt", "happy\nsad\n");
  const auto config = parsed(folder,
                             "{normalizer: whisper_en, tasks: {SER: {answer: label, labels: emotions.txt, normalizer: "
                             "basic, max_new_tokens: 9, metrics: [accuracy, f1]}, MC: {answer: likelihood}, QA: {}}}");
  EXPECT_EQ(config.tasks.at("SER").max_new_tokens, 9);
  EXPECT_EQ(config.tasks.at("MC").answer, Answer::kLikelihood);
  EXPECT_EQ(config.tasks.at("QA").answer, Answer::kText);
  const ScoreOptions options = score_options(config);
  const TaskOptions& ser = options.tasks.at("SER");
  EXPECT_EQ(ser.answer, Answer::kLabel);
  EXPECT_EQ(ser.labels, (std::vector<std::string>{"happy", "sad"}));
  EXPECT_EQ(ser.normalizer->stamp(), "basic/1");
  EXPECT_EQ(ser.metrics, (std::vector<std::string>{"accuracy", "f1"}));
  EXPECT_EQ(options.tasks.at("QA").normalizer, nullptr);
}

TEST(TaskConfig, SpellingServesTheTaskThatIsEnglish) {
  test::TemporaryFolder folder;
  folder.write("normalizer.json", R"({"colour": "color"})");
  const auto options = score_options(
      parsed(folder, "{normalizer: none, spelling: normalizer.json, tasks: {ASR: {normalizer: whisper_en}}}"));
  EXPECT_EQ(options.normalizer->stamp(), "none/1");
  EXPECT_EQ(options.tasks.at("ASR").normalizer->stamp(), "whisper_en/1+1 spellings");
}

TEST(TaskConfig, IsRefusedWhereItMakesNoSense) {
  test::TemporaryFolder folder;
  folder.write("labels.txt", "a\nb\n");
  const std::string metrics = join_words(metric_names());
  const std::pair<std::string, std::string> refused[] = {
      {"{labels: labels.txt}", "`labels` needs `answer: label` or `answer: likelihood`."},
      {"{answer: number, labels: labels.txt}", "`labels` needs `answer: label` or `answer: likelihood`."},
      {"{answer: likelihood, max_new_tokens: 3}",
       "`max_new_tokens` limits answers that are written: `answer: likelihood` writes none."},
      {"{normalizer: whisper}",
       "There is no normalizer 'whisper'; there are none, basic, basic_letters and whisper_en."},
      {"{metrics: [acuracy]}", "There is no metric 'acuracy'; did you mean 'accuracy'? There are " + metrics + "."},
      {"{metrics: [wer, wer]}", "`metrics` names wer twice."},
      {"{answer: number, metrics: [map]}",
       "The metric map ranks by scores, which `answer: number` does not give; use `answer: likelihood`."},
      {"{max_new_tokens: 4}", "`decoding.min_new_tokens` is above `tasks.T.max_new_tokens`."},
      {"{answer: label}",
       "`decoding.min_new_tokens` does not go with `tasks.T.answer: label`: such an answer ends where it is "
       "complete."}};
  for (const auto& [task, sentence] : refused) {
    const std::string message = test::message_of(
        [&] { parsed(folder, "{max_new_tokens: 9, decoding: {min_new_tokens: 5}, tasks: {T: " + task + "}}"); });
    EXPECT_TRUE(message.ends_with(": " + sentence)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  const auto reason = [&](const std::string& task) {
    return test::message_of([&] { parsed(folder, "{tasks: {T: " + task + "}}"); });
  };
  EXPECT_NE(reason("{answer: letter}").find("tasks.T.answer"), std::string::npos) << reason("{answer: letter}");
  EXPECT_NE(reason("{answer: label, labels: none.txt}").find("none.txt"), std::string::npos);
  EXPECT_NE(reason("{max_new_tokens: 0}").find("tasks.T.max_new_tokens"), std::string::npos);
}

TEST(DecodingConfig, IsRefusedWhereItMakesNoSense) {
  test::TemporaryFolder folder;
  const auto message = [&](const std::string& yaml) {
    return test::message_of([&] { parsed(folder, "{max_new_tokens: 30, decoding: " + yaml + "}"); });
  };
  for (const char* good : {"{}", "{beams: 4, length_penalty: 0.5, repetition_penalty: 1.2, min_new_tokens: 30}",
                           "{temperature: 0.7, top_k: 5, top_p: 0.9, seed: 3, stop: [end, the]}"})
    EXPECT_EQ(message(good), "");
  const std::pair<const char*, const char*> refused[] = {
      {"{beams: 2, temperature: 1}",
       "`beams` search for the likeliest answer, `temperature` draws one: use one of them."},
      {"{top_k: 5}", "`top_k` and `top_p` limit what is drawn: they need a `temperature` above 0."},
      {"{top_p: 0.9}", "`top_k` and `top_p` limit what is drawn: they need a `temperature` above 0."},
      {"{length_penalty: 2}", "`length_penalty` ranks beams: it needs `beams` above 1."},
      {"{stop: [a, '']}", "`stop` holds an empty text, which every answer begins with."},
      {"{min_new_tokens: 31}", "`decoding.min_new_tokens` is above `max_new_tokens`."},
      {"{beams: 0}", "decoding.beams"},
      {"{repetition_penalty: 0}", "decoding.repetition_penalty"},
      {"{temperature: -1}", "decoding.temperature"},
      {"{top_p: 1.1}", "decoding.top_p"},
      {"{seed: -1}", "decoding.seed"}};
  for (const auto& [yaml, sentence] : refused)
    EXPECT_NE(message(yaml).find(sentence), std::string::npos) << message(yaml);
}

TEST(ReadTags, KeepsTheFilesOrder) {
  test::TemporaryFolder folder;
  EXPECT_EQ(read_tags(folder.write("tags.txt", "piano\n\n hit hat \r\ndrum")),
            (std::vector<std::string>{"piano", "hit hat", "drum"}));
  const std::string twice = folder.write("twice.txt", "a\nb\na\n"), empty = folder.write("empty.txt", "\n");
  EXPECT_EQ(test::message_of([&] { read_tags(twice); }), twice + ":3: the tag 'a' stands here a second time.");
  EXPECT_EQ(test::message_of([&] { read_tags(empty); }), empty + ": the file holds no tag.");
  EXPECT_EQ(test::message_of([&] { read_labels(twice); }), twice + ":3: the label 'a' stands here a second time.");
  EXPECT_EQ(test::message_of([&] { read_labels(empty); }), empty + ": the file holds no label.");
}

}  // namespace
}  // namespace usam::eval
