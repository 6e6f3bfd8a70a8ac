#include "src/eval/html/alignment.h"

#include <algorithm>
#include <utility>

#include "src/text/unicode.h"

namespace usam::eval::html {
namespace {

using Units = std::vector<std::string>;

// The middle of two sequences that neither begin nor end alike.
struct Middle {
  const Units &reference, &hypothesis;
  size_t first, reference_end, hypothesis_end;
  size_t rows() const { return hypothesis_end - first + 1; }
  size_t columns() const { return reference_end - first + 1; }
};

// Fewest edits between the first r and h units of the middle, for all of them: table[h * columns + r].
std::vector<uint32_t> distances(const Middle& m) {
  const size_t width = m.columns();
  std::vector<uint32_t> table(width * m.rows());
  for (size_t r = 0; r < width; ++r) table[r] = static_cast<uint32_t>(r);
  for (size_t h = 1; h < m.rows(); ++h) {
    table[h * width] = static_cast<uint32_t>(h);
    for (size_t r = 1; r < width; ++r) {
      const bool same = m.reference[m.first + r - 1] == m.hypothesis[m.first + h - 1];
      table[h * width + r] = std::min({table[h * width + r - 1] + 1, table[(h - 1) * width + r] + 1,
                                       table[(h - 1) * width + r - 1] + (same ? 0 : 1)});
    }
  }
  return table;
}

// The columns of the middle, last one first: deletions before insertions before substitutions, as edits_between walks.
std::vector<Column> walked_back(const Middle& m) {
  const auto table = distances(m);
  const size_t width = m.columns();
  std::vector<Column> back;
  size_t r = width - 1, h = m.rows() - 1;
  while (r > 0 || h > 0) {
    const auto at = [&](size_t row, size_t column) { return table[row * width + column]; };
    const std::string* reference = r > 0 ? &m.reference[m.first + r - 1] : nullptr;
    const std::string* hypothesis = h > 0 ? &m.hypothesis[m.first + h - 1] : nullptr;
    if (r > 0 && (h == 0 || at(h, r) == at(h, r - 1) + 1)) {
      back.push_back({Edit::kDeletion, *reference, ""});
      --r;
    } else if (r == 0 || at(h - 1, r) + 1 == at(h - 1, r - 1)) {
      back.push_back({Edit::kInsertion, "", *hypothesis});
      --h;
    } else {
      back.push_back({*reference == *hypothesis ? Edit::kHit : Edit::kSubstitution, *reference, *hypothesis});
      --r;
      --h;
    }
  }
  return back;
}

std::vector<Column> all_replaced(const Middle& m) {
  std::vector<Column> columns;
  for (size_t r = m.first; r < m.reference_end; ++r) columns.push_back({Edit::kDeletion, m.reference[r], ""});
  for (size_t h = m.first; h < m.hypothesis_end; ++h) columns.push_back({Edit::kInsertion, "", m.hypothesis[h]});
  return columns;
}

// Characters that are words, or parts of words that no space separates.
bool stands_alone(char32_t c) {
  return (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF) ||  // Thai ...
         (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||  // kana, Han
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

}  // namespace

std::vector<Column> aligned(const Units& reference, const Units& hypothesis) {
  Middle m{reference, hypothesis, 0, reference.size(), hypothesis.size()};
  while (m.first < m.reference_end && m.first < m.hypothesis_end && reference[m.first] == hypothesis[m.first])
    ++m.first;
  while (m.reference_end > m.first && m.hypothesis_end > m.first &&
         reference[m.reference_end - 1] == hypothesis[m.hypothesis_end - 1])
    --m.reference_end, --m.hypothesis_end;
  std::vector<Column> columns;
  for (size_t i = 0; i < m.first; ++i) columns.push_back({Edit::kHit, reference[i], hypothesis[i]});
  if (m.rows() * m.columns() > kMostCells) {
    const auto middle = all_replaced(m);
    columns.insert(columns.end(), middle.begin(), middle.end());
  } else {
    const auto back = walked_back(m);
    columns.insert(columns.end(), back.rbegin(), back.rend());
  }
  for (size_t i = m.reference_end, j = m.hypothesis_end; i < reference.size(); ++i, ++j)
    columns.push_back({Edit::kHit, reference[i], hypothesis[j]});
  return columns;
}

text::Edits counted(const std::vector<Column>& columns) {
  text::Edits edits;
  for (const auto& column : columns) {
    if (column.edit == Edit::kHit) ++edits.hits;
    if (column.edit == Edit::kSubstitution) ++edits.substitutions;
    if (column.edit == Edit::kDeletion) ++edits.deletions;
    if (column.edit == Edit::kInsertion) ++edits.insertions;
  }
  return edits;
}

Units units(const std::string& plain) {
  Units all;
  for (const auto& word : text::split_words(plain)) {
    std::string part;
    for (const char32_t c : text::code_points(word)) {
      const std::string letter = text::to_utf8(std::u32string_view(&c, 1));
      if (!stands_alone(c)) {
        part += letter;
        continue;
      }
      if (!part.empty()) all.push_back(std::exchange(part, ""));
      all.push_back(letter);
    }
    if (!part.empty()) all.push_back(part);
  }
  return all;
}

}  // namespace usam::eval::html
