#include "src/eval/html/heard.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/eval/html/figures.h"

namespace usam::eval::html {
namespace {

std::vector<double> numbers(const Json& explained, const char* name) {
  std::vector<double> all;
  if (!explained.is_object() || !explained.contains(name)) return all;
  for (const auto& value : explained[name]) {
    all.push_back(value.is_number() ? value.get<double>() : value.is_boolean() && value.get<bool>() ? 1.0 : 0.0);
  }
  return all;
}

std::string place(double share) {
  return fmt::format("{:.5g}", share);
}

// The picture's width in tokens: a model may have heard less of the clip than is shown, or more.
double width_in_tokens(const Heard& heard, size_t tokens) {
  const double seconds = heard.explained.value("seconds", heard.seconds);
  return static_cast<double>(tokens) * (seconds > 0 && heard.seconds > 0 ? heard.seconds / seconds : 1);
}

Attributes whole(const char* style, double width) {
  return {{"class", style},
          {"viewBox", "0 0 " + place(width) + " 1"},
          {"preserveAspectRatio", "none"},
          {"aria-hidden", "true"}};
}

// A shade over each stretch of tokens that were dropped.
Markup mask(const std::vector<double>& kept, double width) {
  Markup shades;
  for (size_t i = 0; i < kept.size();) {
    size_t end = i;
    while (end < kept.size() && kept[end] == 0) ++end;
    if (end > i)
      shades +=
          element("rect", {{"x", std::to_string(i)}, {"y", "0"}, {"width", std::to_string(end - i)}, {"height", "1"}});
    i = std::max(end, i + 1);
  }
  return element("svg", whole("mask", width), shades);
}

// A column for each token, as high as its score beside the highest.
Markup significance(const std::vector<double>& scores, const std::vector<double>& kept, double width) {
  const double highest = *std::ranges::max_element(scores), lowest = std::min(0.0, *std::ranges::min_element(scores));
  Markup columns;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double height = highest > lowest ? (scores[i] - lowest) / (highest - lowest) : 0;
    const bool is_dropped = i < kept.size() && kept[i] == 0;
    columns += element("rect",
                       {{"class", is_dropped ? "dropped" : "kept"},
                        {"x", place(static_cast<double>(i) + 0.06)},
                        {"y", place(1 - height)},
                        {"width", "0.88"},
                        {"height", place(height)}},
                       element("title", text(number_text(scores[i], 3))));
  }
  return element("svg", whole("significance", width), columns);
}

Markup router(const std::vector<double>& gates) {
  Markup rows;
  for (size_t e = 0; e < gates.size(); ++e) {
    const std::string width = fmt::format("width:{:.1f}%", 100 * std::clamp(gates[e], 0.0, 1.0));
    rows +=
        element("div", element("span", text(fmt::format("expert {}", e + 1))) +
                           element("span", {{"class", "bar"}}, element("i", {{"class", "value"}, {"style", width}})) +
                           element("b", text(number_text(100 * gates[e], 0) + "\u202F%")));
  }
  return element("div", {{"class", "router"}, {"aria-label", "router weights"}}, rows);
}

std::string kept_text(const std::vector<double>& kept) {
  const auto dropped = std::ranges::count(kept, 0.0);
  return fmt::format("{} of {} audio tokens masked as redundant", dropped, kept.size());
}

Markup picture(const Heard& heard, const std::vector<double>& kept, const std::vector<double>& scores) {
  Markup layers = element(
      "img",
      {{"class", "spectrogram"}, {"alt", "log-mel spectrogram"}, {"src", data_uri("image/png", heard.spectrogram)}});
  if (!kept.empty()) layers += mask(kept, width_in_tokens(heard, kept.size()));
  layers += element("i", {{"class", "playhead"}});
  Markup all = element("div", {{"class", "picture"}}, layers);
  if (!scores.empty()) all += significance(scores, kept, width_in_tokens(heard, scores.size()));
  const auto scale = element("span", text("0")) + element("span", text(kept.empty() ? "" : kept_text(kept))) +
                     element("span", text(number_text(heard.seconds, 2) + "\u202Fs"));
  return all + element("div", {{"class", "scale"}}, scale);
}

}  // namespace

Markup heard_figure(const Heard& heard) {
  const auto kept = numbers(heard.explained, "kept"), scores = numbers(heard.explained, "scores"),
             gates = numbers(heard.explained, "gates");
  Markup inside;
  if (!heard.spectrogram.empty()) inside += picture(heard, kept, scores);
  Markup below;
  const bool is_inside = heard.audio.starts_with("data:");
  if (!heard.audio.empty())
    below += element("audio", {{"controls", ""}, {"preload", is_inside ? "metadata" : "none"}, {"src", heard.audio}});
  if (!gates.empty()) below += router(gates);
  if (!below.empty()) inside += element("div", {{"class", "below"}}, below);
  if (!heard.note.empty()) inside += element("p", {{"class", "note"}}, text(heard.note));
  if (inside.empty()) return inside;
  return element("div", {{"class", "heard"}, {"data-seconds", place(heard.seconds)}}, inside);
}

}  // namespace usam::eval::html
