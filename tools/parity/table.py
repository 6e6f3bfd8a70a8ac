#!/usr/bin/env python3
"""Prints docs/parity.md: what the parity tests compared with the reference implementations, and how closely it agreed.

    python tools/parity/table.py build/parity.jsonl ORACLES >docs/parity.md

The first file is what the tests append to where USAM_PARITY_LOG names it; ORACLES has the versions of the reference.
"""
import json
import sys
from pathlib import Path


def versions(oracles: Path) -> str:
    found = {}
    for golden in sorted(oracles.glob("**/golden.json")):
        found.update(json.loads(golden.read_text()).get("versions", {}))
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def main(log: Path, oracles: Path) -> None:
    worst: dict[tuple[str, str], list[float]] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        row = worst.setdefault((entry["model"], entry["tensor"]), [0, 0.0, 0.0])
        row[0] += 1
        row[1] = max(row[1], entry["absolute"])
        row[2] = max(row[2], entry["relative"])
    print("# Parity with the reference implementations\n")
    print("Written by `tools/parity/table.py` from a run of the tests (`make test` leaves it in `build/parity.md`). Each")
    print("row is the worst of its comparisons: the largest absolute difference, and the same relative to the largest")
    print("value of the reference. Weights are random, of small sizes; the reference computes in float32 unless the row")
    print(f"says otherwise. Reference: {versions(oracles)}.\n")
    print("| model | compared | comparisons | largest difference | relative |")
    print("| --- | --- | ---: | ---: | ---: |")
    for (model, tensor), (count, absolute, relative) in sorted(worst.items()):
        print(f"| {model} | {tensor} | {count} | {absolute:.1e} | {relative:.1e} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
