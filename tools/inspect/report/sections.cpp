#include "src/base/machine.h"
#include "src/base/program.h"
#include "src/eval/html/document.h"
#include "tools/inspect/report/page.h"

namespace usam::inspect {
namespace {

using eval::html::element;
using eval::html::heading;
using eval::html::Markup;
using eval::html::text;

constexpr const char* kPageStyle = R"css(
.part{border-top:1px solid var(--rule);margin-top:2.4rem}
.facts{display:grid;gap:.7rem 1.6rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,13rem),1fr));margin:1.4rem 0}
.facts dt{line-height:1.4}
.facts dd{font-weight:600}
.notes{margin:1rem 0;padding:.6rem 1rem .6rem 2rem;border-left:3px solid var(--del-ink);background:var(--faint)}
.keyed td,.keyed th{white-space:normal;overflow-wrap:anywhere;min-width:7rem}
.keyed th{font-family:ui-monospace,"SF Mono",Menlo,Consolas,monospace;font-size:.88em;font-weight:500}
.keyed tbody th{min-width:min(40vw,19rem)}
.keyed thead th{font-family:inherit}
.weights td{text-align:center;min-width:4rem;border:2px solid var(--ground)}
.figures td{white-space:normal;min-width:6.5rem}
.best{font-weight:700;color:var(--right)}
.heard img{display:block;width:100%;height:118px;border-radius:6px;background:#000}
.heard audio{display:block;width:100%;margin-top:.5rem}
.spent{display:flex;height:1.4rem;border-radius:6px;overflow:hidden;margin:1rem 0;background:var(--faint)}
.spent i{background:currentColor;min-width:1px}
details{border-top:1px solid var(--rule);padding:.35rem 0}
summary{cursor:pointer}
pre{overflow-x:auto;font-size:.85rem;line-height:1.4}
)css";

}  // namespace

PageSection section_of(const ChartGroup& group) {
  Markup charts;
  for (const Chart& chart : group.charts) charts += draw(chart);
  return {group.title, group.id, element("div", {{"class", "charts"}}, charts)};
}

std::string render_sections(const std::string& title, const std::string& subtitle, const Markup& head,
                            const std::vector<PageSection>& sections) {
  Markup links, all;
  for (const PageSection& section : sections) {
    if (section.inside.empty()) continue;
    links += element("a", {{"href", "#" + section.id}}, text(section.title));
    all += element("section", {{"id", section.id}, {"class", "part"}}, heading("h2", section.title) + section.inside);
  }
  const Markup body = eval::html::top(title, subtitle) + element("nav", links) + element("main", head + all) +
                      eval::html::foot({{"made by", version()}, {"at", utc_time()}});
  return render(eval::html::Document{title, body, curve_style() + kPageStyle, curve_script()});
}

}  // namespace usam::inspect
