#include "data/sources/lhotse_shar.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "data/dialects.h"
#include "data/json_row.h"
#include "data/sources/tar_scan.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;

struct Refusal {
  bool is_of_tar = false;  // or of the cuts
  int64_t line = 0;
  std::string sentence;
};
struct Shard {
  std::vector<TarRow> rows;
  std::vector<Refusal> refusals;
};

std::vector<std::string> parts_of(const std::string& folder, const std::string& field, const std::string& ending) {
  std::vector<std::string> parts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(folder).lexically_normal(), error)) {
    const std::string name = entry.path().filename();
    const bool is_part = name.starts_with(field + ".") && (name.ends_with(ending) || name.ends_with(ending + ".gz"));
    if (is_part) parts.push_back(entry.path());
  }
  std::ranges::sort(parts);
  return parts;
}

// Recordings by their cuts' ids: what stands before a name's last dot.
std::unordered_map<std::string, TarMember> recordings_of(const std::string& tar, Shard& shard) {
  std::unordered_map<std::string, TarMember> recordings;
  scan_tar(tar, [&](const TarMember& member) {
    const auto dot = member.name.rfind('.');
    const std::string ending = dot == std::string::npos ? "" : member.name.substr(dot);
    if (ending == ".json" || ending == ".nometa") return;
    const auto [earlier, is_new] = recordings.try_emplace(member.name.substr(0, dot), member);
    if (!is_new)
      shard.refusals.push_back(
          {true, 0, fmt::format("{}: the cut has a recording already, {}", member.name, earlier->second.name)});
  });
  return recordings;
}

// The cut's recording as it was stored: from its beginning on, changed as it was to be, of one channel. lhotse leaves a
// source without a name there.
Json with_member(Json cut, const std::string& member) {
  Json recording = {{"sources", {{{"type", "file"}, {"channels", {0}}, {"source", member}}}}};
  const Json& old = cut["recording"];
  if (old.is_object() && old.contains("duration")) recording["duration"] = old["duration"];
  cut["recording"] = recording;
  return cut;
}

std::optional<std::string> read_cut(std::string_view text, const std::unordered_map<std::string, TarMember>& recordings,
                                    const std::string& tar, TarRow& one) {
  Json cut;
  if (auto problem = parse_json_row(text, cut)) return problem;
  const auto id = cut.find("id");
  if (id == cut.end() || !id->is_string()) return "'id' is missing or no text";
  const auto found = recordings.find(id->get<std::string>());
  if (found == recordings.end()) return fmt::format("the cut '{}' has no recording in {}", id->get<std::string>(), tar);
  const TarMember& member = found->second;
  if (member.name.ends_with(".nodata"))
    return fmt::format("the cut '{}' was stored without a recording ({})", id->get<std::string>(), member.name);
  if (!member.problem.empty()) return fmt::format("'{}' in {}: {}", member.name, tar, member.problem);
  one.member = member;
  return read_lhotse(with_member(std::move(cut), member.name), one.row, true);
}

Shard read_shard(const std::string& tar, const std::string& cuts, int32_t number, int32_t cuts_number) {
  Shard shard;
  const auto recordings = recordings_of(tar, shard);
  try {
    read_lines(cuts, [&](int64_t line, std::string_view text) {
      TarRow one{.tar = number, .file = cuts_number, .line = line};
      if (const auto problem = read_cut(text, recordings, tar, one))
        shard.refusals.push_back({false, line, *problem});
      else
        shard.rows.push_back(std::move(one));
    });
  } catch (const UserError& e) {
    shard.refusals.push_back({false, 0, without_name(e.what(), cuts)});
  }
  return shard;
}

}  // namespace

bool is_lhotse_shar(const std::string& folder) {
  return !parts_of(folder, "cuts", ".jsonl").empty() && !parts_of(folder, "recording", ".tar").empty();
}

TarFormat lhotse_shar_format(const std::string& folder) {
  const auto cuts = parts_of(folder, "cuts", ".jsonl"), tars = parts_of(folder, "recording", ".tar");
  if (cuts.empty()) user_error("{}: the folder holds no cuts.*.jsonl.gz, as lhotse's shar format has them", folder);
  if (tars.empty())
    user_error("{}: the folder holds no recording.*.tar; store the recordings with lhotse's SharWriter", folder);
  if (cuts.size() != tars.size())
    user_error("{}: {} files of cuts, but {} recording.*.tar; each shard has one of both", folder, cuts.size(),
               tars.size());
  TarFormat format;
  format.reader = "lhotse_shar 1";
  format.files = tars;
  format.files.insert(format.files.end(), cuts.begin(), cuts.end());
  format.read = [cuts, tars](TarRows& rows) {
    const auto count = static_cast<int32_t>(tars.size());
    scan_tars<Shard>(
        tars, rows,
        [&](int32_t i) { return read_shard(tars[static_cast<size_t>(i)], cuts[static_cast<size_t>(i)], i, count + i); },
        [&](int32_t i, Shard& shard) {
          for (const Refusal& one : shard.refusals) rows.refuse(one.is_of_tar ? i : count + i, one.line, one.sentence);
          for (TarRow& row : shard.rows) rows.add(std::move(row));
        });
  };
  return format;
}

}  // namespace usam::data
