#!/usr/bin/env python3
"""GTZAN as it is unpacked: genres_original/GENRE/GENRE.00000.wav (or the older genres/GENRE/GENRE.00000.au).

    recipes/gtzan_genre/prepare.py /corpora/gtzan/Data --lists /corpora/music_dataset_split/GTZAN_split

Writes train.jsonl, valid.jsonl, test.jsonl and labels.txt. --lists names the folder with train_filtered.txt, valid_filtered.txt
and test_filtered.txt (https://github.com/jongpillee/music_dataset_split), which leave out faults and repeat no artist from list to list.
Without them each genre is drawn 80 : 10 : 10, which repeats artists and makes figures look better than they are.
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, held_out, run  # noqa: E402

DOWNLOAD = Download("GTZAN", "https://www.kaggle.com/datasets/andradaolteanu/gtzan-dataset-music-genre-classification")
LISTS = Download("The fault-filtered split of GTZAN", "https://github.com/jongpillee/music_dataset_split")
GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="GTZAN", help="the folder with genres_original/ or genres/, or one above it")
    parser.add_argument("--lists", metavar="DIR", help="folder with {train,valid,test}_filtered.txt")
    parser.add_argument("--seed", default=20, type=int, help="of the draw without --lists; default: %(default)s")


def listed(folder: Path, clips: dict, manifests: Manifests) -> dict:
    """Clip's name to split, as the lists have it."""
    splits = {}
    for split in ("train", "valid", "test"):
        file = LISTS.file(folder / f"{split}_filtered.txt")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            name = Path(line.strip()).stem
            if name in clips:
                splits[name] = split
            else:
                manifests.reject(f"{file.name}:{number}", "no clip has its name", f"{split}.jsonl")
    return splits


def drawn(clips: dict, seed: int) -> dict:
    """Clip's name to split, genre by genre."""
    splits = {}
    for genre in GENRES:
        names = [name for name in clips if name.startswith(genre + ".")]
        test = held_out(names, 0.1, seed)
        valid = held_out([name for name in names if name not in test], 1 / 9, seed + 1)
        splits.update((name, "test" if name in test else "valid" if name in valid else "train") for name in names)
    return splits


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    folder = next((name for name in ("genres_original", "genres") for place in (Path(args.folder), Path(args.folder) / "Data")
                   if (place / name).is_dir()), "genres_original")
    root = DOWNLOAD.root(args.folder, folder, "Data") / folder
    clips = {clip.stem: clip for genre in GENRES for clip in sorted(DOWNLOAD.folder(root / genre).glob(f"{genre}.*.*"))
             if clip.suffix in (".wav", ".au")}
    if not args.lists:
        print("Without --lists the same artists are in training and test: expect better figures than published ones.", file=sys.stderr)
    splits = listed(Path(args.lists), clips, manifests) if args.lists else drawn(clips, args.seed)
    for name, clip in clips.items():
        if name in splits:
            manifests.add(f"{splits[name]}.jsonl", f"gtzan-{name}", clip, clip.parent.name, "GENRE")
    manifests.lines("labels.txt", GENRES)


if __name__ == "__main__":
    run("gtzan_genre", __doc__, options, prepare)
