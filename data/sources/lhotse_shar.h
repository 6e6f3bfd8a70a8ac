#pragma once
#include <string>

#include "data/sources/tar_source.h"

namespace usam::data {

// A folder in lhotse's shar format: cuts.000000.jsonl.gz, cuts.000001.jsonl.gz, ... (or .jsonl) with as many
// recording.000000.tar, ..., which hold each cut's recording as ID.flac (or another kind) beside ID.json, or ID.nodata
// beside ID.nometa where a cut has none. Other fields (features.000000.tar, ...) are not read. A row's key is its cut's
// id. UserError that names the folder: no cuts, no recordings, unequal numbers of them.
TarFormat lhotse_shar_format(const std::string& folder);

// Whether a folder looks like one.
bool is_lhotse_shar(const std::string& folder);

}  // namespace usam::data
