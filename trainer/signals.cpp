#include "trainer/signals.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <mutex>

namespace usam {
namespace {

constexpr std::array<int, 3> kSignals = {SIGTERM, SIGUSR1, SIGINT};
volatile sig_atomic_t g_received = 0;
volatile sig_atomic_t g_tells = 0;
std::mutex g_mutex;  // guards the two below
int g_living = 0;
std::array<struct sigaction, kSignals.size()> g_before;

void on_signal(int number) {
  if (number == SIGINT && g_received == SIGINT) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);  // delivered when this handler returns
    return;
  }
  g_received = number;
  constexpr char kTold[] =
      "\nThe run is saved once this step is done; an evaluation is left for the next start. Ctrl-C again ends it at "
      "once.\n";
  if (number == SIGINT && g_tells) (void)!write(STDERR_FILENO, kTold, sizeof(kTold) - 1);
}

}  // namespace

StopSignals::StopSignals(bool tells) {
  const std::lock_guard lock(g_mutex);
  if (tells) g_tells = 1;
  if (g_living++ > 0) return;
  g_received = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // reads and waits of other code go on
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &g_before[i]);
}

StopSignals::~StopSignals() {
  const std::lock_guard lock(g_mutex);
  if (--g_living > 0) return;
  g_tells = 0;
  g_received = 0;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &g_before[i], nullptr);
}

int StopSignals::received() {
  return g_received;
}

}  // namespace usam
