#include "src/eval/evaluate_config.h"

#include <algorithm>
#include <sstream>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/text/unicode.h"

namespace usam::eval {

void describe(Fields& f, EvaluateConfig& c) {
  std::vector<std::pair<std::string, std::string>> normalizers;
  for (const std::string& name : text::normalizer_names()) normalizers.emplace_back(name, name);
  f.choice("normalizer", c.normalizer, normalizers, "what is done to texts before they are compared").resumable();
  f("spelling", c.spelling, "normalizer.json of a Whisper checkpoint: British spellings for whisper_en")
      .must_exist()
      .resumable();
  f.choice("bleu_tokens", c.bleu_tokens,
           {{"13a", text::BleuTokens::k13a}, {"zh", text::BleuTokens::kZh}, {"char", text::BleuTokens::kChar}},
           "how BLEU cuts text into words")
      .resumable();
  f("max_new_tokens", c.max_new_tokens, "longest answer in tokens").at_least(1).resumable();
  f("decoding", c.decoding, "how answers are searched for");
  f("batch_rows", c.batch_rows, "clips decoded together").at_least(1).resumable();
  f("tags", c.tags, "file of candidate tags, one a line; without it the union over the rows evaluated")
      .must_exist()
      .resumable();
  f.rule([&c]() -> std::string {
    if (c.decoding.min_new_tokens > c.max_new_tokens) return "`decoding.min_new_tokens` is above `max_new_tokens`.";
    if (c.spelling.empty() || c.normalizer == "whisper_en") return "";
    return "`spelling` serves the normalizer whisper_en only.";
  });
}

ScoreOptions score_options(const EvaluateConfig& config) {
  text::SpellingTable spelling;
  if (!config.spelling.empty()) spelling = text::read_spelling_table(config.spelling.value);
  return {text::make_normalizer(config.normalizer, std::move(spelling)), config.bleu_tokens};
}

std::vector<std::string> read_tags(const std::string& file) {
  std::istringstream in(read_file(file));
  std::vector<std::string> tags;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string tag = text::strip(line);
    if (tag.empty()) continue;
    if (std::find(tags.begin(), tags.end(), tag) != tags.end())
      user_error("{}:{}: the tag '{}' stands here a second time.", file, number, tag);
    tags.push_back(tag);
  }
  if (tags.empty()) user_error("{}: the file holds no tag.", file);
  return tags;
}

}  // namespace usam::eval
