#include "src/eval/html/style.h"

namespace usam::eval::html {

std::string style_sheet() {
  return R"css(
:root{color-scheme:light dark;--ground:#fdfcfa;--card:#fff;--ink:#1c1b1a;--soft:#6d6a66;--rule:#e4e0d9;--faint:#f3f0ea;
--accent:#1d5c9c;--right:#2f7d4f;--sub:#fbe3b6;--sub-ink:#7a4a00;--del:#fad7d3;--del-ink:#a3261b;--ins:#d6e6fa;--ins-ink:#174f8f;
--heat:29,92,156;--shade:rgba(246,245,242,.74)}
@media(prefers-color-scheme:dark){:root{--ground:#161618;--card:#1d1d20;--ink:#e9e7e3;--soft:#98958f;--rule:#34333a;--faint:#26262b;
--accent:#7db4ee;--right:#6cc492;--sub:#4d3a12;--sub-ink:#f4cf86;--del:#522521;--del-ink:#ffb1a8;--ins:#1d3a5c;--ins-ink:#acd2ff;
--heat:125,180,238;--shade:rgba(150,150,160,.6)}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:3rem;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:74rem;padding:0 clamp(1rem,4vw,3rem) 3rem;background:var(--ground);color:var(--ink);
font:16px/1.5 "Source Sans 3","Segoe UI",system-ui,-apple-system,Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums}
h1,h2,h3,h4{line-height:1.2;font-weight:650;letter-spacing:-.01em;text-wrap:balance}
h1{font-size:2rem;margin:2.6rem 0 .2rem}
h2{font-size:1.4rem;margin:0;padding-top:1.2rem}
h3{font-size:1rem;margin:2rem 0 .5rem}
h4{font-size:.85rem;margin:0 0 .4rem;color:var(--soft)}
p{margin:.3rem 0}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
.subtitle,.note,.n{color:var(--soft)}
.note{font-size:.85rem}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;position:sticky;top:0;z-index:2;padding:.6rem 0;background:var(--ground);border-bottom:1px solid var(--rule)}
section section,section+section{margin-top:2.4rem}
section[id^=task]{border-top:1px solid var(--rule)}
.counts{display:flex;flex-wrap:wrap;gap:.1rem 1.4rem;color:var(--soft);font-size:.9rem}
.counts b{color:var(--ink);font-weight:600}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:1.2rem 0;font-size:.95rem}
th,td{padding:.32rem .9rem .32rem 0;text-align:left;vertical-align:top;white-space:nowrap;font-weight:400}
thead th{color:var(--soft);font-size:.8rem;border-bottom:1px solid var(--rule);vertical-align:bottom}
tbody th{font-weight:600}
.number{text-align:right;padding-left:.9rem}
.lead{font-weight:650}
.name{font-weight:500}
.metric{padding-left:.6rem}
.headline{width:100%}
.headline tbody tr:first-child>*{border-top:1px solid var(--rule);padding-top:.55rem}
.headline tbody tr:last-child>*{padding-bottom:.55rem}
.headline .failures{white-space:normal;min-width:7rem;color:var(--soft);padding-left:.6rem}
.plot{width:11rem;min-width:7rem;padding-top:.75rem}
.headline tbody tr:first-child>.plot{padding-top:.98rem}
.range,.bar{display:block;position:relative;height:8px;border-radius:4px;background:var(--faint)}
.range i,.bar i{position:absolute;top:0;height:8px;border-radius:4px;display:block}
.range .interval{background:rgba(var(--heat),.35)}
.range .value{width:5px!important;height:14px;top:-3px;margin-left:-2px;background:var(--accent);border-radius:5px}
.range .baseline{width:2px!important;height:14px;top:-3px;background:var(--soft);border-radius:0}
.bar .value{background:rgba(var(--heat),.75)}
small{color:var(--soft);font-size:.8em}
.confusion{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;align-items:end;margin:1rem 0}
.confusion ol{margin:0;padding:0;list-style:none;font-size:.92rem}
.confused .arrow{color:var(--soft)}
.matrix{display:block;font-size:12px;max-width:none}
.matrix text{fill:var(--ink)}
.matrix .ground{fill:var(--faint)}
.matrix .right rect{fill:var(--accent)}
.matrix .wrong rect{fill:var(--del-ink)}
.matrix .on-dark{fill:var(--ground)}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,27rem),1fr));align-items:start}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:.85rem 1.05rem 1rem;min-width:0}
.card header{display:flex;flex-wrap:wrap;gap:.1rem .8rem;align-items:baseline;font-size:.85rem;margin-bottom:.55rem}
code{font:.95em ui-monospace,"SF Mono",Menlo,Consolas,monospace;overflow-wrap:anywhere}
.source{color:var(--soft);overflow-wrap:anywhere}
.verdict{margin-left:auto;color:var(--del-ink);font-weight:600;white-space:nowrap}
.right,.verdict.right{color:var(--right)}
.wrong{color:var(--del-ink)}
.aligned{display:flex;flex-wrap:wrap;gap:.5rem .3rem;line-height:1.35;max-height:22rem;overflow-y:auto}
.aligned>span{display:inline-grid;border-radius:4px;padding:0 .22em}
.aligned u,.aligned b{text-decoration:none;font-weight:400;overflow-wrap:anywhere}
.aligned u{color:var(--soft)}
.sub{background:var(--sub)}.del{background:var(--del)}.ins{background:var(--ins)}
.sub u,.sub b{color:var(--sub-ink)!important}
.del u{color:var(--del-ink)!important;text-decoration:line-through!important}
.ins b{color:var(--ins-ink)}
.sub b,.ins b{font-weight:600}
.legend span{border-radius:4px;padding:0 .35em}
.legend .del b{color:var(--del-ink);font-weight:400;text-decoration:line-through}
.legend .ins b{color:var(--ins-ink)}
dl{margin:0}
.line{display:grid;grid-template-columns:5.2rem 1fr;gap:.6rem}
dt{color:var(--soft);font-size:.85rem;line-height:1.75}
dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
.raw{margin-top:.5rem;font-size:.9rem}
.raw summary{color:var(--soft);cursor:pointer;font-size:.82rem}
.ranked{display:flex;flex-wrap:wrap;gap:.15rem 1.9rem;margin:.5rem 0 0;padding-left:1.5rem;font-size:.92rem}
.ranked .right::marker,.ranked .other::marker{color:var(--soft);font-size:.85em}
.ranked .right{font-weight:600}
.heard{margin-top:.85rem}
.picture{position:relative;height:104px;border-radius:6px 6px 0 0;overflow:hidden;background:#000;cursor:crosshair}
.spectrogram{display:block;width:100%;height:100%;filter:url(#heat)}
.mask{position:absolute;inset:0;width:100%;height:100%;fill:var(--shade)}
.playhead{position:absolute;top:0;bottom:0;left:0;width:2px;background:#4ff0c8;display:none}
.significance{display:block;width:100%;height:26px;background:var(--faint);border-radius:0 0 6px 6px}
.significance .kept{fill:var(--accent)}
.significance .dropped{fill:var(--soft);fill-opacity:.45}
.scale{display:flex;justify-content:space-between;gap:1rem;color:var(--soft);font-size:.78rem;margin-top:.15rem}
.below{display:flex;flex-wrap:wrap;gap:.6rem 1.4rem;align-items:center;margin-top:.5rem}
audio{height:38px;flex:1 1 14rem;min-width:0;max-width:100%}
.router{flex:1 1 11rem;font-size:.8rem;color:var(--soft)}
.router>div{display:grid;grid-template-columns:4rem 1fr 2.6rem;gap:.5rem;align-items:center;line-height:1.4}
.router b{font-weight:500;color:var(--ink);text-align:right}
footer{margin-top:3.5rem;border-top:1px solid var(--rule);padding-top:1rem;color:var(--soft);font-size:.82rem}
footer dl>div{display:grid;grid-template-columns:9rem 1fr;gap:.8rem}
footer dt{font-size:inherit;line-height:inherit}
footer dd{color:var(--ink)}
@media(max-width:40rem){body{font-size:15px}h1{font-size:1.5rem;margin-top:1.4rem}th,td{padding-right:.6rem}.card{padding:.7rem .8rem}
footer dl>div{grid-template-columns:7rem 1fr}.plot{min-width:5rem}}
@media print{nav,audio{display:none}.card{break-inside:avoid}}
)css";
}

std::string script() {
  return R"js(
'use strict';
for (const heard of document.querySelectorAll('.heard')) {
  const audio = heard.querySelector('audio'), picture = heard.querySelector('.picture');
  if (!audio || !picture) continue;
  const head = picture.querySelector('.playhead'), seconds = Number(heard.dataset.seconds);
  const follow = () => {
    head.style.display = 'block';
    head.style.left = 100 * Math.min(audio.currentTime / seconds, 1) + '%';
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener('play', follow);
  audio.addEventListener('seeked', follow);
  picture.addEventListener('click', event => {
    const box = picture.getBoundingClientRect();
    audio.currentTime = (event.clientX - box.left) / box.width * seconds;
    audio.play().catch(() => {});  // a link may lead nowhere
  });
}
document.addEventListener('play', event => {
  for (const other of document.querySelectorAll('audio')) if (other !== event.target) other.pause();
}, true);
document.documentElement.dataset.script = 'ran';
)js";
}

Markup heat_colours() {
  return Markup::trusted(
      "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" style=\"position:absolute\"><filter id=\"heat\" "
      "color-interpolation-filters=\"sRGB\"><feComponentTransfer>"
      "<feFuncR type=\"table\" tableValues=\"0.00 0.09 0.27 0.48 0.69 0.89 0.98 0.99 0.99\"/>"
      "<feFuncG type=\"table\" tableValues=\"0.00 0.06 0.06 0.13 0.19 0.30 0.50 0.74 0.99\"/>"
      "<feFuncB type=\"table\" tableValues=\"0.02 0.24 0.45 0.51 0.48 0.38 0.36 0.54 0.75\"/>"
      "</feComponentTransfer></filter></svg>");
}

}  // namespace usam::eval::html
