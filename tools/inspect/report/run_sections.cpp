#include "tools/inspect/report/run_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "src/base/text.h"
#include "src/eval/html/document.h"
#include "src/eval/html/figures.h"
#include "tools/inspect/report/curves.h"

namespace usam::inspect {
namespace {

using eval::html::cell;
using eval::html::element;
using eval::html::heading;
using eval::html::Markup;
using eval::html::number_text;
using eval::html::table_of;
using eval::html::text;

constexpr size_t kMostSoundBytes = 4'000'000, kMostMaskBytes = 4'000'000;  // inside the page
constexpr size_t kMostAnswers = 12, kMostEpochs = 50;

Markup note(const std::string& plain) {
  return element("p", {{"class", "note"}}, text(plain));
}

// The samples as cards, as long as the page has room for their pictures and sounds.
class Cards {
 public:
  void add(const ShownSample& sample) {
    Markup head = element("code", text(sample.key)) + element("span", {{"class", "source"}}, text(sample.task));
    if (sample.step > 0) head += element("span", {{"class", "source"}}, text(fmt::format("step {}", sample.step)));
    Markup inside = line("label", sample.label) + line("answer", sample.answer) + heard(sample);
    if (sample.answers.size() > 1) inside += earlier(sample);
    cards_ += element("article", {{"class", "card"}}, element("header", head) + element("dl", inside));
  }
  Markup take() { return std::move(cards_); }
  bool is_full() const { return is_full_; }

 private:
  static Markup line(const std::string& name, const std::string& value) {
    return element("div", {{"class", "line"}}, element("dt", text(name)) + element("dd", text(value)));
  }
  bool fits(const std::string& bytes, size_t& used, size_t most) {
    if (bytes.empty()) return false;
    if (used + bytes.size() > most) is_full_ = true;
    if (used + bytes.size() > most) return false;
    used += bytes.size();
    return true;
  }
  Markup heard(const ShownSample& sample) {
    Markup inside;
    if (fits(sample.mask, masks_, kMostMaskBytes))
      inside += element("img", {{"alt", "spectrogram with the mask over it"},
                                {"src", eval::html::data_uri("image/png", sample.mask)}});
    if (fits(sample.sound, sounds_, kMostSoundBytes))
      inside += element(
          "audio",
          {{"controls", ""}, {"preload", "metadata"}, {"src", eval::html::data_uri("audio/wav", sample.sound)}});
    return inside.empty() ? inside : element("div", {{"class", "heard"}}, inside);
  }
  // The answers at some evaluations, the last one among them.
  static Markup earlier(const ShownSample& sample) {
    Markup rows;
    const size_t every = (sample.answers.size() + kMostAnswers - 1) / kMostAnswers;
    for (size_t i = (sample.answers.size() - 1) % every; i < sample.answers.size(); i += every)
      rows +=
          element("tr", element("th", text(std::to_string(sample.answers[i].first))) + cell(sample.answers[i].second));
    return element("details", element("summary", text("Answers over the run")) +
                                  element("div", {{"class", "keyed"}},
                                          table_of({"step", "answer"}, rows, eval::html::kNoNumbers)));
  }

