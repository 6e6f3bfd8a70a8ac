"""The report as Markdown: goals, and each part's figures.

    tools/bench/run table                            all that build/bench/report_*.json holds
    tools/bench/run table --write docs/performance.md README.md    into the files, between `<!-- bench:PART -->` and
                                                     `<!-- /bench -->`

Writing twice changes nothing. A part without a report keeps what stands there.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys

import common
from common import with_range

HEADS = {"peer_same": "peer, identical work", "usam_same": "usam, identical work", "peer_best": "peer at its best", "usam_best": "usam at its best",
         "usam_cached": "usam, second epoch"}


def markdown(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * left + ["---:"] * (len(head) - left)) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def stamp(report: dict) -> str:
    m = report["machine"]
    versions = ", ".join(f"{name} {m[name]}" for name in ("torch", "transformers", "peft", "benchmark") if name in m)
    return f"{m['cores']} cores of {m['cpu']} ({', '.join(m.get('flags', []))}); {versions + '; ' if versions else ''}commit {report['commit']}, {report['time'][:10]}."


def ratio(over: list[float], under: list[float]) -> list[float]:
    """Of two (median, least, most): the medians' ratio, and the least and most that it can have been."""
    return [over[0] / under[0], over[1] / under[2], over[2] / under[1]]


# ---------------------------------------------------------------------------------------------------------- training


def speed(size: dict, ours: str, theirs: str) -> list[float] | None:
    figures = size["figures"]
    return ratio(figures[theirs]["step_s"], figures[ours]["step_s"]) if {ours, theirs} <= set(figures) else None


def memory(size: dict, ours: str, theirs: str) -> float | None:
    figures = size["figures"]
    return figures[ours]["rss"] / figures[theirs]["rss"] if {ours, theirs} <= set(figures) else None


def utilisation(size: dict, kind: str = "usam_same") -> dict[str, float] | None:
    """Share of the roof: work over time over the rate of the step's own products, and over that of large square ones."""
    if "roof" not in size or kind not in size["figures"]:
        return None
    rate = size["work"]["per_step"] / size["figures"][kind]["step_s"][0]
    return {name: rate / size["roof"][name][0] for name in ("shapes", "square")}


def train_table(size: dict) -> str:
    figures = size["figures"]
    rows = [["seconds a step"] + [with_range(f["step_s"]) for f in figures.values()],
            ["audio seconds a second"] + [f"{f['audio_s_per_s'][0]:.1f}" for f in figures.values()],
            ["tokens of the language model a second"] + [f"{f['tokens_per_s'][0]:.0f}" if "tokens_per_s" in f else "-" for f in figures.values()],
            ["processor seconds a step"] + [f"{f['cpu_s'][0]:.3f}" for f in figures.values()],
            ["peak memory, loaders included, GiB"] + [f"{f['rss']:.2f}" for f in figures.values()],
            ["start of the first forward pass, s"] + [f"{f['first_forward_s'][0]:.2f}" for f in figures.values()],
            ["waiting for data"] + [f"{100 * f['waiting'][0]:.1f} %" for f in figures.values()],
            ["cores that others used"] + [f"{f['foreign_cores'][0]:.2f}" + (f", {f['disturbed']} runs above the limit" if f["disturbed"] else "")
                                          for f in figures.values()]]
    if share := utilisation(size):
        rows.insert(1, ["share of the GEMM roof"] + [f"{utilisation(size, kind)['shapes']:.2f}" if kind.endswith("_same") else "-" for kind in figures])
    text = markdown(["", *(HEADS[kind] for kind in figures)], rows)
    notes = []
    if share:
        roof = size["roof"]
        notes.append(f"{size['work']['per_step'] / 1e9:.1f} GFLOP a step of identical work as counted in usam; the roof is {roof['shapes'][0] / 1e9:.0f} GFLOP/s on the "
                     f"step's own products (of squares of 2048: {roof['square'][0] / 1e9:.0f}, of which usam has {share['square']:.2f})")
    if "losses" in size:
        pairs = ", ".join(f"{a:.6f} / {b:.6f}" for a, b in zip(size["losses"]["usam"], size["losses"]["peer"]))
        notes.append(f"losses of the first steps, usam / peer: {pairs}; all steps agree within {size['losses']['apart']:.1e}")
    flags = " ".join(size["settings"]["peer_best"]) or "none beside its defaults"
    notes.append(f"the peer's best flags: {flags}; usam's best settings: `{size['settings']['usam_best']}`")
    return text + "\n\n" + ". ".join(note[0].upper() + note[1:] for note in notes) + "."


