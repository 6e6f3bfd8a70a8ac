#pragma once
#include <memory>
#include <string>
#include <vector>

#include "src/base/config.h"

namespace usam {

// A config of any type, by reference: `load_config("a.yaml", {}, config)` takes a struct with describe().
class HeldConfigRef {
 public:
  template <class C>
    requires(!std::is_same_v<std::remove_const_t<C>, HeldConfigRef>)
  HeldConfigRef(C& config) : describe_([&config](Fields& f) { describe(f, config); }) {}
  void describe_fields(Fields& f) const { describe_(f); }

 private:
  std::function<void(Fields&)> describe_;
};

struct LoadOptions {
  std::vector<std::string> overrides;  // `key.sub=value`; a leading + or ++ is ignored, `key.0.sub=` indexes lists
  bool offline = false;                // true: paths need not exist, environment variables need not be set
};

// Reads a YAML file (with at most one level of `base:`, `<<` merges resolved, duplicate keys refused, `${env:NAME}`
// expanded), applies the overrides and parses the result into `config`. Throws UserError with all problems, a line
// each, as `file:line:column: sentence` (an override is cited as `override 'text'`), unknown keys with the nearest
// known one.
//
// Over a base file, and overrides over files: maps merge, lists and values are replaced; a map whose `type:` differs
// from the one below replaces it. The value of an override is YAML when it starts with [ { ' " or !, else the text as
// it stands.
void load_config(const std::string& file, const LoadOptions& options, HeldConfigRef config);

// The whole config as YAML text, defaults included, input paths absolute; load_config reads it back to an equal config.
std::string print_config(HeldConfigRef config);

struct Difference {
  std::string key;            // dotted
  std::string before, after;  // as YAML; "(absent)" where a map or list lacks it
  bool resumable;
};
// The leaves in which two configs of one type differ.
std::vector<Difference> compare_configs(HeldConfigRef before, HeldConfigRef after);

// All keys with type, default and meaning, a line each, for --help.
std::string help_text(HeldConfigRef config);

}  // namespace usam
