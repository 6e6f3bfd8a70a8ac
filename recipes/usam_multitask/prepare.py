#!/usr/bin/env python3
"""The mix of tasks that U-SAM is trained on, out of the manifests that the other recipes prepared.

    recipes/usam_multitask/prepare.py

mix.tsv beside this file says how many clips of which manifest; a line more or another --mix makes another mix. From a manifest with
more rows some are drawn by seed and key, the same on every machine; of one with fewer all are taken, and the table says what is
short. valid.jsonl takes as many rows of each manifest's valid.jsonl as --valid says. Writes train.jsonl and valid.jsonl.
"""
import argparse
import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Manifests, Mistake, order, read_table, run  # noqa: E402

HERE = Path(__file__).resolve().parent


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mix", default=HERE / "mix.tsv", type=Path, metavar="FILE",
                        help="table of manifest, task, clips; default: mix.tsv beside this file")
    parser.add_argument("--runs", default=HERE.parents[1] / "runs", type=Path, metavar="DIR",
                        help="folder below which the manifests lie; default: runs")
    parser.add_argument("--share", default=1.0, type=float, help="share of each count, for a small trial; default: %(default)g")
    parser.add_argument("--valid", default=1000, type=int, metavar="N", help="validation rows of each manifest; default: %(default)s")
    parser.add_argument("--seed", default=20, type=int, help="of the draws; default: %(default)s")
    parser.add_argument("--skip-missing", action="store_true", help="leave out manifests that are not there")


def read_manifest(path: Path, task: str) -> dict:
    """Key to row, all of one task."""
    rows = {}
    with open(path, encoding="utf-8", newline="\n") as file:  # a text may hold line ends of other kinds
        for number, line in enumerate(file, 1):
            row = json.loads(line)
            if row["task"] != task:
                raise Mistake(f"{path}:{number}: the row's task is {row['task']}, where the mix says {task}.")
            rows[row["key"]] = row
    return rows


def draw(rows: dict, count: int, seed: int) -> list:
    """`count` of the rows in their own order."""
    if count >= len(rows):
        return list(rows.values())
    chosen = set(order(rows, seed)[:count])
    return [row for key, row in rows.items() if key in chosen]


def wanted_clips(mix: Path, line: int, row: dict, share: float) -> int:
    if not row["clips"].isdigit() or row["clips"] == "0":
        raise Mistake(f"{mix}:{line}: 'clips' is '{row['clips']}'; it must be a whole number above 0.")
    return max(round(int(row["clips"]) * share), 1)


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    if not 0 < args.share <= 1:
        raise Mistake(f"--share is {args.share:g}; it must be above 0 and at most 1.")
    print(f"{'manifest':<52}{'task':>6}{'wanted':>10}{'there':>10}{'taken':>10}{'short':>10}")
    for line, entry in read_table(args.mix, ["manifest", "task", "clips"], manifests.reject, tabs=True):
        path, wanted = args.runs / entry["manifest"], wanted_clips(args.mix, line, entry, args.share)
        if not path.is_file():
            if args.skip_missing:
                manifests.reject(entry["manifest"], "the manifest is missing")
                continue
            raise Mistake(f"The manifest {path} is missing: run recipes/{Path(entry['manifest']).parts[0]}/prepare.py first, "
                          "or leave it out with --skip-missing.")
        rows = read_manifest(path, entry["task"])
        taken = draw(rows, wanted, args.seed)
        for row in taken:
            manifests.take("train.jsonl", row)
        print(f"{entry['manifest']:<52}{entry['task']:>6}{wanted:>10,}{len(rows):>10,}{len(taken):>10,}{wanted - len(taken):>10,}")
        valid = path.with_name(path.name.replace("train", "valid"))
        if valid.is_file():
            for row in draw(read_manifest(valid, entry["task"]), args.valid, args.seed):
                manifests.take("valid.jsonl", row)
    print()


if __name__ == "__main__":
    run("usam_multitask", __doc__, options, prepare)
