#pragma once
#include <map>
#include <string>

#include "src/base/config.h"

namespace usam::inspect {

using ConfigKeys = std::map<std::string, std::string>;

// The part of a registry that a Hugging Face folder holds, picked by the model_type of its config.json (`types`: which
// `type:` reads it). `keys`: what a type is given beside `path`, so that it runs as its reference class. UserError for
// a folder that is absent or of no known model_type, with those that are known.
Part part_of_folder(const std::string& folder, const std::map<std::string, std::string>& types,
                    const ConfigChoices& choices, const std::map<std::string, ConfigKeys>& keys = {});

}  // namespace usam::inspect
