#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/text/edit_distance.h"

namespace usam::eval::html {

enum class Edit { kHit, kSubstitution, kDeletion, kInsertion };

// One column of an alignment: a unit of the reference over one of the hypothesis; one of them is empty where the edit
// is a deletion or an insertion.
struct Column {
  Edit edit = Edit::kHit;
  std::string reference, hypothesis;
  bool operator==(const Column&) const = default;
};

// The alignment whose edits text::edits_between counts. Beyond kMostCells (units times units) it is not searched for:
// all units are deleted and inserted between the common ends.
inline constexpr size_t kMostCells = 16'000'000;
std::vector<Column> aligned(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis);
text::Edits counted(const std::vector<Column>& columns);

// What is aligned: words, and each character by itself of scripts that write no spaces (Han, kana, Thai, ...).
std::vector<std::string> units(const std::string& text);

}  // namespace usam::eval::html
