#!/usr/bin/env python3
"""The Free Spoken Digit Dataset as it is cloned: recordings/{DIGIT}_{SPEAKER}_{INDEX}.wav.

    recipes/fsdd/prepare.py /corpora/free-spoken-digit-dataset

Writes train.jsonl, valid.jsonl and test.jsonl. The official split tests indices 0 to 4 of each digit and speaker; 5 to 9 are
validated on here. --test-speaker NAME tests all recordings of a speaker who is in neither of the others instead.
"""
import argparse
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, Mistake, run  # noqa: E402

DOWNLOAD = Download("The Free Spoken Digit Dataset", "https://github.com/Jakobovski/free-spoken-digit-dataset")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FSDD", help="the clone, with recordings/")
    parser.add_argument("--test-speaker", metavar="NAME", help="test on this speaker; default: the official split")


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    recordings = DOWNLOAD.root(args.folder, "recordings", "free-spoken-digit-dataset", "free-spoken-digit-dataset-master") / "recordings"
    speakers = set()
    for clip in sorted(recordings.glob("*.wav")):
        name = re.fullmatch(r"([0-9])_([a-z]+)_([0-9]+)", clip.stem)
        if not name:
            manifests.reject(clip.name, "the name is not DIGIT_SPEAKER_INDEX.wav", "", clip)
            continue
        speaker, index = name[2], int(name[3])
        speakers.add(speaker)
        is_test = speaker == args.test_speaker if args.test_speaker else index < 5
        split = "test" if is_test else "valid" if 5 <= index < 10 else "train"
        manifests.add(f"{split}.jsonl", f"fsdd-{clip.stem}", clip, WORDS[int(name[1])], "ASR", lang="en", spk=speaker)
    if args.test_speaker and args.test_speaker not in speakers:
        raise Mistake(f"--test-speaker {args.test_speaker}: the speakers are {', '.join(sorted(speakers)) or 'none'}.")


if __name__ == "__main__":
    run("fsdd", __doc__, options, prepare)
