#!/usr/bin/env python3
"""AudioCaps (train.csv, val.csv, test.csv and a folder of clips) and Clotho (clotho_captions_*.csv and their three folders).

    recipes/audiocaps_clotho_aac/prepare.py --audiocaps /corpora/audiocaps/dataset --audiocaps-clips /corpora/audiocaps/wav --clotho /corpora/clotho

Either may be left out. Writes audiocaps_{train,valid,test}.jsonl and clotho_{train,valid,test}.jsonl. In training every caption is
a row; elsewhere a clip is a row with all its captions as references. AudioCaps has no audio of its own: a clip is looked for, in
any folder below the one given, as AUDIOCAP_ID, YOUTUBE_START, YYOUTUBE_START, YOUTUBE_MILLISECONDS_MILLISECONDS, YOUTUBE or YYOUTUBE.
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Clips, Download, Manifests, Mistake, read_table, run  # noqa: E402

AUDIOCAPS = Download("AudioCaps", "https://audiocaps.github.io")
CLOTHO = Download("Clotho", "https://zenodo.org/records/4783391")
AUDIOCAPS_SPLITS = {"train": "train", "val": "valid", "test": "test"}
CLOTHO_SPLITS = {"development": "train", "validation": "valid", "evaluation": "test"}
CAPTIONS = [f"caption_{i}" for i in range(1, 6)]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--audiocaps", metavar="DIR", help="folder with train.csv, val.csv and test.csv")
    parser.add_argument("--audiocaps-clips", metavar="DIR", help="folder of the clips; default: that of the tables")
    parser.add_argument("--clotho", metavar="DIR", help="folder with clotho_captions_*.csv and development/, validation/, evaluation/")


def find_clip(clips: Clips, row: dict) -> Path:
    """The clip of a row, or None."""
    video, start = row["youtube_id"], row["start_time"]
    milliseconds = f"{video}_{int(start) * 1000}_{(int(start) + 10) * 1000}" if start.isdigit() else ""
    return clips.find(row["audiocap_id"], f"{video}_{start}", f"Y{video}_{start}", milliseconds, f"Y{milliseconds}", video, f"Y{video}")


def prepare_audiocaps(args: argparse.Namespace, manifests: Manifests) -> None:
    tables = Path(args.audiocaps)
    for split in AUDIOCAPS_SPLITS:
        AUDIOCAPS.file(tables / f"{split}.csv")
    clips = Clips(AUDIOCAPS.folder(Path(args.audiocaps_clips or args.audiocaps)))
    columns = ["audiocap_id", "youtube_id", "start_time", "caption"]
    for split, name in AUDIOCAPS_SPLITS.items():
        manifest = f"audiocaps_{name}.jsonl"
        held = {}  # key: (clip, captions)
        for _, row in read_table(tables / f"{split}.csv", columns, manifests.reject):
            clip = find_clip(clips, row)
            key = f"audiocaps-{row['audiocap_id'] if name == 'train' else row['youtube_id'] + '_' + row['start_time']}"
            if clip is None:
                if key not in held:  # a clip is missed once, not once a caption
                    manifests.reject(key, "no clip has its name", manifest)
                held.setdefault(key, None)
            elif name == "train":
                manifests.add(manifest, key, clip, row["caption"], "AAC", lang="en")
            elif held.setdefault(key, (clip, [])):
                held[key][1].append(row["caption"])
        for key, found in held.items():
            if found:
                manifests.add(manifest, key, found[0], references=found[1], task="AAC", lang="en")


def prepare_clotho(args: argparse.Namespace, manifests: Manifests) -> None:
    root = Path(args.clotho)
    for split, name in CLOTHO_SPLITS.items():
        manifest, audio = f"clotho_{name}.jsonl", CLOTHO.folder(root / split)
        table = CLOTHO.file(root / f"clotho_captions_{split}.csv")
        for _, row in read_table(table, ["file_name", *CAPTIONS], manifests.reject):
            clip = audio / row["file_name"]
            key = f"clotho-{name}-{clip.stem}"
            if name == "train":
                for column in CAPTIONS:
                    manifests.add(manifest, f"{key}-{column[-1]}", clip, row[column], "AAC", lang="en")
            else:
                manifests.add(manifest, key, clip, references=[row[column] for column in CAPTIONS], task="AAC", lang="en")


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    if not args.audiocaps and not args.clotho:
        raise Mistake("Give --audiocaps DIR, --clotho DIR or both.")
    if args.audiocaps:
        prepare_audiocaps(args, manifests)
    if args.clotho:
        prepare_clotho(args, manifests)


if __name__ == "__main__":
    run("audiocaps_clotho_aac", __doc__, options, prepare)
