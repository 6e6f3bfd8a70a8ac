#include "data/sources/webdataset.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "data/audio/bytes.h"
#include "data/sources/shard_paths.h"

namespace usam::data {
namespace {

struct Shard {
  std::vector<TarRow> rows;
  std::vector<std::string> problems;
};

std::optional<std::string> read_text(const std::string& shard, const std::optional<TarMember>& member) {
  if (!member) return std::nullopt;
  if (member->bytes == 0) return "";
  return audio::Stretch({.path = shard, .member = member->name, .begin = member->begin, .bytes = member->bytes}).text();
}

Shard read_shard(const std::string& path, int32_t number) {
  Shard shard;
  int64_t line = 0;
  for (SampleMembers& members : samples_of(path, shard.problems)) {
    TarRow one{.name = members.name, .member = members.audio, .tar = number, .file = number, .line = ++line};
    const SampleTexts texts{read_text(path, members.json), read_text(path, members.txt), read_text(path, members.cls)};
    if (const auto problem = read_sample(texts, one.row))
      shard.problems.push_back(members.name + ": " + *problem);
    else
      shard.rows.push_back(std::move(one));
  }
  if (shard.rows.empty() && shard.problems.empty())
    shard.problems.push_back("the tar shard holds no sample: no recording beside a .json, .txt or .cls of its name");
  return shard;
}

bool is_tar_name(const std::string& name) {
  return std::ranges::any_of(std::array{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"},
                             [&](const char* ending) { return name.ends_with(ending); });
}

}  // namespace

bool is_webdataset(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return is_tar_name(path);
  const std::filesystem::directory_iterator files(path, error);
  return !error && std::ranges::any_of(files, [](const auto& file) { return is_tar_name(file.path().filename()); });
}

TarFormat webdataset_format(const std::string& path) {
  TarFormat format;
  format.reader = "webdataset 1";
  format.files = shard_paths(path);
  format.read = [files = format.files](TarRows& rows) {
    scan_tars<Shard>(
        files, rows, [&](int32_t i) { return read_shard(files[static_cast<size_t>(i)], i); },
        [&](int32_t i, Shard& shard) {
          for (const auto& problem : shard.problems) rows.refuse(i, 0, problem);
          for (TarRow& row : shard.rows) rows.add(std::move(row));
        });
  };
  return format;
}

}  // namespace usam::data
