#include "src/models/generation_config.h"

#include <optional>

#include "src/base/error.h"
#include "src/io/weights.h"

namespace usam {
namespace {

std::optional<std::vector<int64_t>> eos_in(const std::string& folder, const char* file, const Json& json) {
  if (!json.is_object() || !json.contains("eos_token_id") || json.at("eos_token_id").is_null()) return std::nullopt;
  const Json& eos = json.at("eos_token_id");
  if (eos.is_number_integer()) return std::vector{eos.get<int64_t>()};
  std::vector<int64_t> ids;
  bool is_list = eos.is_array();
  for (const auto& id : is_list ? eos : Json::array()) {
    is_list = is_list && id.is_number_integer();
    if (is_list) ids.push_back(id.get<int64_t>());
  }
  if (!is_list) user_error("{}/{}: 'eos_token_id' is {}; it must be an id or a list of ids", folder, file, eos.dump());
  return ids;
}

}  // namespace

std::vector<int64_t> eos_ids(const std::string& folder) {
  for (const char* file : {"generation_config.json", "config.json"}) {
    if (auto ids = eos_in(folder, file, io::read_folder_json_if_present(folder, file))) return *ids;
  }
  return {};
}

}  // namespace usam
