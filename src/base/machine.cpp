#include "src/base/machine.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "src/base/text.h"

namespace usam {
namespace {

// What follows `name` and a colon in the first line of a file that begins with it; "" where none does.
std::string value_in(const std::filesystem::path& path, const std::string& name) {
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos && trimmed(line.substr(0, colon)) == name) return trimmed(line.substr(colon + 1));
  }
  return "";
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

std::string processor_name() {
  return value_in("/proc/cpuinfo", "model name");
}

std::vector<std::string> gpu_names() {
  std::vector<std::filesystem::path> folders;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", absent))
    folders.push_back(entry.path());
  std::ranges::sort(folders);
  std::vector<std::string> names;
  for (const auto& folder : folders) names.push_back(value_in(folder / "information", "Model"));
  return names;
}

}  // namespace usam
