#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/base/json.h"

namespace usam::test {

inline std::vector<Json> json_lines_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

}  // namespace usam::test
