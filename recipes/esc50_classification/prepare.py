#!/usr/bin/env python3
"""ESC-50 as it is cloned or unpacked: ESC-50-master/meta/esc50.csv and ESC-50-master/audio/*.wav.

    recipes/esc50_classification/prepare.py /corpora/ESC-50-master

Writes fold1 to fold5, each with train.jsonl, valid.jsonl and test.jsonl, and labels.txt. The test set of fold k is the data
set's fold k; valid is a tenth of each class of the other folds, drawn by source recording, so that no recording is in two of
the three.
"""
import argparse
import collections
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, Mistake, order, read_table, run  # noqa: E402

DOWNLOAD = Download("ESC-50", "https://github.com/karolpiczak/ESC-50")
FOLDS = ["1", "2", "3", "4", "5"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="ESC50", help="the folder with meta/ and audio/")
    parser.add_argument("--seed", default=20, type=int, help="of the draw of the validation clips; default: %(default)s")
    parser.add_argument("--esc10", action="store_true", help="only the ten classes of ESC-10")


def validation(rows: list, fold: str, seed: int) -> set:
    """The recordings that are validated on while `fold` is tested: of each class whole ones up to a tenth of its clips, at least one."""
    clips = collections.defaultdict(collections.Counter)  # class: recording: clips
    for row in rows:
        if row["fold"] != fold:
            clips[row["category"]][row["src_file"]] += 1
    chosen = set()
    for category, recordings in clips.items():
        wanted = sum(recordings.values()) / 10
        for recording in order(recordings, seed):
            if wanted <= 0 or len(recordings) < 2:
                break
            chosen.add((category, recording))
            wanted -= recordings[recording]
    return chosen


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    root = DOWNLOAD.root(args.folder, "meta/esc50.csv", "ESC-50-master", "ESC-50")
    audio = DOWNLOAD.folder(root / "audio")
    rows = []
    for line, row in read_table(root / "meta" / "esc50.csv", ["filename", "fold", "category", "esc10", "src_file"], manifests.reject):
        if row["fold"] not in FOLDS:
            manifests.reject(f"esc50.csv:{line}", f"there is no fold '{row['fold']}'")
        elif not args.esc10 or row["esc10"] == "True":
            rows.append(row)
    absent = set(FOLDS) - {row["fold"] for row in rows}
    if absent:
        raise Mistake(f"{root / 'meta' / 'esc50.csv'} has no clip of fold {min(absent)}.")
    for fold in FOLDS:
        valid = validation(rows, fold, args.seed)
        for row in rows:
            split = "test" if row["fold"] == fold else "valid" if (row["category"], row["src_file"]) in valid else "train"
            clip = audio / row["filename"]
            manifests.add(f"fold{fold}/{split}.jsonl", f"esc50-{clip.stem}", clip, row["category"].replace("_", " "), "SEC", fold=int(row["fold"]))
    manifests.lines("labels.txt", sorted({row["category"].replace("_", " ") for row in rows}))


if __name__ == "__main__":
    run("esc50_classification", __doc__, options, prepare)
