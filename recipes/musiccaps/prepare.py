#!/usr/bin/env python3
"""MusicCaps: musiccaps-public.csv and a folder of the clips of ten seconds, which the data set does not have itself.

    recipes/musiccaps/prepare.py --table /corpora/musiccaps/musiccaps-public.csv --clips /corpora/musiccaps/wav

Writes train.jsonl, valid.jsonl (a twentieth of the training clips, drawn by their names) and test.jsonl (is_audioset_eval). A clip is
looked for, in any folder below the one given, as YTID, YTID_START, YTID_START_END or [YTID]-[START-END].
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Clips, Download, Manifests, held_out, read_table, run  # noqa: E402

DOWNLOAD = Download("MusicCaps", "https://www.kaggle.com/datasets/googleai/musiccaps")
COLUMNS = ["ytid", "start_s", "end_s", "caption", "is_audioset_eval"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", required=True, metavar="FILE", help="musiccaps-public.csv")
    parser.add_argument("--clips", required=True, metavar="DIR", help="folder of the clips")
    parser.add_argument("--seed", default=20, type=int, help="of the draw of the validation clips; default: %(default)s")


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    table = DOWNLOAD.file(Path(args.table))
    clips = Clips(DOWNLOAD.folder(Path(args.clips)))
    rows = [row for _, row in read_table(table, COLUMNS, manifests.reject)]
    valid = held_out([row["ytid"] for row in rows if row["is_audioset_eval"] != "True"], 0.05, args.seed)
    for row in rows:
        video, start, end = row["ytid"], row["start_s"], row["end_s"]
        split = "test" if row["is_audioset_eval"] == "True" else "valid" if video in valid else "train"
        clip = clips.find(video, f"{video}_{start}", f"{video}_{start}_{end}", f"[{video}]-[{start}-{end}]")
        if clip is None:
            manifests.reject(f"musiccaps-{video}", "no clip has its name", f"{split}.jsonl")
        else:
            manifests.add(f"{split}.jsonl", f"musiccaps-{video}", clip, row["caption"], "MC", lang="en")


if __name__ == "__main__":
    run("musiccaps", __doc__, options, prepare)
