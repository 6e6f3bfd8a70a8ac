#include "src/eval/html/matrix.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "src/base/error.h"
#include "src/eval/html/figures.h"
#include "src/text/unicode.h"

namespace usam::eval::html {
namespace {

struct Matrix {
  std::vector<std::string> rows, columns;
  std::vector<std::vector<int64_t>> counts;
  size_t labels = 0;  // of the rows and columns; what follows is none of them
  bool is_right(size_t row, size_t column) const { return row == column && row < labels; }
};

struct Confused {
  int64_t count = 0;
  size_t row = 0, column = 0;
};

constexpr size_t kMostListed = 8;
constexpr size_t kLongestLabel = 22;  // characters; the whole label stands in the cell's tooltip

Matrix read_matrix(const Json& confusion) {
  Matrix m;
  if (!confusion.is_object() || !confusion.contains("labels") || !confusion.contains("counts")) return {};
  m.rows = confusion["labels"].get<std::vector<std::string>>();
  m.counts = confusion["counts"].get<std::vector<std::vector<int64_t>>>();
  m.columns = m.rows;
  m.labels = m.rows.size();
  if (m.counts.size() > m.rows.size()) m.rows.push_back("none of these");
  if (!m.counts.empty() && m.counts.front().size() > m.columns.size()) m.columns.push_back("none of these");
  const auto fits = [&](const auto& row) { return row.size() == m.columns.size(); };
  if (m.counts.size() != m.rows.size() || !std::ranges::all_of(m.counts, fits)) return {};
  return m;
}

std::string number(double value) {
  return fmt::format("{:.4g}", value);
}

// Labels beside the rows and, slanted, above the columns; then the cells that are not 0.
class Drawing {
 public:
  explicit Drawing(const Matrix& m) : m_(m), cell_(m.columns.size() > 24 ? 14 : 26) {
    size_t longest = 0;
    for (const auto* labels : {&m.rows, &m.columns})
      for (const auto& label : *labels)
        longest = std::max(longest, text::code_points(text::shortened(label, kLongestLabel)).size());
    left_ = 12 + 6.6 * static_cast<double>(longest);
    top_ = 14 + 4.8 * static_cast<double>(longest);
  }

  Markup svg() const {
    Markup inside;
    for (size_t r = 0; r < m_.rows.size(); ++r) inside += row(r);
    for (size_t c = 0; c < m_.columns.size(); ++c) inside += column_label(c);
    const double right = 20 + 0.7 * top_;  // the last slanted label reaches beyond its column
    const double width = left_ + cell_ * static_cast<double>(m_.columns.size()) + right;
    const double height = top_ + cell_ * static_cast<double>(m_.rows.size()) + 4;
    return element("svg",
                   {{"class", "matrix"},
                    {"role", "img"},
                    {"aria-label", "confusion matrix, rows: truth, columns: answers"},
                    {"viewBox", "0 0 " + number(width) + " " + number(height)},
                    {"width", number(width)},
                    {"height", number(height)}},
                   inside);
  }

 private:
  double x(size_t c) const { return left_ + cell_ * static_cast<double>(c); }
  double y(size_t r) const { return top_ + cell_ * static_cast<double>(r); }

  Markup row(size_t r) const {
    const int64_t total = std::accumulate(m_.counts[r].begin(), m_.counts[r].end(), int64_t{0});
    Markup inside =
        element("text", {{"x", number(left_ - 6)}, {"y", number(y(r) + cell_ / 2 + 4)}, {"text-anchor", "end"}},
                text(text::shortened(m_.rows[r], kLongestLabel)));
    inside += element("rect", {{"class", "ground"},
                               {"x", number(left_)},
                               {"y", number(y(r) + 0.5)},
                               {"width", number(cell_ * static_cast<double>(m_.columns.size()))},
                               {"height", number(cell_ - 1)}});
    for (size_t c = 0; c < m_.columns.size(); ++c) {
      if (m_.counts[r][c] > 0) inside += filled(r, c, total);
    }
    return element("g", inside);
  }

  Markup filled(size_t r, size_t c, int64_t total) const {
    const double share = static_cast<double>(m_.counts[r][c]) / static_cast<double>(total);
    const std::string kind = m_.is_right(r, c) ? "right" : "wrong";
    const std::string tip =
        m_.rows[r] + " → " + m_.columns[c] + ": " + count_text(m_.counts[r][c]) + " of " + count_text(total);
    Markup cell = element("title", text(tip));
    cell += element("rect", {{"x", number(x(c) + 0.5)},
                             {"y", number(y(r) + 0.5)},
                             {"width", number(cell_ - 1)},
                             {"height", number(cell_ - 1)},
                             {"fill-opacity", number(0.12 + 0.88 * share)}});
    const std::string count = count_text(m_.counts[r][c]);
    if (cell_ > 20 && count.size() <= 4)
      cell += element("text",
                      {{"class", share > 0.5 ? "on-dark" : "on-light"},
                       {"x", number(x(c) + cell_ / 2)},
                       {"y", number(y(r) + cell_ / 2 + 4)},
                       {"text-anchor", "middle"}},
                      text(count));
    return element("g", {{"class", kind}}, cell);
  }

  Markup column_label(size_t c) const {
    const std::string at = number(x(c) + cell_ / 2 + 4) + " " + number(top_ - 6);
    return element("text", {{"transform", "translate(" + at + ") rotate(-45)"}},
                   text(text::shortened(m_.columns[c], kLongestLabel)));
  }

  const Matrix& m_;
  double cell_, left_, top_;
};

Markup commonest(const Matrix& m) {
  std::vector<Confused> confused;
  for (size_t r = 0; r < m.rows.size(); ++r) {
    for (size_t c = 0; c < m.columns.size(); ++c) {
      if (!m.is_right(r, c) && m.counts[r][c] > 0) confused.push_back({m.counts[r][c], r, c});
    }
  }
  if (confused.empty()) return element("p", {{"class", "note"}}, text("Nothing was confused."));
  std::ranges::sort(confused, {}, [](const Confused& c) { return std::tuple(-c.count, c.row, c.column); });
  Markup items;
  for (size_t i = 0; i < std::min(confused.size(), kMostListed); ++i) {
    const auto& one = confused[i];
    items += element("li", element("b", text(count_text(one.count) + "\u202F×")) + text(" " + m.rows[one.row]) +
                               element("span", {{"class", "arrow"}}, text(" heard as ")) + text(m.columns[one.column]));
  }
  return element("div", {{"class", "confused"}}, element("h4", text("Commonest confusions")) + element("ol", items));
}

}  // namespace

Markup confusion_matrix(const Json& confusion) {
  const Matrix m = read_matrix(confusion);
  if (m.rows.empty()) return {};
  const auto note = element("p", {{"class", "note"}}, text("Rows: truth. Columns: answers. Shade: share of the row."));
  return element("div", {{"class", "confusion"}},
                 element("div", {{"class", "wide"}}, Drawing(m).svg() + note) + commonest(m));
}

}  // namespace usam::eval::html
