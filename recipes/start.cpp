#include "recipes/start.h"

#include <ATen/Parallel.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <thread>

#include "src/base/config_reader.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/machine.h"
#include "src/base/program.h"
#include "src/base/text.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;

// The base file that a value of the tree comes from; "" for none.
std::string base_in(const ConfigNode& node) {
  constexpr int kBaseOrder = 1;  // of ConfigSource: behind the file itself
  if (node.mark.source && node.mark.source->order == kBaseOrder && !node.mark.source->is_override)
    return node.mark.source->name;
  for (const auto& item : node.items)
    if (auto base = base_in(item); !base.empty()) return base;
  for (const auto& entry : node.entries)
    if (auto base = base_in(entry.value); !base.empty()) return base;
  return "";
}

// A base need not be a whole config by itself; then nothing is said of it but its name.
void add_base(const std::string& file, RunConfig& config, Json& record) {
  ParseContext context(/*is_offline=*/true);
  const std::string base = base_in(read_config_tree(file, {}, context));
  if (base.empty()) return;
  record["base"] = base;
  RunConfig below;
  try {
    load_config(base, {{"run.dir=" + config.run.dir.value}, /*offline=*/true}, below);
  } catch (const UserError&) {
    return;
  }
  record["changed"] = Json::object();
  for (const Difference& d : compare_configs(below, config)) record["changed"][d.key] = {d.before, d.after};
}

// What a shell command prints; "" where it fails.
std::string printed_by(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), [](FILE* p) { return pclose(p); });
  std::string text;
  char part[4096];
  for (size_t count; pipe && (count = fread(part, 1, sizeof part, pipe.get())) > 0;) text.append(part, count);
  return text;
}

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// Of the checkout that a folder lies in; null without one, or without git.
Json git_state(const fs::path& folder) {
  std::istringstream lines(printed_by("GIT_OPTIONAL_LOCKS=0 git -C " + quoted(folder.string()) +
                                      " status --porcelain=v2 --branch --untracked-files=no 2>/dev/null"));
  Json state;
  int64_t changed = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# branch.oid ")) state["commit"] = line.substr(13);
    if (line.starts_with("# branch.head ")) state["branch"] = line.substr(14);
    changed += !line.starts_with("#");
  }
  if (!state.is_null()) state["changed"] = changed;
  return state;
}

// The lines of --version behind the first: "LibTorch 2.13.0".
Json libraries() {
  Json all = Json::object();
  std::istringstream lines(versions());
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const size_t space = line.find(' ');
    if (space != std::string::npos) all[line.substr(0, space)] = line.substr(space + 1);
  }
  return all;
}

std::string name_of(dist::Strategy strategy) {
  return strategy == dist::Strategy::kFsdp ? "fsdp" : strategy == dist::Strategy::kZero1 ? "zero1" : "ddp";
}

}  // namespace

Json start_record(const std::string& file, const std::vector<std::string>& overrides, RunConfig& config,
                  const dist::Launch& launch) {
  Json record = {{"config", file}, {"overrides", overrides}};
  add_base(file, config, record);
  record.update({{"program", version()},
                 {"libraries", libraries()},
                 {"host", host_name()},
                 {"processor", processor_name()},
                 {"cores", std::thread::hardware_concurrency()},
                 {"threads", at::get_num_threads()},
                 {"gpus", gpu_names()},
                 {"ranks", launch.world},
                 {"parallel", name_of(config.parallel.strategy)}});
  if (const Json git = git_state(fs::absolute(file).parent_path()); !git.is_null()) record["git"] = git;
  return record;
}

std::string idle_gpus(torch::Device device, const std::vector<std::string>& gpus, bool is_cuda_build) {
  if (gpus.empty() || !device.is_cpu()) return "";
  return fmt::format("This machine has {} ({}), but {}", gpus.size() == 1 ? "a GPU" : "GPUs", join_words(gpus),
                     is_cuda_build
                         ? "CUDA sees none: look at CUDA_VISIBLE_DEVICES and at what nvidia-smi says."
                         : "this program was built for the CPU alone: build it with `USAM_CUDA=1 make build`.");
}

void log_device(torch::Device device) {
#ifdef USAM_CUDA
  constexpr bool kIsCudaBuild = true;
#else
  constexpr bool kIsCudaBuild = false;
#endif
  log::info("Training on {}.", device.str());
  if (const auto warning = idle_gpus(device, gpu_names(), kIsCudaBuild); !warning.empty()) log::warn("{}", warning);
}

}  // namespace usam::recipes
