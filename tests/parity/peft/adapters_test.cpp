// Adapters that peft made, opened by usam: the logits that peft computes with them.
#include <set>

#include "tests/parity/peft/parity.h"

namespace usam::test {
namespace {

TEST(PeftParity, AdaptersOfPeftGiveItsLogits) {
  USAM_NEEDS_ORACLES();
  const std::string oracles = oracle_folder();
  int cases = 0;
  double worst = 0;
  for (const auto& entry : std::filesystem::directory_iterator(oracles + "/peft")) {
    const std::string name = entry.path().filename().string(), base = name.substr(0, name.find('-'));
    SCOPED_TRACE(name);
    const auto model = inspect::open_language_model(oracles + "/" + base);
    const io::SafetensorsFile golden(entry.path() / "golden.safetensors");
    const auto ids = golden.get("ids"), logits = golden.get("logits");
    const double without = error_of_scale(logits_of_rows(*model, ids), logits);
    EXPECT_GT(without, 20 * kLogits) << "the adapter does nothing";
    inspect::apply_adapter(*model, io::read_peft_adapter(entry.path()), name);
    const double error = error_of_scale(logits_of_rows(*model, ids), logits);
    EXPECT_LT(error, kLogits);
    worst = std::max(worst, error);
    ++cases;
  }
  EXPECT_GE(cases, 27);
  RecordProperty("worst", std::to_string(worst));
}

}  // namespace
}  // namespace usam::test
