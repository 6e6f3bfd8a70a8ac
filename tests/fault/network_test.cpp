// Two hosts, which are network namespaces with a cable between them, and the cable is cut.
#include "tests/fault/fault.h"

namespace usam::test {
namespace {

class TwoHosts : public FaultTest {
 protected:
  void SetUp() override {
    USAM_NEEDS_TORCHRUN();
    const std::string id = std::to_string(getpid());
    hosts_ = {"usam-a-" + id, "usam-b-" + id};
    if (!quiet("command -v ip")) GTEST_SKIP() << "needs ip (iproute2)";
    if (!quiet("ip netns add " + hosts_[0])) GTEST_SKIP() << "needs the right to make network namespaces (root)";
    ASSERT_TRUE(quiet("ip netns add " + hosts_[1]));
    ASSERT_TRUE(quiet("ip link add cable netns " + hosts_[0] + " type veth peer name cable netns " + hosts_[1]));
    for (int i = 0; i < 2; ++i) {
      const std::string on = "ip -n " + hosts_[static_cast<size_t>(i)] + " ";
      ASSERT_TRUE(quiet(on + "address add " + address(i) + "/24 dev cable"));
      ASSERT_TRUE(quiet(on + "link set lo up"));
      ASSERT_TRUE(quiet(on + "link set cable up"));
    }
  }
  void TearDown() override {
    for (const auto& host : hosts_) {
      quiet("ip netns pids " + host + " | xargs -r kill -9");
      quiet("ip netns delete " + host);
    }
  }
  static bool quiet(const std::string& command) {
    return std::system(("(" + command + ") >/dev/null 2>&1").c_str()) == 0;
  }
  static std::string address(int host) { return "10.99.77." + std::to_string(host + 1); }
  // torchrun with one rank on a host, in the background.
  void start(int host) const {
    const std::string name = hosts_[static_cast<size_t>(host)];
    ASSERT_TRUE(std::system(("ip netns exec " + name + " env GLOO_SOCKET_IFNAME=cable OMP_NUM_THREADS=1 " + torchrun() +
                             " --no-python --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-id usam" +
                             " --rdzv-endpoint " + address(0) + ":29400 --local-addr " + address(host) +
                             " --rdzv-conf is_host=" + (host == 0 ? "1 " : "0 ") + endless("parallel.patience=2") +
                             " >/dev/null 2>" + path(errors_of(host)) + " &")
                                .c_str()) == 0);
  }
  static std::string errors_of(int host) { return "host-" + std::to_string(host); }
  Json rank(int number) const {
    const std::string text = text_of(path("run/ranks/rank-" + std::to_string(number) + ".json"));
    return text.empty() ? Json() : Json::parse(text);
  }

  std::vector<std::string> hosts_;
};

TEST_F(TwoHosts, EndWhenTheCableBetweenThemIsCut) {
  for (const int host : {0, 1}) start(host);
  ASSERT_TRUE(comes([this] { return steps() >= 10 && !rank(1).is_null(); }, 90))
      << text_of(path(errors_of(0))) << text_of(path(errors_of(1)));
  const std::vector<pid_t> ranks = {rank(0).at("pid"), rank(1).at("pid")};
  ASSERT_TRUE(quiet("ip -n " + hosts_[1] + " link set cable down"));
  for (const pid_t process : ranks) {
    const auto has_ended = [&] {  // of a process that nobody has waited for only its number is left
      std::error_code gone;
      return std::filesystem::read_symlink("/proc/" + std::to_string(process) + "/exe", gone).empty();
    };
    EXPECT_TRUE(comes(has_ended, 20)) << process << text_of(path(errors_of(0)));
  }
  // The store is on the first host, where the second rank's signs of life no longer arrive.
  const auto errors = text_of(path(errors_of(0)));
  EXPECT_NE(errors.find("Rank 1 of 2 is lost: no sign of life for 2 s. It was last at step "), std::string::npos)
      << errors;
  const auto others = text_of(path(errors_of(1)));
  EXPECT_NE(others.find("The ranks' store has not answered for 2 s: torchrun at 10.99.77.1:"), std::string::npos)
      << others;
  EXPECT_NE(others.find(", which keeps it, has ended, or the network to it is cut. Rank 0 of 2 was last at step "),
            std::string::npos)
      << others;
}

}  // namespace
}  // namespace usam::test
