// Normalised texts equal to those of Whisper's normalisers (metrics_oracle.py --make-fixtures).
#include "src/text/normalizer.h"

#include "src/base/json.h"
#include "tests/support.h"

namespace usam::text {
namespace {

class NormalizerParity : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(NormalizerParity, EqualsTheReference) {
  USAM_NEEDS_ORACLES();
  const auto [name, column] = GetParam();
  const auto normalizer = make_normalizer(name);
  std::ifstream in(test::oracle_folder() / "metrics" / "normalizer.jsonl");
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const Json json = Json::parse(line);
    EXPECT_EQ((*normalizer)(json["text"].get<std::string>()), json[column].get<std::string>()) << json["text"];
  }
  EXPECT_GT(count, 300);
}

INSTANTIATE_TEST_SUITE_P(All, NormalizerParity,
                         testing::Values(std::pair{"whisper_en", "english"}, std::pair{"basic", "basic"},
                                         std::pair{"basic_letters", "basic_split_nodiacritics"}));

}  // namespace
}  // namespace usam::text
