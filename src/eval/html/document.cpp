#include "src/eval/html/document.h"

#include "src/eval/html/style.h"

namespace usam::eval::html {

std::string render(const Document& document) {
  const Markup head = element("meta", {{"charset", "utf-8"}}) +
                      element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
                      element("title", text(document.title)) +
                      element("style", Markup::trusted(style_sheet() + document.style));
  const Markup body = document.body + heat_colours() + element("script", Markup::trusted(script() + document.script));
  return "<!doctype html>\n" +
         element("html", {{"lang", "en"}}, element("head", head) + element("body", body)).bytes() + "\n";
}

Markup heading(const std::string& level, const std::string& plain) {
  return element(level, text(plain));
}

Markup top(const std::string& title, const std::string& subtitle) {
  return element("header", {{"class", "top"}},
                 heading("h1", title) + element("p", {{"class", "subtitle"}}, text(subtitle)));
}

Markup foot(const std::vector<std::pair<std::string, std::string>>& lines) {
  Markup all;
  for (const auto& [name, value] : lines) all += element("div", element("dt", text(name)) + element("dd", text(value)));
  return element("footer", element("dl", all));
}

Markup cell(const std::string& plain, bool is_number) {
  return element("td", is_number ? Attributes{{"class", "number"}} : Attributes{}, text(plain));
}

Markup table_of(const std::vector<std::string>& names, const Markup& rows, size_t first_number) {
  Markup head;
  for (size_t i = 0; i < names.size(); ++i)
    head += element("th", i >= first_number ? Attributes{{"class", "number"}} : Attributes{}, text(names[i]));
  return element("div", {{"class", "wide"}},
                 element("table", element("thead", element("tr", head)) + element("tbody", rows)));
}

}  // namespace usam::eval::html
