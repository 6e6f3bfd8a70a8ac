#include "trainer/progress.h"

#include <gtest/gtest.h>

namespace usam {
namespace {

ProgressState some_state() {
  ProgressState state;
  state.step = 50;
  state.total = 200;
  state.loss = 2.34567;
  state.lr = 4.1e-5;
  state.steps_per_second = 0.75;
  state.audio_per_second = 61.2;
  state.tokens_per_second = 250.4;
  state.memory = 3 << 29;
  state.terms = {{"ce", 2.301}, {"ce/ASR", 2.4}, {"balance", 1.02}};
  return state;
}

TEST(Progress, PlainLine) {
  EXPECT_EQ(progress_line(some_state()),
            "step 50/200 loss 2.3457 lr 4.10e-05 | 0.75 steps/s, 61 s audio/s, 250 tokens/s, 1.5 GiB | 3 min 20 s left "
            "| balance 1.02, ce 2.301, ce/ASR 2.4");
  ProgressState least;
  least.total = 3;
  EXPECT_EQ(progress_line(least), "step 0/3 loss 0.0000 lr 0.00e+00 | 0.00 steps/s, 0 s audio/s, 0 B | 0.0 s left");
}

TEST(Progress, BarFitsTheTerminal) {
  const std::string bar = progress_bar(some_state(), 300, false);
  EXPECT_EQ(bar, "[=====               ]  25% " + progress_line(some_state()));
  EXPECT_EQ(progress_bar(some_state(), 40, false), bar.substr(0, 39));
  const std::string colored = progress_bar(some_state(), 40, true);
  EXPECT_EQ(colored, "\033[32m" + bar.substr(0, 22) + "\033[0m" + bar.substr(22, 17));
}

TEST(Pace, MeasuresTheLastSteps) {
  Pace pace;
  EXPECT_EQ(pace.steps_per_second(), 0);
  for (int i = 0; i < 500; ++i) pace.add(i < 100 ? 10 : 0.5, 20, 30);
  EXPECT_NEAR(pace.steps_per_second(), 2, 1e-3);
  EXPECT_NEAR(pace.audio_per_second(), 40, 1e-1);
  EXPECT_NEAR(pace.tokens_per_second(), 60, 1e-1);
}

}  // namespace
}  // namespace usam
