// A run that is killed again and again, also inside the writing of a checkpoint, and one whose disk fails: continued,
// they leave the bytes of a run that nothing happened to. USAM_FAULT_ROUNDS (4) and USAM_FAULT_SEED say how often and
// when it is killed.
#include <sys/mount.h>

#include <cmath>
#include <random>

#include "tests/fault/fault.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSteps = 16;

class FaultySaves : public FaultTest {
 protected:
  // A run of the tiny config in DIR/NAME that saves every second step.
  std::string saving(const std::string& name, const std::string& more = "") const {
    return std::string(USAM_TRAIN) + " configs/tests/tiny.yaml trainer.max_steps=" + std::to_string(kSteps) +
           " trainer.save_every=2 trainer.eval_every=5 trainer.keep_best=2 trainer.schedule.warmup=2 "
           "parallel.patience=2 "
           "run.dir=" +
           path(name) + " " + more;
  }
  Ended alone(const std::string& command) const { return run("env OMP_NUM_THREADS=1", command); }

  // What a run's folder holds for good: checkpoints and links.
  std::vector<std::string> kept(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path(name))) {
      const std::string file = entry.path().filename().string();
      if (file.find("checkpoint-") != std::string::npos || entry.is_symlink()) names.push_back(file);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void expect_same_bytes(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics_of(path(a)), metrics_of(path(b)));
    EXPECT_EQ(kept(a), kept(b));
    for (const char* link : {"last", "best"}) {
      EXPECT_EQ(fs::read_symlink(path(a) + "/" + link), fs::read_symlink(path(b) + "/" + link)) << link;
      for (const auto& entry : fs::recursive_directory_iterator(path(b) + "/" + link)) {
        const auto file = entry.path().lexically_relative(path(b)).string();
        // These name the run's folder.
        if (!entry.is_regular_file() || file.ends_with("config.yaml") || file.ends_with("manifest.json")) continue;
        const std::string expected = text_of(entry.path());
        EXPECT_FALSE(expected.empty()) << file;
        EXPECT_TRUE(text_of(path(a) + "/" + file) == expected) << file;
      }
    }
  }
};

class Killed : public FaultySaves, public testing::WithParamInterface<int> {
 protected:
  bool writes_a_checkpoint() const {
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(path("cut"), absent))
      if (entry.path().filename().string().starts_with(".checkpoint-")) return true;
    return false;
  }
  // Kills all ranks of a run: at once when a checkpoint begins to be written, or so many steps on; then a moment later.
  void kill_one_life(int64_t more_steps, bool in_a_write, double moment) const {
    Ranks ranks(GetParam(), free_port(), saving("cut", strategy()));
    const int64_t goal = steps("cut") + more_steps;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    // The lines of a former life that this one cuts off count at first, which makes no difference: any moment will do.
    while (std::chrono::steady_clock::now() < end && !fs::exists(path("cut/last")) && steps("cut") < goal) usleep(1000);
    while (std::chrono::steady_clock::now() < end && steps("cut") < std::min(goal, kSteps)) usleep(500);
    const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (in_a_write && std::chrono::steady_clock::now() < soon && !writes_a_checkpoint()) {
    }
    usleep(static_cast<useconds_t>(1e6 * moment));
    for (int rank = 0; rank < GetParam(); ++rank) ranks.send(rank, SIGKILL);
    for (int rank = 0; rank < GetParam(); ++rank) ranks.wait_for(rank);
  }
  // Two ranks write files of their own.
  static std::string strategy() { return GetParam() > 1 ? "parallel.strategy=zero1" : ""; }
};

