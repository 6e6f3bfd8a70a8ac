#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace usam::text {

// How a hypothesis differs from its reference, in units (words or characters).
struct Edits {
  int64_t hits = 0;
  int64_t substitutions = 0;
  int64_t deletions = 0;   // units of the reference that the hypothesis lacks
  int64_t insertions = 0;  // units that only the hypothesis has

  int64_t errors() const { return substitutions + deletions + insertions; }
  int64_t reference_length() const { return hits + substitutions + deletions; }
  Edits& operator+=(const Edits& other);
  bool operator==(const Edits&) const = default;
};

// Smallest number of edits that turn `reference` into `hypothesis`. Where several alignments are equally short, the
// kinds are those that jiwer reports: common ends first, then from the back deletions before insertions before
// substitutions.
Edits edits_between(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis);
Edits edits_between(const std::u32string& reference, const std::u32string& hypothesis);

}  // namespace usam::text