def train_part(report: dict) -> str:
    parts = []
    for name, size in report["sizes"].items():
        s = size["settings"]
        parts.append(f"**{name}**: clips of {s['seconds'][0]:g} to {s['seconds'][1]:g} s, batches of {report['settings']['batch']}, {s['steps'] - s['skip']} timed steps, "
                     f"{report['settings']['repeat']} runs of each in turn, Whisper padded to {'30 s' if s['pad'] == '30s' else 'the clip'} in identical work.\n\n" + train_table(size))
    return "\n\n".join(parts) + f"\n\n{report['settings']['threads']} threads; seed {report['settings']['seed']}; {stamp(report)}"


# ------------------------------------------------------------------------------------------------------- other parts


def micro_part(report: dict) -> str:
    rows = []
    for b in report["benchmarks"]:
        rate = b.get("items_per_second") or b.get("bytes_per_second")
        unit = "MB/s" if "bytes_per_second" in b else "items/s"
        shown = "-" if rate is None else f"{rate / 1e6:.1f} {unit}" if unit == "MB/s" else f"{rate:.3g} {unit}"
        rows.append([f"`{b['name']}`", f"{b['cpu_time']:.1f}", shown])
    return markdown(["part / size", "processor microseconds", "rate"], rows) + f"\n\nOne thread. {stamp(report)}"


def growth_part(report: dict) -> str:
    from growth import AXES, growth_text

    rows = []
    for axis, of in report["axes"].items():
        cells = [f"{growth_text(of, name).removeprefix('exponent ')} ({100 * of[name]['law_apart']:.0f} %)" for name in ("work", "seconds", "memory")]
        rows.append([axis.replace("_", " "), f"{of['x'][0]} to {of['x'][-1]}", AXES[axis][3], *cells])
    return (markdown(["against", "from, to", "expected beside a constant", "work, counted", "processor time", "memory of a step"], rows, left=3) +
            "\n\nThe exponent p of the best a + b x^p (of a time that rises by less than half: by how much), and in brackets how far the points lie at most from the expected law, relative to the "
            f"largest. {stamp(report)}")


def data_part(report: dict) -> str:
    from data import table

    return table(report)


def decode_part(reports: dict[str, dict]) -> str:
    from decode import table

    return "\n\n".join(f"**{size}**\n\n{table(report)}" for size, report in reports.items())


def decode_goals(reports: dict[str, dict]) -> list[tuple[str, list[float], float]]:
    """Title, ratio to the faster generate, the least that is wanted."""
    goals = []
    for size, report in reports.items():
        limit = 5 if size == "tiny" else 2
        for rows, figures in report["figures"].items():
            goals += [(f"{size}: decoding, batch {rows}, {way}: >= {limit} x generate", f["ratio"], limit) for way, f in figures.items() if way.startswith("usam")]
    return goals


def gpu_part(report: dict) -> str:
    f = report["figures"]
    rows = [["seconds a step", with_range(f["step_s"])], ["audio seconds a second", f"{f['audio_s_per_s']:.1f}"],
            ["peak device memory, GiB", f"{f['device_gib']:.1f}"], ["peak host memory, GiB", f"{f['rss']:.1f}"], ["start of the first step, s", f"{f['first_step_s']:.1f}"],
            ["TFLOP a step, counted", f"{report['work'] / 1e12:.2f}"], ["TFLOP/s of the step's products in bf16", f"{report['roof']['shapes'] / 1e12:.0f}"],
            ["share of that roof", f"{report['work'] / f['step_s'][0] / report['roof']['shapes']:.2f}"]]
    kernels = [[f"`{kernel['name']}`", str(kernel["calls"]), f"{kernel['ms']:.1f}", f"{100 * kernel['share']:.0f} %"] for kernel in report["kernels"]]
    return (markdown([report["machine"]["device"], ""], rows) + "\n\n" + markdown(["kernel", "calls a step", "ms", "share"], kernels) + f"\n\n{stamp(report)}")


# ------------------------------------------------------------------------------------------------------------- goals


def verdict(value: float, goal: float, at_least: bool) -> str:
    return "met" if (value >= goal if at_least else value <= goal) else "not met"


