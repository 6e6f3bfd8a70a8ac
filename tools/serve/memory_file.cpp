#include "tools/serve/memory_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace usam::serve {

MemoryFile::MemoryFile(std::string_view bytes) : descriptor_(memfd_create("usam-upload", MFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::runtime_error(fmt::format("no memory file: {}", std::strerror(errno)));
  path_ = fmt::format("/proc/self/fd/{}", descriptor_);
  while (!bytes.empty()) {
    const auto written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const std::string reason = std::strerror(errno);
      close(descriptor_);
      throw std::runtime_error("a memory file cannot be written: " + reason);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

MemoryFile::~MemoryFile() {
  close(descriptor_);
}

}  // namespace usam::serve