TEST_P(Killed, AtRandomMomentsItEndsAsIfItHadNotBeen) {
  const auto seed = static_cast<uint32_t>(number_of("USAM_FAULT_SEED", std::random_device()()));
  std::printf("USAM_FAULT_SEED=%u\n", seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> share(0, 1);
  expect_done(run_ranks(GetParam(), free_port(), saving("whole", strategy())));
  int64_t torn = 0;
  const int64_t rounds = number_of("USAM_FAULT_ROUNDS", 4);
  for (int64_t round = 0; round < rounds; ++round) {
    const bool in_a_write = round % 2 == 0;
    kill_one_life(1 + static_cast<int64_t>(random() % 4), in_a_write, share(random) * (in_a_write ? 0.01 : 0.2));
    torn += writes_a_checkpoint() ? 1 : 0;
    // Whatever stands under a checkpoint's name is whole.
    if (!fs::exists(path("cut"))) continue;
    for (const auto& entry : fs::directory_iterator(path("cut"))) {
      if (entry.path().filename().string().starts_with("checkpoint-")) {
        EXPECT_NE(run(USAM_INSPECT, "checkpoint " + entry.path().string()).output.find("problems: none"),
                  std::string::npos)
            << entry.path();
      }
    }
  }
  RecordProperty("killed_inside_a_write", std::to_string(torn));
  std::printf("%lld of %lld kills inside a write\n", static_cast<long long>(torn), static_cast<long long>(rounds));
  expect_done(run_ranks(GetParam(), free_port(), saving("cut", strategy())));
  expect_same_bytes("cut", "whole");
}
INSTANTIATE_TEST_SUITE_P(Ranks, Killed, testing::Values(1, 2));

// Errors of the disk, by strace.
class Disk : public FaultySaves {
 protected:
  void SetUp() override {
    if (run("strace", "-qq -o /dev/null true").code != 0)
      GTEST_SKIP() << "needs strace (tools/setup) and the permission to trace";
  }
  // A run in which calls fail: `how` is "error=EIO", perhaps with ":when=...", and `file` what they are about ("": any;
  // $$ in it is the run's process).
  Ended injected(const std::string& calls, const std::string& how, const std::string& file = "") const {
    return run("export OMP_NUM_THREADS=1; exec strace",  // -D: strace goes aside, the run keeps the process
               "-D -f -qq --seccomp-bpf -o " + path("trace") + " -e trace=" + calls + " -e inject=" + calls + ":" +
                   how + " " + (file.empty() ? "" : "-P " + path("run/" + file) + " ") + saving("run"));
  }
  // Of an injected run: how often a call was made to fail.
  int64_t injections() const {
    std::string trace;
    comes([&] { return (trace = text_of(path("trace"))).find("(INJECTED)") != trace.npos; }, 5);
    int64_t count = 0;
    for (size_t at = trace.find("(INJECTED)"); at != trace.npos; at = trace.find("(INJECTED)", at + 1)) ++count;
    return count;
  }
  void expect_continues_to_the_same() const {
    const Ended rest = alone(saving("run"));
    ASSERT_EQ(rest.code, 0) << rest.errors;
    if (!fs::exists(path("whole"))) {
      ASSERT_EQ(alone(saving("whole")).code, 0);
    }
    EXPECT_EQ(metrics_of(path("run")), metrics_of(path("whole")));
    for (const char* file : {"/last/model.safetensors", "/last/optimizer.safetensors", "/last/state.json"})
      EXPECT_TRUE(text_of(path("run") + file) == text_of(path("whole") + file)) << file;
  }
  // One checkpoint, that of step 4, could not be written; all else is as ever.
  void expect_lost_one(const Ended& ended, const std::string& reason) const {
    EXPECT_EQ(ended.code, 0) << ended.errors;
    EXPECT_NE(ended.errors.find("error: Checkpoint 4 could not be written: " + reason +
                                ". DIR/run/checkpoint-2 stays the newest one; training goes on.\n"),
              std::string::npos)
        << ended.errors;
    EXPECT_EQ(ended.errors.find("Saved DIR/run/checkpoint-4."), std::string::npos);
    EXPECT_NE(ended.errors.find("Saved DIR/run/checkpoint-6."), std::string::npos);
    EXPECT_NE(ended.errors.find("Saved DIR/run/checkpoint-16."), std::string::npos);
    for (const std::string& name : kept("run")) EXPECT_FALSE(name.ends_with(".partial")) << name;
  }
};

TEST_F(Disk, FullAtTheSyncOfAFile) {
  const std::string file = ".checkpoint-4.partial/model.safetensors";
  expect_lost_one(injected("fsync", "error=ENOSPC", file),
                  "Cannot sync 'DIR/run/" + file + "' to the disk: No space left on device");
}

TEST_F(Disk, BrokenAtTheSyncOfTheFolder) {
  const std::string file = ".checkpoint-4.partial";
  expect_lost_one(injected("fsync", "error=EIO", file),
                  "Cannot sync 'DIR/run/" + file + "' to the disk: Input/output error");
}

TEST_F(Disk, BrokenAtTheRename) {
  expect_lost_one(injected("/^rename", "error=EIO", ".checkpoint-4.partial"),
                  "Cannot rename 'DIR/run/.checkpoint-4.partial' to 'DIR/run/checkpoint-4': Input/output error");
}

TEST_F(Disk, FullAtAWrite) {
  const std::string file = ".checkpoint-4.partial/optimizer.safetensors";
  expect_lost_one(injected("write", "error=ENOSPC:when=2", file + ".partial-$$"),
                  "Cannot write 'DIR/run/" + file + "': No space left on device");
}

TEST_F(Disk, FullAtTheClose) {
  const std::string file = ".checkpoint-4.partial/model.safetensors";
  expect_lost_one(injected("close", "error=ENOSPC", file + ".partial-$$"),
                  "Cannot write 'DIR/run/" + file + "': No space left on device");
}

TEST_F(Disk, FullAtTheCloseOfTheManifest) {
  const std::string file = ".checkpoint-4.partial/manifest.json";
  expect_lost_one(injected("close", "error=ENOSPC", file + ".partial-$$"),
                  "Cannot write 'DIR/run/" + file + "': No space left on device");
}

TEST_F(Disk, FullToTheEndEndsTheRun) {
  // A limit on the size of files, which the model's and the optimizer's exceed.
  const std::string limit = "\"trap '' XFSZ; ulimit -f 64; exec ";
  const Ended ended = run("env OMP_NUM_THREADS=1 sh -c", limit + saving("run") + "\"");
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.errors.find(
                "Checkpoint 2 could not be written: Cannot write 'DIR/run/.checkpoint-2.partial/model.safetensors': "
                "File too large. There is no earlier one; training goes on.\n"),
            std::string::npos)
      << ended.errors;
  EXPECT_NE(ended.errors.find("usam failed: Checkpoint 16 could not be written: "), std::string::npos) << ended.errors;
  EXPECT_TRUE(kept("run").empty());
  EXPECT_EQ(metrics_of(path("run")).size(), 16U + 4U);  // evaluations at 5, 10, 15, 16
}

