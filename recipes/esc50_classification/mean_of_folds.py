#!/usr/bin/env python3
"""The accuracy of each fold and their mean, which is the figure of ESC-50, out of the evaluations of stage 2.

    recipes/esc50_classification/mean_of_folds.py [runs/esc50_classification]
"""
import json
import statistics
import sys
from pathlib import Path

RUNS = Path(__file__).resolve().parents[2] / "runs" / "esc50_classification"


def main() -> None:
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    files = [runs / f"fold{fold}" / "stage2" / "evaluation" / "metrics.json" for fold in range(1, 6)]
    absent = [file for file in files if not file.is_file()]
    if absent:
        print(f"{absent[0]} is missing: evaluate this fold first.", file=sys.stderr)
        sys.exit(2)
    values = [json.loads(file.read_text(encoding="utf-8"))["tasks"]["SEC"]["accuracy"] for file in files]
    print("| fold | accuracy |\n| --- | ---: |")
    for fold, value in enumerate(values, 1):
        print(f"| {fold} | {100 * value:.1f} % |")
    print(f"| mean | {100 * statistics.mean(values):.2f} % |\n| standard deviation | {100 * statistics.stdev(values):.2f} |")


if __name__ == "__main__":
    main()
