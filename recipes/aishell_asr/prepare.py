#!/usr/bin/env python3
"""AISHELL-1 as it is unpacked: data_aishell/wav/{train,dev,test}/S0002/*.wav and data_aishell/transcript/aishell_transcript_v0.8.txt.

    recipes/aishell_asr/prepare.py /corpora/data_aishell

Writes train.jsonl, valid.jsonl (dev) and test.jsonl. The blanks between words are left out, as character error rates want it.
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, run  # noqa: E402

DOWNLOAD = Download("AISHELL-1", "https://www.openslr.org/33")
TRANSCRIPTS = "transcript/aishell_transcript_v0.8.txt"
SPLITS = {"train": "train.jsonl", "dev": "valid.jsonl", "test": "test.jsonl"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DATA_AISHELL", help="the folder data_aishell, or the one it lies in")


def read_transcripts(file: Path, manifests: Manifests) -> dict:
    """Utterance to text."""
    texts = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        utterance, *words = line.split() or [""]
        if words:
            texts[utterance] = "".join(words)
        elif utterance:
            manifests.reject(f"{file.name}:{number}", "the line has no words behind the utterance's name")
    return texts


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    root = DOWNLOAD.root(args.folder, "wav", "data_aishell")
    texts = read_transcripts(DOWNLOAD.file(root / TRANSCRIPTS), manifests)
    packed = [file for file in sorted((root / "wav").glob("*.tar.gz")) if not list((root / "wav").glob(f"*/{file.name[:-7]}"))]
    if packed:
        raise DOWNLOAD.wrong(f"Speakers are still packed in {root / 'wav'}: {len(packed)}, {packed[0].name} first. Unpack them there: "
                             f"cd {root / 'wav'} && for f in *.tar.gz; do tar xzf $f; done.")
    for split, manifest in SPLITS.items():
        for clip in sorted(DOWNLOAD.folder(root / "wav" / split).glob("*/*.wav")):
            key = f"aishell-{clip.stem}"
            if clip.stem in texts:
                manifests.add(manifest, key, clip, texts[clip.stem], "ASR", lang="zh", spk=clip.parent.name)
            else:
                manifests.reject(key, "the transcript has no line for it", manifest, clip)


if __name__ == "__main__":
    run("aishell_asr", __doc__, options, prepare)
