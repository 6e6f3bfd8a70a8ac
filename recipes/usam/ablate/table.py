#!/usr/bin/env python3
"""The table and the chart of an ablation: mean and range over the seeds of each row, and its distance to the row `full`.

    recipes/usam/ablate/table.py [runs/ablate]

Prints Markdown and writes it as OUT/table.md; OUT/ablations.svg is the chart: a dot is a mean, a bar the range, dashed the row `full`.
"""
from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
METRICS = [("ASR", "wer", "speech: WER", "lower"), ("SEC", "accuracy", "sounds: accuracy", "higher"), ("MC", "map", "music tags: mAP", "higher")]
WIDTH, LEFT, ROW, TOP, GAP = 260, 150, 20, 46, 24  # of a panel, of the names, of a row, above the rows, between panels; pixels


def read(runs: Path) -> dict[str, dict[str, list[float]]]:
    """Row: metric's title: values in percent, one a seed; a value that is not defined is left out."""
    rows: dict[str, dict[str, list[float]]] = {}
    files = sorted(runs.glob("*/*/evaluation/metrics.json"), key=lambda file: (file.parts[-4] != "full", file.parts[-4], file.parts[-3]))
    for file in files:
        tasks = json.loads(file.read_text(encoding="utf-8"))["tasks"]
        for task, metric, title, _ in METRICS:
            values = rows.setdefault(file.parts[-4], {}).setdefault(title, [])
            if tasks[task][metric] is not None:
                values.append(100 * tasks[task][metric])
    return rows


def cell(values: list[float], base: list[float] | None) -> str:
    if not values:
        return "-"
    mean = statistics.mean(values)
    text = f"{mean:.1f} ({min(values):.1f} to {max(values):.1f})"
    return text if not base else f"{text}, {mean - statistics.mean(base):+.1f}"


def table(rows: dict[str, dict[str, list[float]]]) -> str:
    lines = ["| row | seeds | " + " | ".join(f"{title}, %, {better} is better" for _, _, title, better in METRICS) + " |",
             "| --- | ---: |" + " --- |" * len(METRICS)]
    full = rows.get("full", {})
    for name, metrics in rows.items():
        cells = [cell(metrics[title], None if name == "full" else full.get(title)) for _, _, title, _ in METRICS]
        lines.append(f"| {name} | {max(len(values) for values in metrics.values())} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def panel(rows: dict[str, dict[str, list[float]]], title: str, better: str, left: float) -> list[str]:
    """One metric: a line of the chart for each row."""
    values = [value for metrics in rows.values() for value in metrics[title]]
    low, high = min(values, default=0.0), max(values, default=0.0)
    low, high = (low, high) if high > low else (low - 1, high + 1)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * WIDTH

    bottom = TOP + ROW * len(rows)
    parts = [f'<text x="{left}" y="16" font-weight="bold">{title}</text>',
             f'<text x="{left}" y="34" fill="#666">{low:.1f} %</text>',
             f'<text x="{left + WIDTH}" y="34" fill="#666" text-anchor="end">{high:.1f} %, {better} is better</text>',
             f'<rect x="{left - 6}" y="{TOP - 6}" width="{WIDTH + 12}" height="{bottom - TOP + 6}" fill="none" stroke="#ccc"/>']
    if rows.get("full", {}).get(title):
        at = x(statistics.mean(rows["full"][title]))
        parts.append(f'<line x1="{at:.1f}" y1="{TOP - 6}" x2="{at:.1f}" y2="{bottom}" stroke="#999" stroke-dasharray="4 3"/>')
    for index, metrics in enumerate(rows.values()):
        y = TOP + ROW * index + ROW / 2 - 4
        found = metrics[title]
        if not found:
            continue
        parts.append(f'<line x1="{x(min(found)):.1f}" y1="{y}" x2="{x(max(found)):.1f}" y2="{y}" stroke="#4477aa" stroke-width="4" stroke-opacity="0.4"/>')
        parts.append(f'<circle cx="{x(statistics.mean(found)):.1f}" cy="{y}" r="4" fill="#4477aa"/>')
    return parts


def chart(rows: dict[str, dict[str, list[float]]]) -> str:
    width, height = LEFT + len(METRICS) * (WIDTH + GAP), TOP + ROW * len(rows) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>']
    for index, name in enumerate(rows):
        parts.append(f'<text x="{LEFT - 14}" y="{TOP + ROW * index + ROW / 2}" text-anchor="end">{name}</text>')
    for index, (_, _, title, better) in enumerate(METRICS):
        parts += panel(rows, title, better, LEFT + index * (WIDTH + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else TREE / "runs" / "ablate"
    rows = read(runs)
    if not rows:
        print(f"{runs} holds no finished run (ROW/SEED/evaluation/metrics.json): recipes/usam/ablate/run makes them.", file=sys.stderr)
        sys.exit(2)
    text = table(rows)
    (runs / "table.md").write_text(text, encoding="utf-8")
    (runs / "ablations.svg").write_text(chart(rows), encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
