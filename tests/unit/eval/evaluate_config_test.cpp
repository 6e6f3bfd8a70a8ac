#include "src/eval/evaluate_config.h"

#include "src/base/config_yaml.h"
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
  const auto config =
      parsed(folder, "{normalizer: whisper_en, spelling: normalizer.json, bleu_tokens: zh, max_new_tokens: 30}");
  EXPECT_EQ(config.max_new_tokens, 30);
  const ScoreOptions options = score_options(config);
  EXPECT_EQ(options.normalizer->stamp(), "whisper_en/1+1 spellings");
  EXPECT_EQ(options.bleu_tokens, text::BleuTokens::kZh);
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
}

}  // namespace
}  // namespace usam::eval
