#pragma once
#include <map>
#include <string>
#include <vector>

#include "src/base/config.h"

namespace usam::inspect {

// How the models of one `type:` are recognised in Hugging Face folders and opened as their reference class runs them.
struct FolderKind {
  std::vector<std::string> model_types;          // `model_type` of config.json
  std::map<std::string, std::string> keys = {};  // beside `path`
};

// The part of a registry that a Hugging Face folder holds, picked by the model_type of its config.json. UserError for a
// folder that is absent or of no kind, with the types that are known.
Part part_of_folder(const std::string& folder, const std::map<std::string, FolderKind>& kinds,
                    const ConfigChoices& choices);

}  // namespace usam::inspect
