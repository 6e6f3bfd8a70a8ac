// The include table of the design, held against every #include line of the tree: who may include whom.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "src/base/fs.h"
#include "src/base/text.h"
#include "tests/support.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

// Folder -> folders and files it may include beside itself. Includes are transitive: whatever an allowed folder sees is
// allowed too, which the closure in `allowed_for` adds. Rows are "base <- text" and so on.
const std::map<std::string, std::vector<std::string>>& table() {
  static const std::map<std::string, std::vector<std::string>> rows = {
      {"src/base", {}},
      {"src/text", {"src/base"}},
      {"src/tensor", {"src/base"}},
      {"src/io", {"src/tensor"}},
      {"src/dist", {"src/tensor"}},
      {"src/nn", {"src/tensor"}},
      {"src/models", {"src/text", "src/io", "src/nn"}},
      {"src/decode", {"src/models"}},
      {"src/eval", {"src/base", "src/text", "src/tensor", "src/io", "src/dist"}},
      {"data", {"src/base", "src/text", "src/tensor", "src/io", "src/dist"}},
      {"losses", {"src/base", "src/tensor", "src/nn", "src/dist"}},
      {"trainer", {"src/base", "src/tensor", "src/io", "src/dist", "data/source.h", "data/batch.h", "losses/loss.h"}},
      {"recipes", {"src", "data", "losses", "trainer"}},
      {"tools", {"src", "data", "losses", "trainer", "recipes"}},
      {"tests", {"src", "data", "losses", "trainer", "recipes", "tools"}},
  };
  return rows;
}

void add_allowed(const std::string& folder, std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), folder) != allowed.end()) return;
  allowed.push_back(folder);
  auto row = table().find(folder);
  if (row == table().end()) return;
  for (const auto& next : row->second) add_allowed(next, allowed);
}

bool is_inside(const std::string& path, const std::string& place) {
  return path == place || path.starts_with(place + "/");
}

// The row of the table that a file belongs to, or "".
std::string folder_of(const std::string& path) {
  for (const auto& row : table()) {
    if (is_inside(path, row.first)) return row.first;
  }
  return "";
}

// "" or what is wrong with one include of a file. `target` is what stands between the quotes or brackets.
std::string include_problem(const std::string& path, const std::string& target, bool is_system) {
  std::string folder = folder_of(path);
  if (folder.empty()) return "is in a folder that the include table does not know";
  bool is_torch = std::regex_search(target, std::regex("^(torch|ATen|c10)/"));
  if (is_torch && (folder == "src/base" || folder == "src/text"))
    return "includes " + target + ", but is free of torch";
  if (target.starts_with("spdlog/") && path != "src/base/log.cpp") {
    return "includes " + target + ", which only src/base/log.cpp may";
  }
  if (is_system) return "";
  std::vector<std::string> allowed;
  add_allowed(folder, allowed);
  for (const auto& place : allowed) {
    if (is_inside(target, place)) return "";
  }
  if (folder_of(target).empty()) return "includes \"" + target + "\", which is not written from the tree's root";
  return "includes \"" + target + "\", which " + folder + " may not see";
}

struct Scan {
  int files = 0;
  int includes = 0;
  std::vector<std::string> problems;
};

Scan scan_tree(const fs::path& root) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*([<"])([^>"]+)[>"])re");
  Scan scan;
  for (std::string top : {"src", "data", "losses", "trainer", "recipes", "tools", "tests"}) {
    if (!fs::is_directory(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      std::string extension = entry.path().extension().string();
      bool is_code = extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".inc";
      if (!entry.is_regular_file() || !is_code) continue;
      ++scan.files;
      std::string path = entry.path().lexically_relative(root).generic_string();
      for (const auto& line : split(read_file(entry.path().string()), '\n')) {
        std::smatch match;
        if (!std::regex_search(line, match, kInclude)) continue;
        ++scan.includes;
        std::string problem = include_problem(path, match[2], match[1] == "<");
        if (!problem.empty()) scan.problems.push_back(path + " " + problem);
      }
    }
  }
  std::sort(scan.problems.begin(), scan.problems.end());
  return scan;
}

TEST(Layering, EveryIncludeGoesTheWayOfTheTable) {
  ASSERT_TRUE(fs::exists("src/base/config.h")) << "the test runs in the source tree";
  Scan scan = scan_tree(".");
  for (const auto& problem : scan.problems) ADD_FAILURE() << problem;
  EXPECT_GT(scan.files, 50);
  EXPECT_GT(scan.includes, 200);
}

TEST(Layering, ForbiddenIncludesAreFound) {
  TemporaryFolder folder;
  auto write = [&](const std::string& name, const std::string& text) {
    fs::create_directories((folder.path() / name).parent_path());
    folder.write(name, text);
  };
  write("src/base/a.cpp", "#include <vector>\n#include <torch/torch.h>\n  #  include \"src/text/b.h\"\n");
  write("src/base/log.cpp", "#include <spdlog/spdlog.h>\n");
  write("src/nn/c.h", "#include \"src/io/safetensors.h\"\n#include \"src/base/error.h\"\n#include <spdlog/spdlog.h>\n");
  write("src/models/d.h", "#include \"src/tensor/rng.h\"\n#include \"data/batch.h\"\n#include \"e.h\"\n");
  write("src/new/f.h", "#include <vector>\n");
  write("losses/g.cpp", "#include \"data/batch.h\"\n// #include \"trainer/recipe.h\"\n#include \"src/nn/linear.h\"\n");
  write("trainer/h.cpp",
        "#include \"data/batch.h\"\n#include \"data/batch_plan.h\"\n#include \"src/models/language_model.h\"\n"
        "#include \"losses/loss.h\"\n#include \"losses/saclm.h\"\n");
  write("recipes/usam/i.cpp",
        "#include \"trainer/recipe.h\"\n#include \"src/decode/generate.h\"\n#include \"tools/j.h\"\n");
  write("tests/unit/k.cpp", "#include \"tools/j.h\"\n#include \"tests/support.h\"\n");
  Scan scan = scan_tree(folder.path());
  EXPECT_EQ(scan.files, 9);
  std::vector<std::string> expected = {
      "losses/g.cpp includes \"data/batch.h\", which losses may not see",
      "recipes/usam/i.cpp includes \"tools/j.h\", which recipes may not see",
      "src/base/a.cpp includes \"src/text/b.h\", which src/base may not see",
      "src/base/a.cpp includes torch/torch.h, but is free of torch",
      "src/models/d.h includes \"data/batch.h\", which src/models may not see",
      "src/models/d.h includes \"e.h\", which is not written from the tree's root",
      "src/new/f.h is in a folder that the include table does not know",
      "src/nn/c.h includes \"src/io/safetensors.h\", which src/nn may not see",
      "src/nn/c.h includes spdlog/spdlog.h, which only src/base/log.cpp may",
      "trainer/h.cpp includes \"data/batch_plan.h\", which trainer may not see",
      "trainer/h.cpp includes \"losses/saclm.h\", which trainer may not see",
      "trainer/h.cpp includes \"src/models/language_model.h\", which trainer may not see",
  };
  EXPECT_EQ(scan.problems, expected);
}

}  // namespace
}  // namespace usam::test
