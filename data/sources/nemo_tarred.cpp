#include "data/sources/nemo_tarred.h"

#include <charconv>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "data/dialects.h"
#include "data/sources/shard_paths.h"
#include "data/sources/tar_scan.h"
#include "src/base/json.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;
using Members = std::unordered_map<std::string, TarMember>;

// "manifest_12_filtered.json" -> 12: the first number behind an underscore, else the last number of the name.
std::optional<int64_t> number_in(const std::string& path) {
  const std::string name = fs::path(path).filename();
  const auto parse = [&](size_t at) {
    int64_t value = -1;
    std::from_chars(name.data() + at, name.data() + name.size(), value);
    return value < 0 ? std::nullopt : std::optional(value);
  };
  const auto is_digit = [&](size_t at) { return at < name.size() && name[at] >= '0' && name[at] <= '9'; };
  for (size_t at = name.find('_'); at != std::string::npos; at = name.find('_', at + 1)) {
    if (is_digit(at + 1)) return parse(at + 1);
  }
  const auto last = name.find_last_of("0123456789");
  if (last == std::string::npos) return std::nullopt;
  const auto before = name.find_last_not_of("0123456789", last);
  return parse(before == std::string::npos ? 0 : before + 1);
}

bool is_sharded(const std::string& manifest) {
  return fs::path(manifest).parent_path().filename() == "sharded_manifests";
}

std::vector<std::string> tar_paths(const std::string& manifest, const std::string& tars) {
  if (!tars.empty()) return shard_paths(tars);
  fs::path folder = fs::path(manifest).parent_path();
  if (is_sharded(manifest)) folder = folder.parent_path();
  try {
    return shard_paths((folder / "audio_*.tar").string());
  } catch (const UserError&) {
    user_error("{}: no audio_*.tar is in {}; name the tars beside the path (`tars: audio__OP_0..127_CL_.tar`)",
               manifest, folder.string());
  }
}

// The member that a manifest's name stands for: parts of one recording are told apart by "-sub1", "-sub2", ...
const TarMember* find_member(const Members& members, const std::string& name) {
  if (const auto found = members.find(name); found != members.end()) return &found->second;
  const auto dot = name.rfind('.'), sub = name.rfind("-sub", dot);
  if (sub == std::string::npos) return nullptr;
  const std::string digits = name.substr(sub + 4, dot == std::string::npos ? dot : dot - sub - 4);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return nullptr;
  const auto found = members.find(name.substr(0, sub) + (dot == std::string::npos ? "" : name.substr(dot)));
  return found == members.end() ? nullptr : &found->second;
}

// Reads the manifests of a set after its tars.
class Reader {
 public:
  Reader(const std::vector<std::string>& tars, std::vector<std::string> manifests)
      : tars_(tars), manifests_(std::move(manifests)) {
    for (size_t i = 0; i < tars.size(); ++i) {
      const auto number = number_in(tars[i]);
      if (!number && tars.size() > 1)
        user_error("{}: the tar's name holds no shard number, as in audio_12.tar", tars[i]);
      const auto [earlier, is_new] = numbers_.try_emplace(number.value_or(0), static_cast<int32_t>(i));
      if (!is_new)
        user_error("{}: its shard number {} is that of {} too", tars[i], *number,
                   tars[static_cast<size_t>(earlier->second)]);
    }
  }

  void read(TarRows& rows) {
    members_.resize(tars_.size());
    scan_tars<Members>(
        tars_, rows,
        [this](int32_t i) {
          Members members;
          scan_tar(tars_[static_cast<size_t>(i)], [&](const TarMember& member) {
            const auto [earlier, is_new] = members.try_emplace(member.name, member);
            if (!is_new) earlier->second.problem = "the member stands twice in the tar";
          });
          return members;
        },
        [this](int32_t i, Members& members) { members_[static_cast<size_t>(i)] = std::move(members); });
    for (size_t i = 0; i < manifests_.size(); ++i) read_manifest(static_cast<int32_t>(i), rows);
  }

 private:
  void read_manifest(int32_t number, TarRows& rows) {
    const std::string& path = manifests_[static_cast<size_t>(number)];
    const int32_t file = number + static_cast<int32_t>(tars_.size());
    const auto shard = manifests_.size() > 1 || is_sharded(path) ? number_in(path) : std::nullopt;
    try {
      read_lines(path, [&](int64_t line, std::string_view text) {
        if (const auto problem = read_line(text, shard, {.file = file, .line = line}, rows))
          rows.refuse(file, line, *problem);
      });
    } catch (const UserError& e) {
      rows.refuse(file, e);
    }
  }

  std::optional<std::string> read_line(std::string_view text, std::optional<int64_t> shard, TarRow one,
                                       TarRows& rows) const {
    static const Dialect& nemo = *find_dialect("nemo");
    ManifestLine& row = one.row;
    if (auto problem = nemo.parse(text, row, true)) return problem;
    if (row.is_left_out) return std::nullopt;
    if (auto problem = place_in_tar(shard, one)) return problem;
    if (row.key == derived_key(row)) one.name = std::exchange(row.key, "");
    rows.add(std::move(one));
    return std::nullopt;
  }

  // Which tar the row's shard_id, or its manifest, means, and which member of it.
  std::optional<std::string> place_in_tar(std::optional<int64_t> shard, TarRow& one) const {
    const Json extra = one.row.extra.empty() ? Json::object() : Json::parse(one.row.extra);
    if (const auto id = extra.find("shard_id"); id != extra.end()) {
      if (!id->is_number_integer()) return "'shard_id' must be the number of a tar";
      shard = id->get<int64_t>();
    }
    if (!shard && tars_.size() > 1) return "'shard_id' is missing, and there are several tars";
    const auto tar = shard ? numbers_.find(*shard) : numbers_.begin();
    if (tar == numbers_.end()) return fmt::format("'shard_id' is {}, but no tar has this number", *shard);
    one.tar = tar->second;
    const std::string &path = tars_[static_cast<size_t>(one.tar)], &name = one.row.wavs.front();
    const TarMember* member = find_member(members_[static_cast<size_t>(one.tar)], name);
    if (!member) return fmt::format("'{}' is not in {}", name, path);
    if (!member->problem.empty()) return fmt::format("'{}' in {}: {}", name, path, member->problem);
    one.member = *member;
    return std::nullopt;
  }

  const std::vector<std::string> tars_, manifests_;
  std::map<int64_t, int32_t> numbers_;  // shard number -> tar
  std::vector<Members> members_;
};

}  // namespace

bool is_nemo_tarred(const std::string& path) {
  return is_sharded(path) || fs::path(path).filename().string().starts_with("tarred_audio_manifest");
}

TarFormat nemo_tarred_format(const std::string& manifest, const std::string& tars) {
  TarFormat format;
  format.reader = "nemo_tarred 1";
  format.files = tar_paths(manifest, tars);
  const auto manifests = shard_paths(manifest, ".json");
  const auto reader = std::make_shared<Reader>(format.files, manifests);
  format.files.insert(format.files.end(), manifests.begin(), manifests.end());
  format.read = [reader](TarRows& rows) { reader->read(rows); };
  return format;
}

}  // namespace usam::data
