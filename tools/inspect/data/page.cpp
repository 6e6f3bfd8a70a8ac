#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "recipes/report/clip.h"
#include "src/base/error.h"
#include "src/base/program.h"
#include "src/base/text.h"
#include "src/eval/html/document.h"
#include "src/eval/html/figures.h"
#include "src/eval/html/heard.h"
#include "src/eval/html/markup.h"
#include "tools/inspect/data/plots.h"
#include "tools/inspect/data/report.h"

namespace usam::inspect {
namespace {

using eval::html::cell;
using eval::html::count_text;
using eval::html::element;
using eval::html::heading;
using eval::html::Markup;
using eval::html::number_text;
using eval::html::table_of;
using eval::html::text;

constexpr int64_t kListed = 200;                // rows of a kind
constexpr int64_t kHeardOfAKind = 6;            // players
constexpr size_t kMostAudioBytes = 20'000'000;  // inside the page; clips beyond are linked to

std::string title_of(const Scan& scan) {
  return (scan.input.set.empty() ? "" : scan.input.set + ": ") + scan.input.path;
}

Markup summary(const DataReport& report) {
  Markup rows;
  for (const Scan& scan : report.scans)
    rows += element("tr", element("th", text(title_of(scan))) + cell(count_text(scan.rows()), true) +
                              cell(human_seconds(scan.seconds()), true) +
                              cell(count_text(scan.input.refused_count + scan.rows_found(true)), true) +
                              cell(count_text(scan.rows_found(false)), true));
  return table_of({"manifest", "rows", "audio", "not to be used", "may be wrong"}, rows);
}

Markup amounts_table(const std::string& name, const Amounts& amounts) {
  if (amounts.empty()) return {};
  Markup rows;
  for (const auto& [value, amount] : amounts)
    rows += element("tr", element("th", text(value)) + cell(count_text(amount.rows), true) +
                              cell(human_seconds(amount.seconds), true));
  return table_of({name, "rows", "audio"}, rows);
}

Markup labels_table(const Scan& scan) {
  Markup rows;
  for (const auto& [group, sums] : scan.labels) {
    const auto [commonest, count] = sums.commonest();
    const auto paces = quantiles(sums.paces());
    rows += element("tr", element("th", text(group.first + (group.second.empty() ? "" : ", " + group.second))) +
                              cell(count_text(sums.rows()), true) + cell(count_text(sums.different()), true) +
                              cell(paces.empty() ? "–" : number_text(paces[1], 1), true) +
                              cell(fmt::format("{} ({})", commonest, count_text(count)), true));
  }
  return rows.empty() ? rows
                      : table_of({"labels", "rows", "different", "characters a second, median", "commonest"}, rows);
}

Markup findings_list(const Scan& scan, Kind kind) {
  const int64_t count = scan.counts[static_cast<size_t>(kind)];
  if (count == 0) return {};
  Markup rows;
  int64_t shown = 0;
  for (const Finding& finding : scan.findings) {
    if (finding.kind != kind || shown == kListed) continue;
    ++shown;
    rows += element(
        "tr", cell(place_of(scan, finding)) + element("td", {{"style", "white-space:normal"}}, text(finding.sentence)));
  }
  Markup more;
  if (count > shown) more = element("p", {{"class", "note"}}, text(fmt::format("and {} more", count - shown)));
  const std::string title = fmt::format("{}: {}", text_of(kind).title, count_text(count));
  const Markup remedy = element("p", {{"class", "note"}}, text(fmt::format("--fix: {}", text_of(kind).remedy)));
  return element("details", element("summary", text(title)) + remedy + table_of({"row", "what"}, rows) + more);
}

Markup refused_list(const Scan& scan) {
  if (scan.input.refused_count == 0) return {};
  Markup rows;
  for (int64_t i = 0; i < std::min(kListed, std::ssize(scan.input.refused)); ++i)
    rows += element("li", text(scan.input.refused[static_cast<size_t>(i)]));
  return element("details", element("summary", text(fmt::format("refused: {}", count_text(scan.input.refused_count)))) +
                                element("ul", rows));
}

// Players of the first rows of each kind that can be heard at all.
class Players {
 public:
  explicit Players(std::string folder) : folder_(std::move(folder)) {}

  Markup of(const Scan& scan) {
    Markup cards;
    std::array<int64_t, kKinds> shown{};
    for (const Finding& finding : scan.findings) {
      if (text_of(finding.kind).is_rejected && finding.kind != Kind::kDuplicate) continue;
      int64_t& count = shown[static_cast<size_t>(finding.kind)];
      if (count == kHeardOfAKind) continue;
      const Markup card = card_of(scan, finding);
      if (card.empty()) continue;
      ++count;
      cards += card;
    }
    return cards.empty() ? cards : heading("h3", "Heard") + element("div", {{"class", "cards"}}, cards);
  }

