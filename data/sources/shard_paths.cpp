#include "data/sources/shard_paths.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "src/base/error.h"
#include "src/base/text.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostShards = 1'000'000;
constexpr size_t kShownMissing = 3;

// NeMo writes braces so because Hydra and shells take them for their own.
std::string with_braces(std::string path) {
  for (const auto& [from, to] : {std::pair("_OP_", "{"), std::pair("_CL_", "}")}) {
    for (size_t at; (at = path.find(from)) != std::string::npos;) path.replace(at, 4, to);
  }
  return path;
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = !text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  return is_number && value >= 0 ? std::optional(value) : std::nullopt;
}

// What stands in a pair of braces: "000..123", or "a,b".
std::vector<std::string> alternatives(const std::string& inside, const std::string& path) {
  const auto dots = inside.find("..");
  if (dots == std::string::npos) return split(inside, ',');
  const std::string first = inside.substr(0, dots), last = inside.substr(dots + 2);
  const auto from = number(first), to = number(last);
  if (!from || !to || *from > *to)
    user_error("{}: '{{{}}}' is no range of numbers, as in {{000000..000123}}", path, inside);
  if (*to - *from >= kMostShards) user_error("{}: a range of more than {} files", path, kMostShards);
  std::vector<std::string> all;
  for (int64_t i = *from; i <= *to; ++i) {
    const std::string digits = std::to_string(i);
    all.push_back(std::string(first.size() - std::min(first.size(), digits.size()), '0') + digits);
  }
  return all;
}

std::vector<std::string> expanded(const std::string& braced, const std::string& path) {
  std::vector<std::string> all = {""};
  std::string_view rest = braced;
  while (true) {
    const auto open = rest.find('{');
    for (auto& one : all) one += rest.substr(0, open);
    if (open == std::string_view::npos) return all;
    const auto close = rest.find('}', open);
    if (close == std::string_view::npos) user_error("{}: a brace is opened and not closed", path);
    const auto choices = alternatives(std::string(rest.substr(open + 1, close - open - 1)), path);
    if (std::ssize(all) * std::ssize(choices) > kMostShards)
      user_error("{}: the braces stand for more than {} files", path, kMostShards);
    std::vector<std::string> longer;
    for (const auto& one : all) {
      for (const auto& choice : choices) longer.push_back(one + choice);
    }
    all = std::move(longer);
    rest.remove_prefix(close + 1);
  }
}

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> all;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) all.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (all.empty()) user_error("{}: no file matches", pattern);
  return all;
}

std::vector<std::string> files_in(const std::string& folder, const std::string& ending) {
  std::vector<std::string> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(folder).lexically_normal(), error)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(ending) && !name.starts_with(".")) all.push_back(entry.path());
  }
  if (all.empty()) user_error("{}: the folder holds no {} file", folder, ending);
  std::ranges::sort(all);
  return all;
}

bool is_glob(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

}  // namespace

bool is_shard_pattern(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error)) return false;
  return is_glob(path) || path.find('{') != std::string::npos || path.find("_OP_") != std::string::npos;
}

std::vector<std::string> shard_paths(const std::string& path, const std::string& ending) {
  std::error_code error;
  if (fs::is_directory(path, error)) return files_in(path, ending);
  if (!is_shard_pattern(path)) return {path};
  std::vector<std::string> all, missing;
  for (const auto& one : expanded(with_braces(path), path)) {
    if (is_glob(one)) {
      const auto found = matches(one);
      all.insert(all.end(), found.begin(), found.end());
    } else {
      all.push_back(one);
      if (!fs::exists(one, error)) missing.push_back(fs::path(one).filename());
    }
  }
  if (!missing.empty()) {
    const size_t shown = std::min(missing.size(), kShownMissing);
    const std::vector<std::string> first(missing.begin(), missing.begin() + static_cast<int64_t>(shown));
    user_error("{}: {} of {} files {} not there: {}{}", path, missing.size(), all.size(),
               missing.size() == 1 ? "is" : "are", join_words(first, "and"), missing.size() > shown ? ", ..." : "");
  }
  return all;
}

}  // namespace usam::data
