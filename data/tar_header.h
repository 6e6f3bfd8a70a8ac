#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace usam::data {

inline constexpr int64_t kTarBlock = 512;

// The size that a tar's header block gives its member (POSIX.1-1988 octal, or GNU's base 256), or nothing where the 512
// bytes are no header: the checksum is wrong, or the size is no number of bytes.
std::optional<int64_t> tar_member_size(std::string_view block);

}  // namespace usam::data
