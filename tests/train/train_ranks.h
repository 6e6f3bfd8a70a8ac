#pragma once
// Runs of usam-train on the tiny config as several ranks, and whether two of them are the same run.
#include "src/io/safetensors.h"
#include "tests/ranks.h"
#include "tests/train/process.h"

namespace usam::test {

class TrainRanks : public ProgramTest {
 protected:
  // The command line of a run of the tiny config in DIR/NAME. Its dropout stays on: draws depend on the micro-batch's
  // place in the step alone.
  std::string command(const std::string& name, const std::string& more) const {
    return std::string(USAM_TRAIN) + " configs/tests/tiny.yaml trainer.max_steps=6 trainer.save_every=3 " +
           "trainer.eval_every=3 run.dir=" + path(name) + " " + more;
  }
  void expect_same_run(const std::string& a, const std::string& b) const {
    const auto ours = json_lines_of(path(a + "/metrics.jsonl")), theirs = json_lines_of(path(b + "/metrics.jsonl"));
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      for (const auto& [key, value] : theirs[i].items()) {
        if (!value.is_number()) continue;
        EXPECT_NEAR(ours[i].at(key).get<double>(), value.get<double>(), 2e-5) << i << " " << key;
      }
      if (!theirs[i].contains("eval")) continue;
      EXPECT_NEAR(ours[i]["eval"]["loss"].get<double>(), theirs[i]["eval"]["loss"].get<double>(), 2e-5) << i;
    }
    const io::SafetensorsFile mine(path(a + "/last/model.safetensors")), reference(path(b + "/last/model.safetensors"));
    ASSERT_EQ(mine.names(), reference.names());
    for (const auto& name : reference.names()) {
      // A softmax does not change with these: their gradients are rounding, which the optimizer makes steps of.
      if (name.ends_with("key.bias") || name == "saclm.aggregate.3.bias") continue;
      const auto difference = (mine.get(name) - reference.get(name)).abs().max().item<double>();
      EXPECT_LT(difference, 2e-6) << name;
    }
  }
};

inline void expect_done(const std::vector<EndedRank>& ranks) {
  for (const auto& rank : ranks) EXPECT_EQ(rank.status, 0) << rank.errors;
}

}  // namespace usam::test
