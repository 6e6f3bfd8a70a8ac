#include "tools/inspect/folder_part.h"

#include <filesystem>
#include <vector>

#include "src/base/config_codec.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/io/weights.h"

namespace usam::inspect {

Part part_of_folder(const std::string& folder, const std::map<std::string, std::string>& types,
                    const ConfigChoices& choices, const std::map<std::string, ConfigKeys>& keys) {
  if (!std::filesystem::is_directory(folder)) user_error("{}: there is no such folder.", folder);
  const Json config = io::read_folder_json(folder, "config.json");
  const auto found = config.is_object() ? config.find("model_type") : config.end();
  const std::string model_type = found != config.end() && found->is_string() ? found->get<std::string>() : "";
  const auto type = types.find(model_type);
  if (type == types.end()) {
    std::vector<std::string> known;
    for (const auto& entry : types) known.push_back(entry.first);
    user_error("{}/config.json: model_type is '{}'; this subcommand reads {}.", folder, model_type,
               join_words(known, "and"));
  }
  ConfigNode node = ConfigNode::map();
  node.add("type", ConfigNode::scalar(type->second, true));
  node.add("path", ConfigNode::scalar(folder, true));
  if (const auto more = keys.find(type->second); more != keys.end())
    for (const auto& [key, value] : more->second) node.add(key, ConfigNode::scalar(value, true));
  ParseContext context(false);
  Part part;
  parse_part(node, context, part, choices, "");
  for (const auto& problem : context.problems()) user_error("{}: {}", folder, problem.sentence);
  return part;
}

}  // namespace usam::inspect
