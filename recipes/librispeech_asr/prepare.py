#!/usr/bin/env python3
"""LibriSpeech as it is unpacked: LibriSpeech/train-clean-100/SPEAKER/CHAPTER/*.flac with SPEAKER-CHAPTER.trans.txt beside them.

    recipes/librispeech_asr/prepare.py /corpora/LibriSpeech

Writes train.jsonl (all train-* subsets asked for), valid.jsonl (dev-*), test_clean.jsonl and test_other.jsonl; transcripts in
lower case.
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, Mistake, run  # noqa: E402

DOWNLOAD = Download("LibriSpeech", "https://www.openslr.org/12")
SUBSETS = ["train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other", "test-clean", "test-other"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="LIBRISPEECH", help="the folder LibriSpeech, or the one it lies in")
    parser.add_argument("--subsets", default=",".join(SUBSETS), metavar="A,B,...", help="subsets to take; default: all seven")


def manifest_of(subset: str) -> str:
    kind = subset.split("-")[0]
    return {"train": "train.jsonl", "dev": "valid.jsonl"}.get(kind, subset.replace("-", "_") + ".jsonl")


def read_transcripts(file: Path, manifests: Manifests) -> dict:
    """Utterance to text."""
    texts = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        utterance, _, text = line.partition(" ")
        if text.strip():
            texts[utterance] = text.lower()
        elif line.strip():
            manifests.reject(f"{file.name}:{number}", "the line has no words behind the utterance's name")
    return texts


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    subsets = [name for name in args.subsets.split(",") if name]
    unknown = [name for name in subsets if name not in SUBSETS]
    if unknown or not subsets:
        raise Mistake(f"--subsets names {', '.join(unknown) or 'nothing'}; the subsets are {', '.join(SUBSETS)}.")
    root = DOWNLOAD.root(args.folder, subsets[0], "LibriSpeech")
    for subset in subsets:
        for chapter in sorted(DOWNLOAD.folder(root / subset).glob("*/*/")):
            speaker = chapter.parent.name
            transcripts = chapter / f"{speaker}-{chapter.name}.trans.txt"
            texts = read_transcripts(transcripts, manifests) if transcripts.is_file() else None
            for clip in sorted(chapter.glob("*.flac")):
                key = f"librispeech-{clip.stem}"
                if texts is None:
                    manifests.reject(key, "its chapter has no .trans.txt", manifest_of(subset), clip)
                elif clip.stem not in texts:
                    manifests.reject(key, "its chapter's .trans.txt has no line for it", manifest_of(subset), clip)
                else:
                    manifests.add(manifest_of(subset), key, clip, texts[clip.stem], "ASR", lang="en", spk=speaker)


if __name__ == "__main__":
    run("librispeech_asr", __doc__, options, prepare)
