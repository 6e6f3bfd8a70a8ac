// Expected values are those of openai/whisper's EnglishTextNormalizer without a spelling table.
#include "src/text/normalizer.h"
#include "tests/support.h"

namespace usam::text {
namespace {

struct Case {
  std::string text, expected;
};

class WhisperEnglish : public testing::TestWithParam<Case> {};

TEST_P(WhisperEnglish, GivesTheReferenceText) {
  EXPECT_EQ((*make_normalizer("whisper_en"))(GetParam().text), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, WhisperEnglish,
    testing::Values(Case{"Mr. Smith paid $20,000.50!", "mister smith paid $20000.50"},
                    Case{"I'm gonna go; she'd been there, won't he?",
                         "i am going to go she had been there will not he"},
                    Case{"twenty five percent", "25%"}, Case{"five per cent", "5%"}, Case{"per person", "per person"},
                    Case{"nineteen eighty four", "1984"}, Case{"one oh one", "101"}, Case{"double oh seven", "007"},
                    Case{"one hundred and one dalmatians", "101 dalmatians"}, Case{"two and a half million", "2500000"},
                    Case{"two dollars and seven cents", "$2.07"}, Case{"seven cents", "¢7"}, Case{"one", "one"},
                    Case{"twenty first and fifties", "21st and 50s"}, Case{"minus three point one four", "-3.14"},
                    Case{"two hundred thousands", "200000s"}, Case{"three decillion", "3" + std::string(33, '0')},
                    Case{"the naïve café", "the naive cafe"}, Case{"uh the <noise> [x] end hmm", "the end"},
                    Case{"10% off 3.5 kg.", "10% off 3.5 kg"}, Case{"", ""}, Case{"...", "."}));

}  // namespace
}  // namespace usam::text
