#include "src/dist/launch.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <vector>

#include "src/base/error.h"

namespace usam::dist {
namespace {

// Reads variables and collects what is wrong with them.
class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  bool has(const std::string& name) const { return environment_(name).has_value(); }

  std::string text(const std::string& name) {
    const auto value = environment_(name);
    if (!value || value->empty()) add(fmt::format("{} is not set", name));
    return value.value_or("");
  }

  // A whole number in [least, most]; `least` stands for one that is wrong.
  int64_t number(const std::string& name, int64_t least, int64_t most) {
    const std::string value = text(name);
    if (value.empty()) return least;
    int64_t parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error == std::errc() && end == value.data() + value.size() && parsed >= least && parsed <= most) return parsed;
    add(fmt::format("{} is '{}' instead of a whole number from {} to {}", name, value, least, most));
    return least;
  }

  int64_t number_or(const std::string& name, int64_t least, int64_t most, int64_t fallback) {
    return has(name) ? number(name, least, most) : fallback;
  }

  void report(const char* launcher) const {
    if (!problems_.empty())
      user_error(
          "{} set some variables of a run over several processes but not all: {}. Start the program with torchrun "
          "or srun, or unset them to run alone.",
          launcher, problems_);
  }

 private:
  void add(const std::string& problem) { problems_ += (problems_.empty() ? "" : "; ") + problem; }

  const Environment& environment_;
  std::string problems_;
};

constexpr int64_t kMaxWorld = 1 << 20, kMaxPort = std::numeric_limits<uint16_t>::max();

Launch from_torchrun(const Environment& environment) {
  Variables variables(environment);
  Launch launch;
  launch.world = variables.number("WORLD_SIZE", 1, kMaxWorld);
  launch.rank = variables.number("RANK", 0, launch.world - 1);
  launch.local_world = variables.number_or("LOCAL_WORLD_SIZE", 1, launch.world, launch.world);
  launch.local_rank = variables.number_or("LOCAL_RANK", 0, launch.local_world - 1, launch.rank % launch.local_world);
  if (launch.world > 1) {
    launch.host = variables.text("MASTER_ADDR");
    launch.port = static_cast<uint16_t>(variables.number("MASTER_PORT", 1, kMaxPort));
    launch.agent_serves = environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
    launch.life = fmt::format("{}/{}/{}", environment("TORCHELASTIC_RUN_ID").value_or(""),
                              environment("TORCHELASTIC_RESTART_COUNT").value_or("0"), launch.world);
  }
  variables.report("The launcher");
  return launch;
}

// Tasks on the node of index `node`, from SLURM's "4(x2),3".
int64_t tasks_on_node(const std::string& tasks_per_node, int64_t node) {
  for (const char* next = tasks_per_node.c_str(); *next;) {
    char* end = nullptr;
    const int64_t tasks = std::strtoll(next, &end, 10);
    int64_t nodes = 1;
    if (end[0] == '(' && end[1] == 'x') {
      nodes = std::strtoll(end + 2, &end, 10);
      if (*end == ')') ++end;
    }
    if (end == next || tasks < 1) break;
    if (node < nodes) return tasks;
    node -= nodes;
    next = *end == ',' ? end + 1 : end;
  }
  return 0;  // not known
}

Launch from_slurm(const Environment& environment) {
  Variables variables(environment);
  Launch launch;
  launch.world =
      variables.number(variables.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS", 1, kMaxWorld);
  launch.rank = variables.number("SLURM_PROCID", 0, launch.world - 1);
  launch.local_rank = variables.number_or("SLURM_LOCALID", 0, launch.world - 1, launch.rank);
  const int64_t node = variables.number_or("SLURM_NODEID", 0, kMaxWorld, 0);
  const auto per_node = environment("SLURM_STEP_TASKS_PER_NODE");
  launch.local_world = per_node ? tasks_on_node(*per_node, node) : 0;
  if (launch.local_world <= launch.local_rank) launch.local_world = launch.world;
  if (launch.world > 1) {
    launch.host = variables.has("MASTER_ADDR") ? variables.text("MASTER_ADDR")
                                               : first_host(variables.text("SLURM_STEP_NODELIST"));
    // Below the ports that systems hand out, and another one for each step of each job.
    const int64_t id = variables.number_or("SLURM_JOB_ID", 0, std::numeric_limits<int64_t>::max() / 64, 0) * 31 +
                       variables.number_or("SLURM_STEP_ID", 0, std::numeric_limits<uint32_t>::max(), 0);
    launch.port = static_cast<uint16_t>(variables.number_or("MASTER_PORT", 1, kMaxPort, 12000 + id % 20000));
  }
  variables.report("SLURM");
  return launch;
}

}  // namespace

std::string first_host(const std::string& nodes) {
  std::string host;
  for (size_t i = 0; i < nodes.size() && nodes[i] != ','; ++i) {
    if (nodes[i] != '[') {
      host += nodes[i];
      continue;
    }
    const size_t first_end = nodes.find_first_of("-,]", i), close = nodes.find(']', i);
    if (close == nodes.npos) break;
    host += nodes.substr(i + 1, first_end - i - 1);
    i = close;
  }
  return host;
}

Launch read_launch(const Environment& environment) {
  if (environment("WORLD_SIZE") || environment("RANK")) return from_torchrun(environment);
  // A batch script without srun has SLURM_PROCID but no step of its own: there the program runs alone.
  if (environment("SLURM_PROCID") && environment("SLURM_STEP_NODELIST")) return from_slurm(environment);
  return {};
}

Launch read_launch() {
  return read_launch([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
}

torch::Device local_device(const Launch& launch) {
  const auto devices = static_cast<int64_t>(torch::cuda::device_count());
  if (devices == 0) return torch::kCPU;
  if (devices > 1 && launch.local_rank >= devices)
    user_error("This machine has {} ranks but only {} GPUs are visible; start as many ranks as GPUs.",
               launch.local_world, devices);
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(devices == 1 ? 0 : launch.local_rank)};
}

}  // namespace usam::dist