def goal_rows(reports: dict[str, dict]) -> list[list[str]]:
    """goal, measured, whether it is met, how; only what was measured."""
    rows: list[list[str]] = []

    def add(goal: str, value: list[float] | float | None, limit: float, at_least: bool, how: str) -> None:
        if value is not None:
            shown = with_range(value, 2) + " x" if isinstance(value, list) else f"{value:.2f}"
            rows.append([goal, shown, verdict(value[0] if isinstance(value, list) else value, limit, at_least), how])

    sizes = reports.get("train", {}).get("sizes", {})
    if "tiny" in sizes:
        add("tiny: training, identical work: >= 3 x peer", speed(sizes["tiny"], "usam_same", "peer_same"), 3, True, "`run train --sizes tiny`")
    for name in [name for name in ("bench", "lite") if name in sizes][:1]:
        size, how = sizes[name], f"`run train --sizes {name}`"
        share = utilisation(size)
        add(f"{name}: identical work: >= 1.05 x", speed(size, "usam_same", "peer_same"), 1.05, True, how)
        add(f"{name}: share of the measured GEMM roof: >= 0.9", share and share["shapes"], 0.9, True, "work counted by the code / time / rate of its products")
        add(f"{name}: first epoch at best settings: >= 2 x", speed(size, "usam_best", "peer_best"), 2, True, how)
        add(f"{name}: second epoch, from the cache: >= 4 x", speed(size, "usam_cached", "peer_best"), 4, True, how)
        add(f"{name}: peak memory, identical work: <= 0.75 x", memory(size, "usam_same", "peer_same"), 0.75, False, "loaders included on both sides")
        add(f"{name}: peak memory, best settings: <= 0.6 x", memory(size, "usam_best", "peer_best"), 0.6, False, "likewise")
        starts = {kind: size["figures"][kind]["first_forward_s"] for kind in ("peer_same", "usam_same") if kind in size["figures"]}
        add(f"{name}: exec to the first forward pass: <= 0.3 x", ratio(starts["usam_same"], starts["peer_same"])[0] if len(starts) == 2 else None, 0.3, False, "warm page cache")
    if "decode" in reports:
        for goal, value, limit in decode_goals(reports["decode"]):
            add(goal, value, limit, True, "`run decode`")
    if "data" in reports:
        ratios = [of["ratios"] for by in reports["data"]["figures"].values() for of in by.values()]
        add("data: hours of audio by core second: >= 3 x", min(ratios), 3, True, "`run data`, the clips of the least ratio")
    return rows


def goals_part(reports: dict[str, dict]) -> str:
    text = markdown(["goal", "measured: median (range)", "", "how"], goal_rows(reports), left=4)
    if "train" not in reports:
        return text
    disturbed = sum(figures["disturbed"] for size in reports["train"]["sizes"].values() for figures in size["figures"].values())
    busy = f" The machine was busy: beside {disturbed} runs others used more than {reports['train']['settings']['foreign']} core." if disturbed else ""
    return f"{text}\n\n{stamp(reports['train'])}{busy}"


PARTS = {"train": train_part, "decode": decode_part, "data": data_part, "micro": micro_part, "growth": growth_part, "gpu": gpu_part}


def read_reports(folder: pathlib.Path) -> dict[str, dict]:
    """By part; of decoding a report for each size (decode.py's own files)."""
    read = {part: folder / f"report_{part}.json" for part in PARTS}
    reports = {part: json.loads(file.read_text(encoding="utf8")) for part, file in read.items() if file.exists()}
    files = {size: folder / f"decode_{size}/report.json" for size in ("tiny", "lite", "bench")}
    decoded = {size: json.loads(file.read_text(encoding="utf8")) for size, file in files.items() if file.exists()}
    return reports | ({"decode": decoded} if decoded else {})


def render(reports: dict[str, dict]) -> dict[str, str]:
    """Markdown of each part that has a report, and of the goals."""
    parts = {part: PARTS[part](report) for part, report in reports.items()}
    return {"goals": goals_part(reports)} | parts if parts else {}


def fill(text: str, parts: dict[str, str]) -> str:
    """The text with what stands between the marks of each part replaced."""

    def block(match: re.Match) -> str:
        return f"{match[1]}\n{parts[match[2]]}\n{match[3]}" if match[2] in parts else match[0]

    return re.sub(r"(<!-- bench:(\w+) -->)\n.*?(<!-- /bench -->)", block, text, flags=re.S)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--write", nargs="+", default=[], metavar="FILE", help="put the tables into these files")
    ap.add_argument("--reports", default=str(common.OUT))
    args = ap.parse_args()
    reports = read_reports(pathlib.Path(args.reports))
    if not reports:
        sys.exit(f"bench: there is no report in {args.reports}; run tools/bench/run first")
    parts = render(reports)
    for path in map(pathlib.Path, args.write):
        path.write_text(fill(path.read_text(encoding="utf8"), parts), encoding="utf8")
    if args.write:
        return
    for part, text in parts.items():
        print(f"## {part}\n\n{text}\n")


if __name__ == "__main__":
    main()
