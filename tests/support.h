#pragma once
// What several tests need: where the shared data and the oracles are, temporary folders, expected messages.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace usam::test {

// The folder beside the checkout that holds data/ and peer/; empty where it is absent.
inline std::filesystem::path shared_folder() {
  const char* set = std::getenv("USAM_SHARED");
  std::filesystem::path folder = set ? set : "../shared";  // tests run in the source tree
  return std::filesystem::exists(folder / "data") ? std::filesystem::absolute(folder).lexically_normal() : "";
}

// What peer/make_oracles.py and peer/saclm.py wrote (`make test` makes it); empty where it is absent.
inline std::filesystem::path oracle_folder() {
  const char* set = std::getenv("USAM_ORACLES");
  std::filesystem::path folder = set ? set : "build/oracles";
  return std::filesystem::exists(folder) ? std::filesystem::absolute(folder).lexically_normal() : "";
}

#define USAM_NEEDS_SHARED() \
  if (usam::test::shared_folder().empty()) GTEST_SKIP() << "needs ../shared (set USAM_SHARED)"
#define USAM_NEEDS_ORACLES()               \
  if (usam::test::oracle_folder().empty()) \
  GTEST_SKIP() << "needs the oracle folders (make test builds them; set USAM_ORACLES)"

// A folder that is removed with everything in it at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "usam-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  // Writes a file in the folder and returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

// The message of the exception that `run` throws, or "" when it throws none.
template <class Run>
std::string message_of(Run run) {
  try {
    run();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

}  // namespace usam::test
