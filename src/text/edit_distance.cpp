#include "src/text/edit_distance.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace usam::text {
namespace {

struct Cell {
  int64_t errors = 0;
  Edits edits;
};

// Rows are hypothesis units, columns reference units; each cell carries the edits of the alignment that a walk back
// from it would find, so that two columns of memory suffice.
Edits align(std::u32string_view reference, std::u32string_view hypothesis) {
  Edits common;
  const auto take_common = [&](auto same_end, auto drop) {
    while (!reference.empty() && !hypothesis.empty() && same_end()) drop(), ++common.hits;
  };
  take_common([&] { return reference.front() == hypothesis.front(); },
              [&] { reference.remove_prefix(1), hypothesis.remove_prefix(1); });
  take_common([&] { return reference.back() == hypothesis.back(); },
              [&] { reference.remove_suffix(1), hypothesis.remove_suffix(1); });

  std::vector<Cell> before(reference.size() + 1), now(reference.size() + 1);
  for (size_t r = 1; r <= reference.size(); ++r) {
    before[r].errors = before[r].edits.deletions = static_cast<int64_t>(r);
  }
  for (size_t h = 1; h <= hypothesis.size(); ++h) {
    now[0] = before[0];
    now[0].errors = now[0].edits.insertions = static_cast<int64_t>(h);
    for (size_t r = 1; r <= reference.size(); ++r) {
      const bool same = reference[r - 1] == hypothesis[h - 1];
      const Cell &deleted = now[r - 1], &inserted = before[r], &diagonal = before[r - 1];
      const int64_t errors = std::min({deleted.errors + 1, inserted.errors + 1, diagonal.errors + (same ? 0 : 1)});
      Cell cell;
      if (errors == deleted.errors + 1) {
        cell.edits = deleted.edits;
        ++cell.edits.deletions;
      } else if (inserted.errors == diagonal.errors - 1) {
        cell.edits = inserted.edits;
        ++cell.edits.insertions;
      } else {
        cell.edits = diagonal.edits;
        ++(same ? cell.edits.hits : cell.edits.substitutions);
      }
      cell.errors = errors;
      now[r] = cell;
    }
    std::swap(before, now);
  }
  return before.back().edits += common;
}

}  // namespace

Edits& Edits::operator+=(const Edits& other) {
  hits += other.hits;
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  return *this;
}

Edits edits_between(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis) {
  std::map<std::string_view, char32_t> numbers;
  const auto numbered = [&numbers](const std::vector<std::string>& words) {
    std::u32string result;
    for (const std::string& word : words)
      result += numbers.try_emplace(word, static_cast<char32_t>(numbers.size())).first->second;
    return result;
  };
  return align(numbered(reference), numbered(hypothesis));
}

Edits edits_between(const std::u32string& reference, const std::u32string& hypothesis) {
  return align(reference, hypothesis);
}

}  // namespace usam::text
