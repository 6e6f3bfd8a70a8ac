#!/usr/bin/env python3
"""MTG-Jamendo: a clone of its repository for the tables, and the folder of audio that its download.py unpacks (00/ to 99/).

    recipes/mtg_jamendo_tagging/prepare.py --repository /corpora/mtg-jamendo-dataset --audio /corpora/mtg-jamendo/audio

Writes train.jsonl, valid.jsonl, test.jsonl and tags.txt from data/splits/split-K/autotagging_TAGS-{train,validation,test}.tsv. Each
row is SECONDS of the track's middle (--seconds 0: the whole track). Audio may be the full mp3 or the low-quality *.low.mp3.
"""
import argparse
import collections
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, Mistake, run  # noqa: E402

DOWNLOAD = Download("MTG-Jamendo", "https://github.com/MTG/mtg-jamendo-dataset")
SPLITS = {"train": "train.jsonl", "validation": "valid.jsonl", "test": "test.jsonl"}
COLUMNS = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repository", required=True, metavar="DIR", help="clone of the data set's repository")
    parser.add_argument("--audio", required=True, metavar="DIR", help="folder with 00/ to 99/")
    parser.add_argument("--tags", default="top50tags", choices=["top50tags", "genre", "instrument", "moodtheme", "all"], help="default: %(default)s")
    parser.add_argument("--split", default=0, type=int, choices=range(5), help="default: %(default)s")
    parser.add_argument("--seconds", default=30.0, type=float, help="length taken of each track; 0: all of it; default: %(default)s")


def read_tracks(file: Path, manifests: Manifests) -> list:
    """(fields up to the duration, tags) of a table, whose lines have as many fields as tags."""
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].split("\t") != COLUMNS:
        raise Mistake(f"{file}: the first line should be {' '.join(COLUMNS)}.")
    tracks = []
    for number, line in enumerate(lines[1:], 2):
        fields = line.split("\t")
        if len(fields) < 6 or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", fields[4]):
            manifests.reject(f"{file.name}:{number}", "the line is broken (five fields and tags were expected)")
        else:
            tracks.append((dict(zip(COLUMNS, fields[:5]), seconds=float(fields[4])), fields[5:]))
    return tracks


def tag_names(tags: set) -> dict:
    """genre---rock to "rock", or to "rock (genre)" where another category has a rock as well."""
    plain = collections.Counter(tag.split("---")[-1] for tag in tags)
    return {tag: tag.split("---")[-1] if plain[tag.split("---")[-1]] == 1 else "{1} ({0})".format(*tag.split("---")) for tag in tags}


def find_clip(audio: Path, path: str) -> Path:
    low = audio / (path[:-4] + ".low.mp3")
    return low if low.is_file() else audio / path


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    if args.seconds < 0:
        raise Mistake(f"--seconds is {args.seconds:g}; it must be 0 or more.")
    tables = DOWNLOAD.folder(Path(args.repository) / "data" / "splits" / f"split-{args.split}")
    audio = DOWNLOAD.folder(Path(args.audio))
    name = "autotagging" if args.tags == "all" else f"autotagging_{args.tags}"
    tracks = {split: read_tracks(DOWNLOAD.file(tables / f"{name}-{split}.tsv"), manifests) for split in SPLITS}
    names = tag_names({tag for rows in tracks.values() for _, tags in rows for tag in tags})
    for split, manifest in SPLITS.items():
        for row, tags in tracks[split]:
            words = sorted(names[tag] for tag in tags)
            part = {}
            if 0 < args.seconds < row["seconds"]:
                part = {"offset": round((row["seconds"] - args.seconds) / 2, 4), "dur": args.seconds}
            manifests.add(manifest, f"mtg-jamendo-{row['TRACK_ID']}", find_clip(audio, row["PATH"]), ", ".join(words), "TAG", tags=words, **part)
    manifests.lines("tags.txt", sorted(names.values()))


if __name__ == "__main__":
    run("mtg_jamendo_tagging", __doc__, options, prepare)
