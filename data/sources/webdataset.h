#pragma once
#include <optional>
#include <string>
#include <vector>

#include "data/sources/tar_source.h"

namespace usam::data {

// What the members of a sample beside its recording say; each may be absent.
struct SampleTexts {
  std::optional<std::string> json, txt, cls;
};
// Fills a row from them; what the sample does not say stays empty, and seconds -1. The label is the json's "label", or
// else its "text" (a text, a list of texts, or a number), or else the txt, or else the cls. The json may further hold
// "key", "task", "prompt", "duration" or "dur", "tags", and anything else, which becomes `extra`. Returns what is
// wrong, or nothing.
std::optional<std::string> read_sample(const SampleTexts& texts, ManifestLine& row);

// The members of one sample: those whose names are the same up to the first dot of their last part.
struct SampleMembers {
  std::string name;
  TarMember audio;
  std::optional<TarMember> json, txt, cls;
};
// The samples of a shard, in the order of their first members; `problems` gets "member: sentence" for each that is
// none. UserError: see scan_tar.
std::vector<SampleMembers> samples_of(const std::string& shard, std::vector<std::string>& problems);

// WebDataset shards: samples of a recording beside .json, .txt or .cls. `path`: one shard, a folder of shards, or a
// pattern (shard_paths.h, with its UserErrors). A row's key is the json's "key", or the sample's name.
TarFormat webdataset_format(const std::string& path);
// Whether a path looks like some: by an ending, or a folder of tars.
bool is_webdataset(const std::string& path);

}  // namespace usam::data
