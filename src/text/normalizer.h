#pragma once
// Text normalisers: what is done to references and hypotheses before they are compared. Results are only comparable
// under the same one, so each has a name and a version that metrics.json is stamped with.
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/config.h"

namespace usam::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Throws UserError for text that is not valid UTF-8. Thread-safe.
  virtual std::string operator()(std::string_view text) const = 0;
  // Name and version, "whisper_en/1": the version rises when results change.
  virtual std::string stamp() const = 0;
};

// British -> American words, as in the `normalizer.json` that ships inside Whisper checkpoints.
using SpellingTable = std::map<std::string, std::string, std::less<>>;

// The names that make_normalizer knows:
//   none          the text as it is
//   basic         Whisper's normaliser for any language: lower case, no brackets, punctuation becomes white space
//   basic_letters basic, marks removed, every letter a word of its own (languages that write no spaces)
//   whisper_en    Whisper's English normaliser: contractions, titles, fillers, numbers, currencies, spelling
const std::vector<std::string>& normalizer_names();
// "" for one of these names, else the sentence that refuses it.
std::string unknown_normalizer(const std::string& name);

// Throws UserError for an unknown name. `spelling` serves whisper_en alone; without a table British spellings stay.
std::shared_ptr<const Normalizer> make_normalizer(const std::string& name, SpellingTable spelling = {});

// Reads a `normalizer.json` ({"colour": "color", ...}). Throws UserError when it is missing or of another form.
SpellingTable read_spelling_table(const std::string& file);

}  // namespace usam::text
