#!/usr/bin/env python3
"""CoVoST 2 over Common Voice 4: the unpacked covost_v2.en_zh-CN.tsv, and cv-corpus-4-2019-12-10/en with clips/ and validated.tsv.

    recipes/covost2_s2tt/prepare.py --common-voice /corpora/cv-corpus-4-2019-12-10/en --covost /corpora/covost/covost_v2.en_zh-CN.tsv

Writes train.jsonl, valid.jsonl (dev) and test.jsonl: the splits of CoVoST 2's own script, which leaves out what validated.tsv
does not have and adds the clips marked train_covost. The sentence that was read stands in "text".
"""
import argparse
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # recipes/, in which the package `prepare` lies

from prepare import Download, Manifests, Mistake, read_table, run  # noqa: E402

COMMON_VOICE = Download("Common Voice Corpus 4", "https://commonvoice.mozilla.org/datasets")
COVOST = Download("CoVoST 2", "https://github.com/facebookresearch/covost")
SPLITS = {"train": "train.jsonl", "train_covost": "train.jsonl", "dev": "valid.jsonl", "test": "test.jsonl"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--common-voice", required=True, metavar="DIR", help="the source language's folder, with clips/ and validated.tsv")
    parser.add_argument("--covost", required=True, metavar="FILE", help="covost_v2.SOURCE_TARGET.tsv, unpacked")


def prepare(args: argparse.Namespace, manifests: Manifests) -> None:
    pair = re.fullmatch(r"covost_v2\.([a-zA-Z-]+)_([a-zA-Z-]+)\.tsv", Path(args.covost).name)
    if not pair:
        raise Mistake(f"--covost {args.covost}: the languages are read from the name, which must be covost_v2.SOURCE_TARGET.tsv.")
    translations = COVOST.file(Path(args.covost))
    voice = COMMON_VOICE.root(args.common_voice, "validated.tsv")
    clips = COMMON_VOICE.folder(voice / "clips")
    spoken = {row["path"]: row for _, row in read_table(voice / "validated.tsv", ["path", "sentence", "client_id"], manifests.reject, tabs=True)}
    for line, row in read_table(translations, ["path", "translation", "split"], manifests.reject, tabs=True):
        key, manifest = f"covost2-{pair[1]}-{pair[2]}-{Path(row['path']).stem}", SPLITS.get(row["split"])
        if manifest is None:
            if row["split"] not in ("dev_covost", "test_covost"):  # parts of CoVoST 1 that version 2 leaves out
                manifests.reject(f"{translations.name}:{line}", f"there is no split '{row['split']}'")
        elif row["path"] not in spoken:
            manifests.reject(key, "validated.tsv does not have it", manifest)
        else:
            said = spoken[row["path"]]
            manifests.add(manifest, key, clips / row["path"], row["translation"], "S2TT", lang=pair[1], target=pair[2],
                          text=said["sentence"], spk=said["client_id"])


if __name__ == "__main__":
    run("covost2_s2tt", __doc__, options, prepare)
