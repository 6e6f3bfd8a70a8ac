#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace usam {

// Ids that end a generation: `eos_token_id` (a number or a list) of the folder's generation_config.json, else of its
// config.json. Empty where neither names one; UserError where it is of another type.
std::vector<int64_t> eos_ids(const std::string& folder);

}  // namespace usam
