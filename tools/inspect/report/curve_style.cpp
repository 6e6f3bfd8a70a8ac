#include "tools/inspect/report/curves.h"

namespace usam::inspect {

std::string curve_style() {
  return R"css(
:root{--c0:#1d5c9c;--c1:#c2571a;--c2:#2f7d4f;--c3:#8a4fa3;--c4:#b3324f;--c5:#0e8080;--c6:#8a6d1d;--c7:#6b6f76}
@media(prefers-color-scheme:dark){:root{--c0:#7db4ee;--c1:#f0a066;--c2:#6cc492;--c3:#c79be0;--c4:#f08aa2;--c5:#5cd0d0;--c6:#d8bd6a;--c7:#b0b4bb}}
.charts{display:grid;gap:1.2rem 2rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,27rem),1fr));align-items:start;margin:1rem 0}
.curves{margin:0;min-width:0}
.curves figcaption{display:flex;flex-wrap:wrap;gap:0 .7rem;align-items:baseline;overflow-wrap:anywhere}
.curves figcaption span,.curves output{color:var(--soft);font-size:.82rem}
.curves output{margin-left:auto}
.curves svg{display:block;width:100%;font-size:12px;touch-action:pan-y}
.curves text{fill:var(--soft)}
.curves .grid{stroke:var(--rule)}
.curves .axis,.curves .tick{stroke:var(--soft)}
.curves .resumed{stroke:var(--soft);stroke-dasharray:3 3}
.curves .lost{stroke:var(--del-ink);stroke-width:2}
.curves .cursor{stroke:var(--ink);visibility:hidden}
.curves polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}
.curves polyline.single{stroke-width:1;stroke-opacity:.35}
.curves polygon{stroke:none;fill-opacity:.22}
.curves .dashed polyline{stroke-dasharray:5 3}
.keys{display:flex;flex-wrap:wrap;gap:.05rem 1rem;font-size:.82rem;color:var(--soft)}
.keys span{overflow-wrap:anywhere}
.keys b{color:var(--ink);font-weight:600}
.swatch{display:inline-block;width:.9em;height:.28em;border-radius:2px;margin-right:.4em;vertical-align:.22em;background:currentColor}
.c0{stroke:var(--c0);fill:var(--c0);color:var(--c0)}.c1{stroke:var(--c1);fill:var(--c1);color:var(--c1)}
.c2{stroke:var(--c2);fill:var(--c2);color:var(--c2)}.c3{stroke:var(--c3);fill:var(--c3);color:var(--c3)}
.c4{stroke:var(--c4);fill:var(--c4);color:var(--c4)}.c5{stroke:var(--c5);fill:var(--c5);color:var(--c5)}
.c6{stroke:var(--c6);fill:var(--c6);color:var(--c6)}.c7{stroke:var(--c7);fill:var(--c7);color:var(--c7)}
@media(max-width:40rem){.curves svg{font-size:16px}}
)css";
}

// Each polyline is read back through the scales that the drawing names.
std::string curve_script() {
  return R"js(
for (const figure of document.querySelectorAll('.curves')) {
  const svg = figure.querySelector('svg'), cursor = svg.querySelector('.cursor'), output = figure.querySelector('output');
  const pair = name => svg.dataset[name].split(' ').map(Number);
  const [left, right, top, bottom] = pair('plane'), [first, last] = pair('steps'), [low, high] = pair('values');
  const value = y => {
    const share = (bottom - y) / (bottom - top);
    return svg.dataset.scale === 'linear' ? low + share * (high - low) : low * (high / low) ** share;
  };
  const lines = [...svg.querySelectorAll('polyline[data-curve]')].map(line => {
    const shown = figure.querySelector(`[data-of="${line.dataset.curve}"] b`);
    const points = line.getAttribute('points').split(' ').map(point => point.split(',').map(Number));
    return {shown, points, at_last: shown.textContent};
  });
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    let nearest = null;
    for (const line of lines) {
      line.point = line.points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
      line.shown.textContent = Number(value(line.point[1]).toPrecision(3));
      if (nearest === null || Math.abs(line.point[0] - x) < Math.abs(nearest - x)) nearest = line.point[0];
    }
    cursor.setAttribute('x1', nearest);
    cursor.setAttribute('x2', nearest);
    cursor.style.visibility = 'visible';
    output.textContent = 'step ' + Math.round(first + (nearest - left) / (right - left) * (last - first));
  });
  svg.addEventListener('pointerleave', () => {
    for (const line of lines) line.shown.textContent = line.at_last;
    cursor.style.visibility = 'hidden';
    output.textContent = '';
  });
}
)js";
}

}  // namespace usam::inspect
