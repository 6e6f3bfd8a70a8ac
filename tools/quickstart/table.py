"""Prints the quickstart's results: for each task its metric, the majority baseline, after each stage.

    python tools/quickstart/table.py runs/quickstart [--seconds N] [--require]

--require: exit 1 unless the figures are as good as the README promises (WER <= 30 %, accuracy >= 85 %, mAP >= 0.75, stage 2
not worse than pretrain by more than 3 points). --slack S loosens each of these by S, for a test on any machine: rounding alone
moves a run of tiny models by a few points.
"""
from __future__ import annotations

import argparse
import json
import os
import sys

ROWS = [("ASR", "wer", "speech, held-out voices: WER", "low", 0.30), ("SEC", "accuracy", "sounds, held-out clips: accuracy", "high", 0.85),
        ("MC", "map", "music tags, held-out clips: mAP", "high", 0.75)]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("run")
    ap.add_argument("--seconds", type=float, help="time that training and evaluation took")
    ap.add_argument("--require", action="store_true")
    ap.add_argument("--slack", type=float, default=0.0)
    args = ap.parse_args()
    stages = {name: json.load(open(os.path.join(args.run, name, "evaluation", "metrics.json")))["tasks"] for name in ("pretrain", "stage2")}
    lines = ["| task | clips | majority baseline | after pretrain | after stage 2 |", "| --- | ---: | ---: | ---: | ---: |"]
    problems = []
    for task, metric, title, better, bound in ROWS:
        first, second = (stages[s][task][metric] for s in ("pretrain", "stage2"))
        sign = 1 if better == "low" else -1
        if sign * (second - bound) > args.slack:
            problems.append(f"{task} {metric} after stage 2 is {second:.3f}, promised {bound}")
        if sign * (second - first) > 0.03 + args.slack:
            problems.append(f"{task} {metric} got worse in stage 2: {first:.3f} -> {second:.3f}")
        baseline = stages["stage2"][task]["majority"][metric]
        lines.append(f"| {title} | {stages['stage2'][task]['n']} | {100 * baseline:.1f} % | {100 * first:.1f} % | {100 * second:.1f} % |")
    table = "\n".join(lines)
    if args.seconds:
        table += f"\n\nTraining and evaluation took {args.seconds / 60:.1f} minutes."
    print(table)
    with open(os.path.join(args.run, "table.md"), "w", encoding="utf8") as f:
        f.write(table + "\n")
    print(f"\nFigures: {', '.join(sorted(n for n in os.listdir(args.run) if n.endswith('.png')))} in {args.run}")
    if args.require and problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
