#pragma once
// YAML text -> ConfigNode: what yaml-cpp leaves to its users (duplicate keys, `<<`, tags), `base:`, overrides,
// `${env:}`.
#include <string>
#include <vector>

#include "src/base/config_codec.h"
#include "src/base/config_node.h"
#include "src/base/error.h"

namespace usam {

// Text that is no YAML at all; what() is mark and sentence.
class UnreadableYaml : public UserError {
 public:
  UnreadableYaml(const ConfigMark& where, const std::string& what_is_wrong)
      : UserError(where.text() + ": " + what_is_wrong), mark(where), sentence(what_is_wrong) {}
  ConfigMark mark;
  std::string sentence;
};

// The tree of one YAML text with one document, or null for an empty one. Duplicate keys, unknown tags and the like go
// to `ctx`.
ConfigNode read_yaml(const std::string& text, std::shared_ptr<const ConfigSource> source, ParseContext& ctx);

// A file laid on its base, overrides laid on both, environment variables expanded. A file that is absent or no YAML
// throws UserError at once; all other problems go to `ctx`.
ConfigNode read_config_tree(const std::string& file, const std::vector<std::string>& overrides, ParseContext& ctx);

}  // namespace usam