// A file system in memory, as long as it lives.
class SmallDisk {
 public:
  SmallDisk(const std::string& where, const std::string& size) : where_(where) {
    fs::create_directories(where);
    is_there_ = mount("tmpfs", where.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (is_there_) umount2(where_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_there() const { return is_there_; }
  void grow(const std::string& size) const {
    EXPECT_EQ(mount("tmpfs", where_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str()), 0);
  }

 private:
  std::string where_;
  bool is_there_ = false;
};

class FullDisk : public FaultySaves {};

TEST_F(FullDisk, KeepsWhatIsThereAndTellsEveryRank) {
  const SmallDisk disk(path("run"), "1200k");  // room for two or three
  if (!disk.is_there()) GTEST_SKIP() << "needs the permission to mount a file system";
  const auto ranks = run_ranks(2, free_port(), saving("run", "parallel.strategy=zero1"));
  const std::string newest = fs::read_symlink(path("run/last"));
  for (const auto& rank : ranks) {
    EXPECT_EQ(rank.status, 1);
    EXPECT_NE(rank.errors.find("usam failed: Checkpoint 16 could not be written: "), std::string::npos) << rank.errors;
    EXPECT_NE(rank.errors.find("No space left on device"), std::string::npos) << rank.errors;
    EXPECT_NE(rank.errors.find(newest + " stays the newest one.\n"), std::string::npos) << rank.errors;
  }
  EXPECT_NE(run(USAM_INSPECT, "checkpoint " + path("run/last")).output.find("problems: none"), std::string::npos);
  disk.grow("16m");
  expect_done(run_ranks(2, free_port(), saving("run", "parallel.strategy=zero1")));
  expect_done(run_ranks(2, free_port(), saving("whole", "parallel.strategy=zero1")));
  EXPECT_EQ(metrics_of(path("run")), metrics_of(path("whole")));
  EXPECT_TRUE(text_of(path("run/last/model.safetensors")) == text_of(path("whole/last/model.safetensors")));
}

TEST_F(FaultySaves, MaxTimeEndsEveryRank) {
  const std::string endless = " trainer.max_steps=1000000 trainer.save_every=1000000 trainer.eval_every=1000000";
  for (const auto& rank : run_ranks(2, free_port(), saving("run", "trainer.max_time=4s" + endless)))
    EXPECT_EQ(rank.status, 75) << rank.errors;
  EXPECT_EQ(kept("run").size(), 2U);  // a checkpoint and `last`
  EXPECT_NE(run(USAM_INSPECT, "checkpoint " + path("run/last")).output.find("problems: none"), std::string::npos);
}

// Whatever call fails, wherever: the run leaves what it can go on from, to the same end.
TEST_F(Disk, FailingAnywhere) {
  struct Failure {
    const char *calls, *how;
  };
  for (const Failure& failure : {Failure{"fsync", "error=ENOSPC:when=5+7"}, Failure{"/^rename", "error=EIO:when=2+5"},
                                 Failure{"write", "error=ENOSPC:when=9+8"}, Failure{"mkdir", "error=ENOSPC:when=2"},
                                 Failure{"/^unlink", "error=EIO:when=2+3"}}) {
    SCOPED_TRACE(std::string(failure.calls) + " " + failure.how);
    fs::remove_all(path("run"));
    fs::remove(path("trace"));
    const Ended ended = injected(failure.calls, failure.how);
    EXPECT_GT(injections(), 0);
    EXPECT_TRUE(ended.code == 0 || ended.code == 1 || ended.code == 2) << ended.code << ended.errors;
    std::printf("%s %s: %lld injected, exit code %d\n", failure.calls, failure.how,
                static_cast<long long>(injections()), ended.code);
    fs::create_directories(path("run"));
    for (const std::string& name : kept("run")) {
      if (name.starts_with("checkpoint-")) {
        EXPECT_NE(run(USAM_INSPECT, "checkpoint " + path("run/" + name)).output.find("problems: none"),
                  std::string::npos)
            << name;
      }
    }
    expect_continues_to_the_same();
  }
}

}  // namespace
}  // namespace usam::test
