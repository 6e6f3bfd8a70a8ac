#pragma once
#include <nlohmann/json.hpp>

namespace usam {

using Json = nlohmann::ordered_json;

}  // namespace usam
