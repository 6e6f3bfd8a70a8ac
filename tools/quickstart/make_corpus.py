"""Makes the quickstart's corpus: spoken digits and commands, sound events and short pieces of music, with manifests.

    python tools/quickstart/make_corpus.py OUT [--seed 20] [--scale 1.0]

OUT gets wav/{speech,sounds,music}/*.flac and train.jsonl, valid.jsonl, test.jsonl ({key, wav, label, task, dur, tags?}).
Speech comes from espeak-ng: the test set's voices (a variant of the speaker and one accent) are in no training clip.
Sounds and music are synthesised with every parameter drawn per clip, so that no test clip is a copy of a training clip.
A corpus that is already there, made with the same arguments by the same program, is left alone.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile as sf

from sounds import SOUNDS
from music import INSTRUMENTS, make_piece

WORDS = ("zero one two three four five six seven eight nine".split() + "yes no up down left right on off stop go".split())
TRAIN_ACCENTS = ["en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-us-nyc", "en-029"]
HELD_OUT_ACCENT = "en-gb-scotland"
TRAIN_VARIANTS = ["m1", "m2", "m4", "m5", "m6", "m8", "f1", "f3", "f4", "klatt", "Andy", "steph"]
HELD_OUT_VARIANTS = ["m3", "m7", "f2", "f5"]
SPEECH = {"train": 7000, "valid": 150, "test": 300}
EVENTS = {"train": 60, "valid": 8, "test": 15}  # clips of each class
MUSIC = {"train": 600, "valid": 60, "test": 150}


def clip_rng(seed: int, key: str) -> np.random.Generator:
    """A generator that depends on the clip alone, so that the corpus does not depend on who makes it in which order."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "little"))


def espeak(text: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, int]:
    """Speaks `text`; the wave at espeak-ng's own rate, silence at both ends cut to 60 ms."""
    out = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text], capture_output=True, check=True).stdout
    # espeak-ng writes a streaming header whose lengths are wrong: the samples start after 44 bytes.
    rate = int.from_bytes(out[24:28], "little")
    wave = np.frombuffer(out[44:], dtype="<i2").astype(np.float32) / 32768
    loud = np.flatnonzero(np.abs(wave) > 0.01)
    pad = int(0.06 * rate)
    return wave[max(0, loud[0] - pad) : loud[-1] + pad], rate


def speech_clip(key: str, split: str, rng: np.random.Generator) -> tuple[np.ndarray, int, dict]:
    held = split == "test"
    accent = HELD_OUT_ACCENT if held and rng.random() < 0.3 else str(rng.choice(TRAIN_ACCENTS))
    variant = str(rng.choice(HELD_OUT_VARIANTS if held else TRAIN_VARIANTS))
    words = [str(w) for w in rng.choice(WORDS, size=rng.integers(1, 4))]
    wave, rate = espeak(" ".join(words), f"{accent}+{variant}", int(rng.integers(120, 190)), int(rng.integers(25, 75)))
    wave = wave * rng.uniform(0.3, 0.95) / np.abs(wave).max()
    wave = wave + 10 ** (rng.uniform(-70, -45) / 20) * rng.standard_normal(len(wave))
    return wave, rate, {"label": " ".join(words), "task": "ASR", "spk": f"{accent}+{variant}"}


def sound_clip(key: str, split: str, rng: np.random.Generator) -> tuple[np.ndarray, int, dict]:
    name = key.split("-")[1]
    wave = SOUNDS[name](rng)
    wave = wave / max(np.abs(wave).max(), 1e-6) * rng.uniform(0.2, 0.95)
    wave = wave + 10 ** (rng.uniform(-65, -40) / 20) * rng.standard_normal(len(wave))
    return wave, 16000, {"label": name.replace("_", " "), "task": "SEC"}


def music_clip(key: str, split: str, rng: np.random.Generator) -> tuple[np.ndarray, int, dict]:
    wave, tags = make_piece(rng)
    wave = wave / np.abs(wave).max() * rng.uniform(0.3, 0.95)
    return wave, 24000, {"label": ", ".join(tags), "tags": tags, "task": "MC"}


MAKERS = {"speech": speech_clip, "sounds": sound_clip, "music": music_clip}


def plan(scale: float) -> list[tuple[str, str, str]]:
    """(kind, split, key) of every clip."""
    clips = []
    for split in ("train", "valid", "test"):
        clips += [("speech", split, f"speech-{split}-{i:05d}") for i in range(round(SPEECH[split] * scale))]
        clips += [("sounds", split, f"sounds-{name}-{split}-{i:04d}") for name in SOUNDS for i in range(max(1, round(EVENTS[split] * scale)))]
        clips += [("music", split, f"music-{split}-{i:05d}") for i in range(round(MUSIC[split] * scale))]
    return clips


def make_clip(out: str, seed: int, clip: tuple[str, str, str]) -> tuple[str, dict]:
    kind, split, key = clip
    wave, rate, row = MAKERS[kind](key, split, clip_rng(seed, key))
    wav = f"wav/{kind}/{key}.flac"
    sf.write(os.path.join(out, wav), np.clip(wave, -1, 1), rate, subtype="PCM_16")
    return split, {"key": key, "wav": wav, **row, "dur": round(len(wave) / rate, 4)}


def fingerprint(args: argparse.Namespace) -> str:
    here = os.path.dirname(os.path.abspath(__file__))
    code = b"".join(open(os.path.join(here, name), "rb").read() for name in ("make_corpus.py", "sounds.py", "music.py"))
    return hashlib.sha256(code + f"{args.seed} {args.scale}".encode()).hexdigest()


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=20)
    ap.add_argument("--scale", type=float, default=1.0, help="share of the full number of clips")
    args = ap.parse_args()
    stamp = os.path.join(args.out, "corpus.json")
    if os.path.exists(stamp) and json.load(open(stamp))["fingerprint"] == fingerprint(args):
        print(f"corpus: {args.out} is there already", file=sys.stderr)
        return
    for kind in MAKERS:
        os.makedirs(os.path.join(args.out, "wav", kind), exist_ok=True)
    clips = plan(args.scale)
    rows: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (split, row) in enumerate(pool.map(lambda c: make_clip(args.out, args.seed, c), clips), 1):
            rows[split].append(row)
            if done % 500 == 0 or done == len(clips):
                print(f"corpus: {done} of {len(clips)} clips", file=sys.stderr)
    for split, members in rows.items():
        with open(os.path.join(args.out, f"{split}.jsonl"), "w", encoding="utf8") as f:
            f.writelines(json.dumps(row) + "\n" for row in members)
    counts = {split: len(members) for split, members in rows.items()}
    json.dump({"fingerprint": fingerprint(args), "clips": counts, "instruments": INSTRUMENTS}, open(stamp, "w"))


if __name__ == "__main__":
    main()
