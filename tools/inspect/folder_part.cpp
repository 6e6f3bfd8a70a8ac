#include "tools/inspect/folder_part.h"

#include <algorithm>
#include <filesystem>

#include "src/base/config_codec.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/io/weights.h"

namespace usam::inspect {

Part part_of_folder(const std::string& folder, const std::map<std::string, FolderKind>& kinds,
                    const ConfigChoices& choices) {
  if (!std::filesystem::is_directory(folder)) user_error("{}: there is no such folder.", folder);
  const Json config = io::read_folder_json(folder, "config.json");
  const auto found = config.is_object() ? config.find("model_type") : config.end();
  const std::string model_type = found != config.end() && found->is_string() ? found->get<std::string>() : "";
  std::vector<std::string> known;
  for (const auto& [type, kind] : kinds) {
    known.insert(known.end(), kind.model_types.begin(), kind.model_types.end());
    if (std::find(kind.model_types.begin(), kind.model_types.end(), model_type) == kind.model_types.end()) continue;
    ConfigNode node = ConfigNode::map();
    node.add("type", ConfigNode::scalar(type, true));
    node.add("path", ConfigNode::scalar(folder, true));
    for (const auto& [key, value] : kind.keys) node.add(key, ConfigNode::scalar(value, true));
    ParseContext context(false);
    Part part;
    parse_part(node, context, part, choices, "");
    for (const auto& problem : context.problems()) user_error("{}: {}", folder, problem.sentence);
    return part;
  }
  user_error("{}/config.json: model_type is '{}'; this subcommand reads {}.", folder, model_type,
             join_words(known, "and"));
}

}  // namespace usam::inspect
