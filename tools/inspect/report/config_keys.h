#pragma once
// The config of a run as a list of keys.
#include <string>
#include <utility>
#include <vector>

#include "src/base/config_yaml.h"

namespace usam::inspect {

// Dotted keys with their values as YAML on one line; a list without maps is one value.
using FlatConfig = std::vector<std::pair<std::string, std::string>>;

// The keys of a config.yaml, whatever recipe it is of. UserError: text that is no YAML map.
FlatConfig read_keys(const std::string& yaml, const std::string& path);
// "" for a key that is not there.
std::string value_of(const FlatConfig& keys, const std::string& key);

// In what a run's config.yaml differs from the defaults of its recipe. UserError: a config that this program does not
// know how to read.
std::vector<Difference> changed_from_defaults(const std::string& file);

}  // namespace usam::inspect