  Markup cards_;
  size_t sounds_ = 0, masks_ = 0;
  bool is_full_ = false;
};

struct Spent {
  const char* name;
  double seconds;
};

}  // namespace

Markup router_of(const RunRecord& record) {
  std::map<std::string, std::map<std::string, double>> weights;
  std::vector<std::string> experts;
  for (const auto& [figure, points] : record.metrics.evaluations.all()) {
    const size_t slash = figure.rfind('/');
    if (!figure.starts_with("router/") || slash == 6) continue;
    const std::string expert = figure.substr(slash + 1);
    if (std::ranges::find(experts, expert) == experts.end()) experts.push_back(expert);
    weights[figure.substr(7, slash - 7)][expert] = points.back().value;
  }
  if (weights.empty()) return {};
  std::vector<std::string> heads = {"task"};
  for (const auto& expert : experts) heads.push_back("expert " + expert);
  Markup rows;
  for (const auto& [task, row] : weights) {
    Markup cells = element("th", {{"scope", "row"}}, text(task));
    for (const auto& expert : experts) {
      const auto found = row.find(expert);
      const double weight = found == row.end() ? 0 : found->second;
      cells += element(
          "td", {{"style", fmt::format("background:rgba(var(--heat),{:.2f})", 0.75 * std::clamp(weight, 0.0, 1.0))}},
          text(number_text(weight, 2)));
    }
    rows += element("tr", cells);
  }
  return element("div", {{"class", "weights"}}, table_of(heads, rows, eval::html::kNoNumbers)) +
         note("Mean weight of each expert over the last evaluation's samples of a task.");
}

Markup samples_of(const RunRecord& record) {
  if (record.pictures.samples.empty()) return {};
  Cards cards;
  bool has_mask = false;
  for (const ShownSample& sample : record.pictures.samples) {
    cards.add(sample);
    has_mask = has_mask || !sample.mask.empty();
  }
  Markup all;
  if (has_mask)
    all += note("Red: frames that the contrastive loss drops; in the strip below, light: tokens that it scores high.");
  all += element("div", {{"class", "cards"}}, cards.take());
  if (cards.is_full()) all += note("Not all pictures and sounds are shown: TensorBoard has them.");
  return all;
}

Markup health_of(const RunRecord& record) {
  Markup rows;
  for (const auto& [name, trouble] : record.metrics.health)
    rows += element("tr", element("th", {{"scope", "row"}}, text(name)) + cell(std::to_string(trouble.lines), true) +
                              cell(std::to_string(trouble.first), true) + cell(std::to_string(trouble.last), true));
  Markup all = rows.empty() ? element("p", text("Nothing was noticed."))
                            : table_of({"trouble", "logged steps", "first", "last"}, rows) +
                                  note("docs/troubleshooting.md says what each means and what to change.");
  const auto& epochs = record.metrics.epochs;
  Markup items;
  for (size_t i = 0; i < std::min(epochs.size(), kMostEpochs); ++i)
    items += element("li", text(fmt::format("step {}: {}", epochs[i].first, epochs[i].second)));
  if (epochs.size() > kMostEpochs)
    items += element("li", text(fmt::format("and {} more", epochs.size() - kMostEpochs)));
  if (!items.empty())
    all += element(
        "details",
        element("summary", text(fmt::format("{} epoch{} over", epochs.size(), epochs.size() == 1 ? " is" : "s are"))) +
            element("ul", items));
  return all;
}

Markup time_of(const RunRecord& record) {
  const TimeSpent& spent = record.metrics.spent;
  const double known = spent.known(), all = std::max(known, record.seconds());
  if (all <= 0) return {};
  const Spent parts[] = {{"waiting for samples", spent.data},
                         {"computing", spent.compute},
                         {"waiting for other ranks", spent.communication},
                         {"evaluations", spent.evaluations},
                         {"start, checkpoints and what was done again", all - known}};
  Markup bar, rows;
  size_t colour = 0;
  for (const Spent& part : parts) {
    const std::string style = fmt::format("c{}", colour++);
    if (part.seconds <= 0) continue;
    const double share = 100 * part.seconds / all;
    bar += element("i", {{"class", style}, {"style", fmt::format("width:{:.2f}%", share)}, {"title", part.name}});
    rows += element("tr",
                    element("th", {{"scope", "row"}}, element("i", {{"class", "swatch " + style}}) + text(part.name)) +
                        cell(human_seconds(part.seconds), true) + cell(number_text(share, 1) + "\u202F%", true));
  }
  return element("div", {{"class", "spent"}, {"aria-hidden", "true"}}, bar) + table_of({"", "time", "share"}, rows);
}

}  // namespace usam::inspect
