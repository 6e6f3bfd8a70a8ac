// Ranks are killed at random moments under torchrun, which starts them again: the run goes on by itself and ends with
// what an undisturbed one ends with. USAM_FAULT_ROUNDS (3) and USAM_FAULT_SEED say how often and when.
#include <random>
#include <sstream>

#include "tests/fault/fault.h"

namespace usam::test {
namespace {

// A command that runs beside the test, in a process group of its own.
class Beside {
 public:
  Beside(const std::string& command, const std::string& errors) {
    const std::string line = "exec " + command + " >/dev/null 2>" + errors;
    const char* arguments[] = {"sh", "-c", line.c_str(), nullptr};
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    EXPECT_EQ(posix_spawn(&process_, "/bin/sh", nullptr, &attributes, const_cast<char**>(arguments), environ), 0);
    posix_spawnattr_destroy(&attributes);
  }
  ~Beside() {
    kill(-process_, SIGKILL);
    if (!has_ended()) waitpid(process_, nullptr, 0);
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  bool has_ended() {
    if (!ended_ && waitpid(process_, &status_, WNOHANG) == process_) ended_ = true;
    return ended_;
  }
  int code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }
  // Its children that run `program`.
  std::vector<pid_t> children(const std::string& program) const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process_) + "/task")) {
      std::istringstream list(text_of(entry.path() / "children"));
      for (pid_t child = 0; list >> child;) {
        std::error_code gone;
        const auto file = std::filesystem::read_symlink("/proc/" + std::to_string(child) + "/exe", gone);
        if (!gone && file.filename() == program) found.push_back(child);
      }
    }
    return found;
  }

 private:
  pid_t process_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

class Restarts : public FaultTest {
 protected:
  static constexpr int64_t kStepsOfALife = 20;

  std::string line(const std::string& name, int64_t steps) const {
    return command(name, "trainer.save_every=4 trainer.eval_every=50 parallel.patience=1 trainer.max_steps=" +
                             std::to_string(steps));
  }
};

TEST_F(Restarts, ARandomRankKilledAtARandomMoment) {
  USAM_NEEDS_TORCHRUN();
  const int64_t rounds = number_of("USAM_FAULT_ROUNDS", 3);
  const auto seed = static_cast<uint32_t>(number_of("USAM_FAULT_SEED", std::random_device()()));
  std::printf("USAM_FAULT_ROUNDS=%lld USAM_FAULT_SEED=%u\n", static_cast<long long>(rounds), seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> delay(0, 2);
  const int64_t steps = kStepsOfALife * (rounds + 1);

  Beside run(torchrun() + " --no-python --standalone --nproc-per-node 2 --max-restarts 1000 " + line("run", steps),
             path("err"));
  std::vector<pid_t> before;
  int64_t kills = 0;
  while (kills < rounds && !run.has_ended()) {
    std::vector<pid_t> ranks;
    const auto started = [&] {
      ranks = run.children("usam-train");
      return run.has_ended() || (ranks.size() == 2 && ranks != before);
    };
    ASSERT_TRUE(comes(started, 60)) << text_of(path("err"));
    const double seconds = delay(random);
    const size_t victim = random() % 2;
    usleep(static_cast<useconds_t>(1e6 * seconds));
    if (run.has_ended()) break;
    if (kill(ranks[victim], SIGKILL) == 0) ++kills;
    std::printf("round %lld: child %zu after %.2f s, step %lld\n", static_cast<long long>(kills), victim, seconds,
                static_cast<long long>(this->steps()));
    before = ranks;
  }
  ASSERT_TRUE(comes([&] { return run.has_ended(); }, 300)) << text_of(path("err"));
  EXPECT_EQ(run.code(), 0) << text_of(path("err"));
  EXPECT_GT(kills, 0);

  expect_done(run_ranks(2, free_port(), line("whole", steps)));
  EXPECT_TRUE(text_of(path("run/last/model.safetensors")) == text_of(path("whole/last/model.safetensors")));
  EXPECT_EQ(metrics_of(path("run")), metrics_of(path("whole")));
}

}  // namespace
}  // namespace usam::test
