#include "src/eval/html/cards.h"

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/eval/html/alignment.h"
#include "src/eval/html/figures.h"
#include "src/text/unicode.h"

namespace usam::eval::html {
namespace {

constexpr size_t kMostColumns = 400;  // of an alignment; the raw texts are shown whole
constexpr size_t kMostTags = 8;

const char* class_of(Edit edit) {
  switch (edit) {
    case Edit::kHit:
      return "hit";
    case Edit::kSubstitution:
      return "sub";
    case Edit::kDeletion:
      return "del";
    case Edit::kInsertion:
      return "ins";
  }
  internal_error("unknown edit");
}

Markup unit(const char* name, const std::string& plain) {
  return element(name, {{"dir", "auto"}}, text(plain.empty() ? "\u00A0" : plain));
}

Markup labelled(const std::string& name, const Markup& value) {
  return element("div", {{"class", "line"}}, element("dt", text(name)) + element("dd", {{"dir", "auto"}}, value));
}

Markup quoted(const std::string& plain) {
  return plain.empty() ? element("em", text("nothing")) : text(plain);
}

Markup raw_lines(const Hypothesis& h) {
  Markup lines;
  for (const auto& reference : h.references) lines += labelled("reference", quoted(reference));
  lines += labelled("answer", quoted(*h.answer));
  return element("details", {{"class", "raw"}}, element("summary", text("as written")) + element("dl", lines));
}

Markup text_body(const Hypothesis& h, const Example& example) {
  return alignment(example.reference, example.answer) + raw_lines(h);
}

Markup label_body(const Hypothesis& h, const Example& example) {
  const bool is_right = example.error == 0;
  const Markup lines =
      labelled("truth", quoted(h.references.empty() ? "" : example.reference)) +
      labelled("answer", element("span", {{"class", is_right ? "right" : "wrong"}}, quoted(example.answer)));
  return element("dl", lines);
}

// Tags by their scores: the true ones all, of the others those that stand before.
Markup tags_body(const Hypothesis& h) {
  std::vector<std::pair<std::string, double>> ranked(h.scores.begin(), h.scores.end());
  std::ranges::sort(ranked, {}, [](const auto& one) { return std::pair(-one.second, one.first); });
  const auto is_true = [&](const std::string& tag) { return std::ranges::find(h.tags, tag) != h.tags.end(); };
  Markup items;
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto& [tag, score] = ranked[i];
    if (i >= kMostTags && !is_true(tag)) continue;
    items += element("li", {{"class", is_true(tag) ? "right" : "other"}, {"value", std::to_string(i + 1)}},
                     text(tag + " ") + element("small", text(number_text(score, 3))));
  }
  Markup lines = labelled("truth", text(h.tags.empty() ? "no tag" : join_words(h.tags)));
  if (h.answer) lines += labelled("answer", quoted(*h.answer));
  return element("dl", lines) + element("ol", {{"class", "ranked"}}, items);
}

std::string verdict(const Example& example, Kind kind) {
  switch (kind) {
    case Kind::kLabel:
      return example.error == 0 ? "right" : "wrong";
    case Kind::kNumber:
      return std::isinf(example.error) ? "no number" : "off by " + number_text(example.error, 3);
    case Kind::kTags:
      return "ranking error " + number_text(100 * example.error, 0) + "\u202F%";
    case Kind::kText: {
      const auto edits = text::edits_between(units(example.reference), units(example.answer));
      return count_text(edits.errors()) + " of " + count_text(edits.reference_length()) + " wrong, " +
             number_text(100 * example.error, 0) + "\u202F%";
    }
  }
  internal_error("unknown kind");
}

Markup body(const Hypothesis& h, const Example& example, Kind kind) {
  if (kind == Kind::kTags) return tags_body(h);
  return kind == Kind::kText ? text_body(h, example) : label_body(h, example);
}

}  // namespace

Markup alignment(const std::string& reference, const std::string& answer) {
  const auto columns = aligned(units(reference), units(answer));
  Markup inside;
  for (size_t i = 0; i < std::min(columns.size(), kMostColumns); ++i) {
    const auto& column = columns[i];
    inside +=
        element("span", {{"class", class_of(column.edit)}}, unit("u", column.reference) + unit("b", column.hypothesis));
  }
  if (columns.size() > kMostColumns)
    inside += element("em", text(fmt::format("and {} more", columns.size() - kMostColumns)));
  return element("div", {{"class", "aligned"}, {"dir", "auto"}}, inside);
}

Markup card(const Hypothesis& h, const Example& example, Kind kind, const Heard& heard) {
  Markup head = element("code", text(h.key));
  if (!h.source.empty()) head += element("span", {{"class", "source"}}, text(h.source));
  head += element("span", {{"class", example.error == 0 ? "verdict right" : "verdict"}}, text(verdict(example, kind)));
  return element("article", {{"class", "card"}},
                 element("header", head) + body(h, example, kind) + heard_figure(heard));
}

}  // namespace usam::eval::html
