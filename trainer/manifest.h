#pragma once
// manifest.json of a checkpoint or an export: every other file with its size and SHA-256, written last.
#include <string>
#include <vector>

#include "src/base/json.h"

namespace usam {

enum class FolderKind { kCheckpoint, kExport };

// A JSON file of such a folder. UserError where it is missing or is no JSON.
Json read_json(const std::string& path);
// Syncs files of a folder (names relative to it) and the folders that they stand in, and describes them:
// {name: {"bytes", "sha256"}}.
Json describe_files(const std::string& folder, const std::vector<std::string>& names);
// Files below a folder, relative to it, in a fixed order.
std::vector<std::string> files_below(const std::string& folder);
void write_manifest(const std::string& folder, FolderKind kind, const Json& files);

// The files that a folder's manifest lists. UserError where it is absent or malformed.
std::vector<std::string> manifest_files(const std::string& folder);
// Whether a folder has a manifest and files of the sizes that it lists: what can be told without reading them.
bool looks_whole(const std::string& folder);

// What is wrong with a checkpoint or an export, a sentence each; empty: it is whole, every file hashed.
std::vector<std::string> checkpoint_problems(const std::string& checkpoint);
// UserError that lists the problems, if there are any.
void require_whole_checkpoint(const std::string& checkpoint);

}  // namespace usam
