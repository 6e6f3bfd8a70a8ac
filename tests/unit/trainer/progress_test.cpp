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
  return state;
}

TEST(Progress, PlainLine) {
  EXPECT_EQ(progress_line(some_state()),
            "step 50/200 loss 2.3457 lr 4.10e-05 | 0.75 steps/s, 61 s audio/s | 3 min 20 s left");
}

TEST(Progress, BarFitsTheTerminal) {
  const std::string bar = progress_bar(some_state(), 200, false);
  EXPECT_EQ(bar, "[=====               ]  25% " + progress_line(some_state()));
  EXPECT_EQ(progress_bar(some_state(), 40, false), bar.substr(0, 39));
  const std::string colored = progress_bar(some_state(), 40, true);
  EXPECT_EQ(colored, "\033[32m" + bar.substr(0, 22) + "\033[0m" + bar.substr(22, 17));
}

TEST(Pace, MeasuresTheLastSteps) {
  Pace pace;
  EXPECT_EQ(pace.steps_per_second(), 0);
  for (int i = 0; i < 500; ++i) pace.add(i < 100 ? 10 : 0.5, 20);
  EXPECT_NEAR(pace.steps_per_second(), 2, 1e-3);
  EXPECT_NEAR(pace.audio_per_second(), 40, 1e-1);
}

}  // namespace
}  // namespace usam
