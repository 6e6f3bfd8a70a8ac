#include "src/dist/launch.h"

#include <map>

#include "src/base/error.h"
#include "tests/support.h"

namespace usam::dist {
namespace {

using Values = std::map<std::string, std::string>;

Launch launch_of(const Values& values) {
  return read_launch([&](const std::string& name) -> std::optional<std::string> {
    auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Launch, AloneWithoutALauncher) {
  const auto launch = launch_of({});
  EXPECT_EQ(launch.rank, 0);
  EXPECT_EQ(launch.world, 1);
  EXPECT_EQ(launch.local_world, 1);
}

TEST(Launch, Torchrun) {
  Values values = {{"RANK", "5"},
                   {"WORLD_SIZE", "8"},
                   {"LOCAL_RANK", "1"},
                   {"LOCAL_WORLD_SIZE", "4"},
                   {"MASTER_ADDR", "node0"},
                   {"MASTER_PORT", "29400"}};
  auto launch = launch_of(values);
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.world, 8);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_world, 4);
  EXPECT_EQ(launch.host, "node0");
  EXPECT_EQ(launch.port, 29400);
  EXPECT_FALSE(launch.agent_serves);
  values["TORCHELASTIC_USE_AGENT_STORE"] = "False";
  EXPECT_FALSE(launch_of(values).agent_serves);
  values["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  EXPECT_TRUE(launch_of(values).agent_serves);
  values["SLURM_PROCID"] = "0";  // torchrun within a SLURM job: torchrun decides
  values["SLURM_STEP_NODELIST"] = "a";
  EXPECT_EQ(launch_of(values).rank, 5);
}

TEST(Launch, TheLocalVariablesMayBeAbsent) {
  const auto launch = launch_of({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "1"}});
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_world, 2);
  EXPECT_EQ(launch_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).world, 1);  // one rank meets nobody
}

TEST(Launch, ListsWhatIsAbsentOrWrong) {
  const std::string end = ". Start the program with torchrun or srun, or unset them to run alone.";
  auto message = [](const Values& values) { return test::message_of([&] { launch_of(values); }); };
  const std::string begin = "The launcher set some variables of a run over several processes but not all: ";
  EXPECT_EQ(message({{"WORLD_SIZE", "2"}}),
            begin + "RANK is not set; MASTER_ADDR is not set; MASTER_PORT is not set" + end);
  EXPECT_EQ(message({{"RANK", "2"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "80000"}}),
            begin +
                "RANK is '2' instead of a whole number from 0 to 1; "
                "MASTER_PORT is '80000' instead of a whole number from 1 to 65535" +
                end);
  EXPECT_EQ(message({{"RANK", "0"}, {"WORLD_SIZE", "two"}}),
            begin + "WORLD_SIZE is 'two' instead of a whole number from 1 to 1048576" + end);
  EXPECT_EQ(message({{"RANK", "0x1"}, {"WORLD_SIZE", "1"}}),
            begin + "RANK is '0x1' instead of a whole number from 0 to 0" + end);
  EXPECT_THROW(launch_of({{"WORLD_SIZE", "2"}}), UserError);
  EXPECT_EQ(message({{"SLURM_PROCID", "3"}, {"SLURM_STEP_NODELIST", "a"}}),
            "SLURM set some variables of a run over several processes but not all: SLURM_NTASKS is not set; "
            "SLURM_PROCID is '3' instead of a whole number from 0 to 0" +
                end);
}

TEST(Launch, Slurm) {
  Values values = {{"SLURM_PROCID", "5"},
                   {"SLURM_STEP_NUM_TASKS", "7"},
                   {"SLURM_NTASKS", "70"},
                   {"SLURM_LOCALID", "1"},
                   {"SLURM_NODEID", "2"},
                   {"SLURM_STEP_TASKS_PER_NODE", "2(x2),3"},
                   {"SLURM_STEP_NODELIST", "gpu[07-08],login"},
                   {"SLURM_JOB_ID", "1234567"},
                   {"SLURM_STEP_ID", "0"}};
  auto launch = launch_of(values);
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.world, 7);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_world, 3);
  EXPECT_EQ(launch.host, "gpu07");
  EXPECT_EQ(launch.port, 12000 + 1234567 * 31 % 20000);
  EXPECT_FALSE(launch.agent_serves);
  values["SLURM_STEP_ID"] = "1";
  EXPECT_EQ(launch_of(values).port, launch.port + 1);  // two steps of one job at a time
  values["MASTER_ADDR"] = "10.0.0.1";
  values["MASTER_PORT"] = "12345";
  EXPECT_EQ(launch_of(values).host, "10.0.0.1");
  EXPECT_EQ(launch_of(values).port, 12345);
  values.erase("SLURM_STEP_NODELIST");
  EXPECT_EQ(launch_of(values).world, 1);  // a batch script that does not use srun
}

TEST(Launch, FirstHostOfANodeList) {
  EXPECT_EQ(first_host("a"), "a");
  EXPECT_EQ(first_host("a,b"), "a");
  EXPECT_EQ(first_host("a[01-04]"), "a01");
  EXPECT_EQ(first_host("a[7,9-11],b[1-2]"), "a7");
  EXPECT_EQ(first_host("rack[0-1]n[003-010]-x,b"), "rack0n003-x");
  EXPECT_EQ(first_host("a[12],b"), "a12");
}

}  // namespace
}  // namespace usam::dist
