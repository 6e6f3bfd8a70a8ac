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
