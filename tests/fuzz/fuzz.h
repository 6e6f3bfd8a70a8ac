#pragma once
// What every fuzz target has: seeds written by code, and UserError as the only exception that bytes may cause.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"

namespace usam::fuzz {

// Small inputs of the target; the first is valid.
std::vector<std::string> seeds();
// Reads the bytes; anything but success and UserError ends the program.
void read(std::string_view bytes);

}  // namespace usam::fuzz

// With USAM_SEEDS=FOLDER the program writes its seeds there and ends.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("USAM_SEEDS");
  if (!folder) return 0;
  int number = 0;
  for (const auto& seed : usam::fuzz::seeds()) {
    if (number == 0) usam::fuzz::read(seed);
    std::ofstream(std::filesystem::path(folder) / std::to_string(number++), std::ios::binary) << seed;
  }
  std::exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    usam::fuzz::read({reinterpret_cast<const char*>(bytes), size});
  } catch (const usam::UserError&) {
  }
  return 0;
}