 private:
  Markup card_of(const Scan& scan, const Finding& finding) {
    try {
      const data::Row row = scan.input.source->row(finding.row);
      const auto clip = recipes::read_shown(row);
      eval::html::Heard heard;
      heard.seconds = clip.seconds;
      heard.spectrogram = recipes::spectrogram_png(clip.samples);
      heard.audio = recipes::audio_uri(clip);
      bytes_ += heard.audio.size();
      if (bytes_ > kMostAudioBytes) heard.audio = recipes::audio_link(row, folder_);
      if (clip.is_cut) heard.note = "the beginning";
      const std::string label = row.references.empty() ? "" : row.references.front();
      return element(
          "article", {{"class", "card"}},
          element("header", element("code", text(row.key)) +
                                element("span", {{"class", "source"}}, text(scan.input.source->place(finding.row))) +
                                element("span", {{"class", "verdict"}}, text(text_of(finding.kind).title))) +
              element("p", text(finding.sentence)) + element("p", {{"class", "note"}}, text(row.task + ": " + label)) +
              heard_figure(heard));
    } catch (const UserError&) {
      return {};  // it has changed meanwhile, or is in a form that is not shown
    }
  }

  std::string folder_;
  size_t bytes_ = 0;
};

Markup scan_section(const Scan& scan, size_t number, Players& players) {
  Markup inside = heading("h2", title_of(scan));
  inside += element("p", {{"class", "n"}},
                    text(fmt::format("{} rows, {}", count_text(scan.rows()), human_seconds(scan.seconds()))));
  Markup plots = histogram("Length of the clips, s", scan.lengths, true);
  for (const auto& [group, sums] : scan.labels)
    plots += histogram(fmt::format("Characters of a label a second: {}{}", group.first,
                                   group.second.empty() ? "" : ", " + group.second),
                       sums.paces(), true);
  inside += element("div", {{"class", "confusion"}}, plots);
  inside += element("div", {{"class", "confusion"}},
                    amounts_table("task", scan.tasks) + amounts_table("language", scan.languages) +
                        amounts_table("sampling rate", scan.rates) + amounts_table("channels", scan.channels) +
                        amounts_table("format", scan.formats));
  inside += labels_table(scan);
  Markup findings = refused_list(scan);
  for (int kind = 0; kind < kKinds; ++kind) findings += findings_list(scan, Kind{kind});
  inside += heading("h3", "Problems") + (findings.empty() ? element("p", text("none")) : findings);
  inside += players.of(scan);
  return element("section", {{"id", "task-" + std::to_string(number)}}, inside);
}

Markup batches_section(const BatchEstimate& e) {
  Markup inside = heading("h2", "Batches of data.train");
  if (!e.note.empty()) inside += element("p", {{"class", "note"}}, text("Not estimated in full: " + e.note));
  if (e.micro_batches > 0) {
    Markup rows;
    const auto row = [&](const std::string& name, const std::string& value) {
      rows += element("tr", element("th", text(name)) + cell(value));
    };
    row("micro-batches an epoch", count_text(e.micro_batches));
    row("rows in each, on average",
        number_text(static_cast<double>(e.visits) / static_cast<double>(e.micro_batches), 1));
    row("steps an epoch on one rank", count_text(e.steps));
    row("padding, share of the audio", number_text(100 * e.padded_seconds, 1) + " %");
    if (e.has_tokens) {
      row("padding, share of the tokens", number_text(100 * e.padded_tokens, 1) + " %");
      row("audio tokens of a row, on average", number_text(e.audio_tokens, 1));
      row("text tokens of a row, on average", number_text(e.text_tokens, 1));
      row("tokens of a row, at most", count_text(e.most_tokens));
    }
    row("largest micro-batch", e.longest);
    row("long clips", e.long_audio);
    std::vector<float> percent;
    for (const float share : e.padding) percent.push_back(100 * share);
    inside +=
        element("div", {{"class", "confusion"}},
                element("table", element("tbody", rows)) + histogram("Padding of a micro-batch, %", percent, false));
  }
  return element("section", {{"id", "task-batches"}}, inside);
}

}  // namespace

std::string render_page(const DataReport& report, const std::string& folder) {
  Markup all = element("section", {{"id", "all"}}, summary(report));
  for (const auto& sentence : report.styles) all += element("p", {{"class", "wrong"}}, text(sentence));
  if (report.batches) all += batches_section(*report.batches);
  Players players(folder);
  for (size_t i = 0; i < report.scans.size(); ++i) all += scan_section(report.scans[i], i, players);
  const Markup body =
      eval::html::top("Data", report.title) + element("main", all) + eval::html::foot({{"usam", version()}});
  return render(eval::html::Document{"Data of " + report.title, body, plot_style(), ""});
}

}  // namespace usam::inspect
