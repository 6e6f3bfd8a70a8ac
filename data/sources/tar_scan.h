#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace usam::data {

// A member of a tar that is a file, or would be one.
struct TarMember {
  std::string name;              // bytes that are no UTF-8 are written \xHH
  int64_t begin = 0, bytes = 0;  // where it stands in the tar
  std::string problem;           // why it cannot be used ("a symbolic link, which is never followed"), or empty
};

// Reads the headers of a tar (ustar, GNU, pax, v7) in their order; the members' bytes are passed over, and nothing is
// ever unpacked, so that no name can do harm. Folders, and what tools leave beside the files ("._a.wav", "PaxHeader"),
// are passed over. UserError, which names the tar and the remedy: a file that cannot be read, is empty, compressed, no
// tar, damaged, cut off, or of several tars one behind the other.
void scan_tar(const std::string& path, const std::function<void(const TarMember&)>& use);

// The text with each byte that is no part of UTF-8 written as \xHH.
std::string as_utf8(const std::string& bytes);

}  // namespace usam::data
