"""Miniature copies of public downloads: real audio of a fraction of a second, in the containers that the data sets use."""
from __future__ import annotations

import csv
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import wave
from pathlib import Path
from typing import Iterable

TREE = Path(__file__).resolve().parents[2]
RATE = 16000


def tone(seconds: float, hertz: float = 440.0) -> list[int]:
    return [round(8000 * math.sin(2 * math.pi * hertz * i / RATE)) for i in range(round(seconds * RATE))]


def write_wav(path: Path, seconds: float = 0.2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = tone(seconds)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def crc(data: bytes, bits: int, polynomial: int) -> int:
    value, top = 0, 1 << (bits - 1)
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = ((value << 1) ^ polynomial if value & top else value << 1) & ((1 << bits) - 1)
    return value


def write_flac(path: Path, seconds: float = 0.2) -> None:
    """One frame of plain samples (RFC 9639): 16 bits, mono, so at most 4 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = tone(seconds)
    count = len(samples)
    info = struct.pack(">HH", count, count) + bytes(6) + (RATE << 44 | 0 << 41 | 15 << 36 | count).to_bytes(8, "big") + bytes(16)
    head = bytes([0xFF, 0xF8, 0x70, 0x08, 0x00]) + struct.pack(">H", count - 1)
    frame = head + bytes([crc(head, 8, 0x07), 0x02]) + struct.pack(f">{count}h", *samples)
    path.write_bytes(b"fLaC" + bytes([0x80, 0, 0, 34]) + info + frame + struct.pack(">H", crc(frame, 16, 0x8005)))


def write_mp3(path: Path, frames: int = 20) -> None:
    """Silence: frames of 1152 samples at 44.1 kHz whose side information says that nothing follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((bytes([0xFF, 0xFB, 0x90, 0xC0]) + bytes(413)) * frames)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_csv(path: Path, header: list[str], rows: Iterable[list]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


class RecipeTest(unittest.TestCase):
    """A recipe's prepare.py on a layout that the test makes under self.folder."""

    recipe = ""

    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="usam-recipes-")
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        self.out = self.folder / "out"
        self.maxDiff = None

    def run_prepare(self, *arguments: object, output: str = "out", python: str = sys.executable) -> subprocess.CompletedProcess:
        script = TREE / "recipes" / self.recipe / "prepare.py"
        return subprocess.run([python, str(script), *map(str, arguments), "--output", str(self.folder / output)],
                              capture_output=True, text=True, cwd=self.folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})

    def prepare(self, *arguments: object) -> str:
        """Prepares twice: the second time gives the same bytes, and usam reads every manifest. Returns standard output."""
        done = self.run_prepare(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        first = {path: path.read_bytes() for path in self.out.rglob("*") if path.is_file()}
        self.assertEqual(self.run_prepare(*arguments).returncode, 0)
        self.assertEqual({path: path.read_bytes() for path in self.out.rglob("*") if path.is_file()}, first)
        for path in sorted(first):
            if path.suffix == ".jsonl" and path.name != "rejected.jsonl":
                self.inspect(path)
        return done.stdout

    def inspect(self, manifest: Path) -> None:
        seen = subprocess.run([os.environ["USAM_INSPECT"], "data", str(manifest)], capture_output=True, text=True)
        self.assertEqual(seen.returncode, 0, seen.stderr)
        self.assertIn(f"  rows: {len(self.rows(manifest))}\n", seen.stdout)
        self.assertIn("  problems: none\n", seen.stdout)

    def refuse(self, *arguments: object) -> str:
        """Standard error of a refused call, without the test's own folder."""
        done = self.run_prepare(*arguments)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        return done.stderr.replace(str(self.folder) + "/", "").strip()

    def rows(self, name: object) -> list[dict]:
        return [json.loads(line) for line in (self.out / name).read_text(encoding="utf-8").split("\n")[:-1]]

    def keys(self, name: str) -> list[str]:
        return [row["key"] for row in self.rows(name)]

    def labels(self, name: str) -> dict[str, str]:
        return {row["key"]: row["label"] for row in self.rows(name)}

    def rejected(self) -> list[tuple[str, str]]:
        return [(row["where"], row["reason"]) for row in self.rows("rejected.jsonl")]
