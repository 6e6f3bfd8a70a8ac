#!/usr/bin/env python3
"""The NISQA Corpus as it is unpacked: NISQA_Corpus/NISQA_corpus_file.csv and NISQA_TRAIN_SIM/deg/*.wav and so on.

    recipes/nisqa/prepare.py /corpora/NISQA_Corpus

Writes train.jsonl (NISQA_TRAIN_*), valid.jsonl (NISQA_VAL_*) and a test_*.jsonl for each NISQA_TEST_*. The label is the rating: with
one decimal where it is learned, as the table has it where it is tested. --scores adds the four dimensions as tasks of their own.
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, Mistake, read_table, run  # noqa: E402

DOWNLOAD = Download("The NISQA Corpus", "https://github.com/gabrielmittag/NISQA/wiki/NISQA-Corpus")
TASKS = {"mos": "QUA", "noi": "QUA_NOI", "dis": "QUA_DIS", "col": "QUA_COL", "loud": "QUA_LOUD"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="NISQA_CORPUS", help="the folder NISQA_Corpus, or the one it lies in")
    parser.add_argument("--scores", default="mos", metavar="A,B,...", help=f"of {', '.join(TASKS)}; default: %(default)s")


def manifest_of(part: str) -> str:
    """NISQA_TRAIN_SIM: train.jsonl; NISQA_TEST_P501: test_p501.jsonl; else ""."""
    kind = part[len("NISQA_"):].lower() if part.startswith("NISQA_") else ""
    if kind.startswith("test_"):
        return kind + ".jsonl"
    return {"train": "train.jsonl", "val": "valid.jsonl"}.get(kind.split("_")[0], "")


def add_rating(manifests: Manifests, manifest: str, clip: Path, part: str, row: dict, score: str) -> None:
    key = "-".join(["nisqa", part, clip.stem] + ([] if score == "mos" else [score]))
    try:
        rating = float(row[score])
    except ValueError:
        rating = 0.0
    if not 1 <= rating <= 5:
        manifests.reject(key, f"its {score} is no number from 1 to 5", manifest, clip)
        return
    label = row[score].strip() if manifest.startswith("test") else f"{rating:.1f}"
    manifests.add(manifest, key, clip, label, TASKS[score], lang=row.get("lang") or None)


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    scores = args.scores.split(",")
    unknown = [score for score in scores if score not in TASKS]
    if unknown:
        raise Mistake(f"--scores names '{unknown[0]}'; the scores are {', '.join(TASKS)}.")
    root = DOWNLOAD.root(args.folder, "NISQA_corpus_file.csv", "NISQA_Corpus")
    for line, row in read_table(root / "NISQA_corpus_file.csv", ["db", "filepath_deg", *scores], manifests.reject):
        manifest = manifest_of(row["db"])
        if not manifest:
            manifests.reject(f"NISQA_corpus_file.csv:{line}", f"there is no part '{row['db']}'")
            continue
        for score in scores:
            add_rating(manifests, manifest, root / row["filepath_deg"].replace("\\", "/"), row["db"], row, score)


if __name__ == "__main__":
    run("nisqa", __doc__, options, prepare)
