#pragma once
#include <cstdint>
#include <string_view>

namespace usam::io {

// CRC-32C (Castagnoli), and the masked form that TFRecords hold.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace usam::io
