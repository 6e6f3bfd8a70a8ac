#pragma once
#include <string>
#include <vector>

namespace usam::data {

// Whether a path stands for several files: it holds a range or list in braces, NeMo's _OP_..._CL_, or a pattern of the
// shell (* ? [).
bool is_shard_pattern(const std::string& path);

// The files that a path stands for, in order: `shard-{000000..000123}.tar` (numbers keep their leading zeros; several
// braces multiply), `{a,b}`, `audio__OP_0..127_CL_.tar`, `shard-*.tar` (sorted), a folder (its files that end in
// `ending`, sorted), or one file. UserError that names the pattern: a range that is none or of more than a million
// files, a pattern or folder without a file, files of a range that are not there.
std::vector<std::string> shard_paths(const std::string& path, const std::string& ending = ".tar");

}  // namespace usam::data
