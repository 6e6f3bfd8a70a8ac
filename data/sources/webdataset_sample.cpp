// What a WebDataset sample says: grouping of a shard's members, and their texts.
#include <algorithm>
#include <unordered_map>

#include "data/audio/names.h"
#include "data/json_row.h"
#include "data/manifest_line.h"
#include "data/sources/webdataset.h"
#include "src/base/error.h"
#include "src/base/text.h"

namespace usam::data {
namespace {

constexpr int64_t kMostMember = 1 << 22;  // bytes of a .json, .txt or .cls

enum class Kind { kAudio, kJson, kTxt, kCls, kOther };

// Of what follows the first dot of a member's name.
Kind kind_of_suffix(const std::string& suffix) {
  if (suffix == "json") return Kind::kJson;
  if (suffix == "txt" || suffix == "text" || suffix == "transcript") return Kind::kTxt;
  return suffix == "cls" ? Kind::kCls : Kind::kOther;
}

// The label that a text, a number or a list of them holds: several references stand between TABs.
std::string label_of(RowFields& fields, const std::string& name) {
  std::string label;
  const Json& value = fields.value(name);
  if (value.is_null()) return label;
  for (const Json& one : value.is_array() ? value : Json::array({value})) {
    if (!one.is_string() && !one.is_number())
      fields.refuse(fmt::format("'{}' must be text or a list of texts, found {}", name, kind_of(one)));
    const std::string text = one.is_string() ? one.get<std::string>() : one.dump();
    if (const auto problem = problem_of_text(name, text, true)) fields.refuse(*problem);
    if (!is_blank(text)) label += (label.empty() ? "" : "\t") + text;
  }
  return label;
}

std::vector<std::string> tags_of(RowFields& fields) {
  const Json& value = fields.value("tags");
  if (value.is_string()) return split_tags(value.get_ref<const std::string&>());
  std::vector<std::string> tags;
  if (value.is_array() && std::ranges::all_of(value, [](const Json& one) { return one.is_string(); })) {
    for (const Json& one : value) {
      const auto& tag = one.get_ref<const std::string&>();
      if (!is_blank(tag)) tags.emplace_back(trim(tag));
    }
  } else if (!value.is_null()) {
    fields.refuse("'tags' must be a list of texts or one text");
  }
  return tags;
}

std::optional<std::string> read_json(const std::string& text, ManifestLine& row) {
  Json all;
  if (const auto problem = parse_json_row(text, all)) return "its .json: " + *problem;
  RowFields fields(all);
  row.key = fields.optional_text("key");
  row.task = fields.optional_text("task");
  row.prompt = with_slot(fields.optional_text("prompt"));
  const double duration = fields.seconds("duration"), dur = fields.seconds("dur");
  row.seconds = duration >= 0 ? duration : dur;
  row.label = label_of(fields, "label");
  if (row.label.empty()) row.label = label_of(fields, "text");
  row.tags = tags_of(fields);
  if (fields.problem()) return "its .json: " + *fields.problem();
  row.extra = fields.rest();
  return std::nullopt;
}

// Puts members into their samples.
class Grouping {
 public:
  explicit Grouping(std::vector<std::string>& problems) : problems_(problems) {}

  void add(const TarMember& member) {
    const auto base = member.name.rfind('/') + 1;
    const auto dot = member.name.find('.', base);
    if (!member.problem.empty()) return report(member.name, member.problem);
    if (dot == std::string::npos || dot == base) return;  // no part of a sample: "README", ".gitignore"
    const Kind kind =
        audio::is_audio_name(member.name) ? Kind::kAudio : kind_of_suffix(ascii_lower(member.name.substr(dot + 1)));
    if (kind == Kind::kOther) return;
    const std::string name = member.name.substr(0, dot);
    const auto [found, is_new] = numbers_.try_emplace(name, samples_.size());
    if (is_new) samples_.push_back({.name = name, .audio = {}, .json = {}, .txt = {}, .cls = {}});
    SampleMembers& sample = samples_[found->second];
    if (kind == Kind::kAudio) return add_audio(sample, member);
    if (member.bytes > kMostMember)
      return report(member.name, fmt::format("{} bytes are no label; at most {} are read", member.bytes, kMostMember));
    auto& place = kind == Kind::kJson ? sample.json : kind == Kind::kTxt ? sample.txt : sample.cls;
    if (place) return report(member.name, fmt::format("the sample has '{}' already", place->name));
    place = member;
  }

  std::vector<SampleMembers> finish() {
    std::vector<SampleMembers> whole;
    for (auto& sample : samples_) {
      if (sample.audio.name.empty()) {
        report(sample.name, "the sample has no recording (its parts share their name up to the first dot)");
      } else {
        whole.push_back(std::move(sample));
      }
    }
    return whole;
  }

 private:
  void add_audio(SampleMembers& sample, const TarMember& member) {
    if (sample.audio.name.empty()) {
      sample.audio = member;
    } else if (sample.audio.name == member.name) {
      report(member.name, "the member stands twice in the tar");
    } else {
      report(member.name, fmt::format("the sample '{}' has a recording already, {}: what stands before a name's first "
                                      "dot names the sample",
                                      sample.name, sample.audio.name));
    }
  }
  void report(const std::string& name, const std::string& reason) { problems_.push_back(name + ": " + reason); }

  std::vector<std::string>& problems_;
  std::vector<SampleMembers> samples_;
  std::unordered_map<std::string, size_t> numbers_;
};

}  // namespace

std::optional<std::string> read_sample(const SampleTexts& texts, ManifestLine& row) {
  if (texts.json) {
    if (auto problem = read_json(*texts.json, row)) return problem;
  }
  for (const auto* text : {&texts.txt, &texts.cls}) {
    if (!*text || !row.label.empty()) continue;
    if (as_utf8(**text) != **text) return "its label is not UTF-8 text";
    if (auto problem = problem_of_text("label", **text, true)) return problem;
    row.label = trim(**text);
  }
  if (row.label.empty()) return "the sample has no label: no 'label' or 'text' in a .json, no .txt and no .cls";
  return std::nullopt;
}

std::vector<SampleMembers> samples_of(const std::string& shard, std::vector<std::string>& problems) {
  Grouping grouping(problems);
  scan_tar(shard, [&](const TarMember& member) { grouping.add(member); });
  return grouping.finish();
}

}  // namespace usam::data
