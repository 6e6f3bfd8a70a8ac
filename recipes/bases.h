#pragma once
// base.json of a checkpoint: what its values were trained on top of, and where that lies on this machine.
#include <string>
#include <vector>

#include "src/base/config.h"

namespace usam::recipes {

// What a user says of where base models lie.
struct BaseFolders {
  std::string models;              // a folder that holds them under the names that they had; "": $USAM_MODELS, if set
  std::vector<std::string> named;  // NAME=FOLDER for one: llm=/models/llama
  // Neither is given, nor the variable set.
  bool empty() const;
};

// What a base model or an overlay of `init_from` is, as recorded.
struct Base {
  std::string part;  // in the recipe: "encoders.whisper", "llm"; "" for an overlay
  std::string path;  // where it was; "" for random values
  std::vector<std::pair<std::string, std::string>> files;  // name in the folder -> SHA-256
  uint64_t seed = 0;                                       // of random values
};
struct Bases {
  std::vector<Base> models, overlays;
};
// UserError where base.json is malformed; nothing where there is none.
Bases read_bases(const std::string& checkpoint);
void write_bases(const std::string& folder, const Bases& bases);
// A base in a folder, or one safetensors file, with the hashes of these files in it.
Base hashed_base(const std::string& part, const std::string& path, const std::vector<std::string>& files);

// Overrides of the checkpoint's config that give each base model the folder in which it is found: the one named for it,
// else models/NAME, else where it was. UserError that lists all that are nowhere, and for names that it has not.
std::vector<std::string> base_overrides(const std::string& checkpoint, const BaseFolders& where);

// UserError that names each file whose hash is not the one recorded, or that is absent, in the folders that `recipe`
// (print_part) gives the parts; and of overlays where they were.
void check_bases(const std::string& checkpoint, const ConfigNode& recipe);
// The same in the folders as recorded.
void check_bases(const std::string& checkpoint);

}  // namespace usam::recipes
