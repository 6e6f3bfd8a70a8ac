"""Manifests: rows are collected, their audio is measured, then the files are written, each of them whole."""
from __future__ import annotations

import collections
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterable, Optional

from prepare.audio import BadAudio, seconds_of
from prepare.mistake import Mistake


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Lines into a file, which is either the old or the new one whatever happens on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    with open(aside, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_unicode(text: str) -> bool:
    """Whether a text can be written; names of files need not be UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


class Progress:
    """How far it is, how fast, how long still; on a terminal in place, elsewhere a line in ten seconds."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._done = total, what, 0
        self._began = self._told = time.monotonic()
        self._in_place = sys.stderr.isatty()

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._told < (0.5 if self._in_place else 10):
            return
        self._told = now
        rate = self._done / (now - self._began)
        text = f"{self._done:,} of {self._total:,} {self._what}, {rate:,.0f}/s, {(self._total - self._done) / rate:,.0f} s left"
        print(f"\r{text}   " if self._in_place else text, end="" if self._in_place else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._in_place:
            print(file=sys.stderr)


class Manifests:
    def __init__(self, output: Path, threads: int) -> None:
        self.output, self._threads = output, threads
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._rejected: list[dict[str, str]] = []
        self._known: set[str] = set()  # audio that was measured when its row was first written
        self._texts: dict[str, list[str]] = {}

    def add(self, manifest: str, key: str, wav: Path, label: str = "", task: str = "", references: Iterable[str] = (), **more: Any) -> None:
        """A row. `label`, or several `references`; further fields as they are, None left out. Blanks are made single ones."""
        texts = [" ".join(text.split()) for text in (references or [label])]
        texts = [text for text in texts if text]
        if not texts:
            self.reject(key, "the label is empty", manifest, wav)
            return
        if not is_unicode(f"{key} {wav}"):
            self.reject(key, "the file's name is not UTF-8", manifest, wav)
            return
        row = {"key": key, "wav": os.path.abspath(wav), "label": "\t".join(texts), "task": task}
        row.update((name, value) for name, value in more.items() if value is not None)
        self._rows.setdefault(manifest, []).append(row)

    def take(self, manifest: str, row: dict[str, Any]) -> None:
        """A row of another manifest that was prepared here, as it is."""
        self._rows.setdefault(manifest, []).append(row)
        self._known.add(row["wav"])

    def reject(self, where: str, reason: str, manifest: str = "", file: Optional[Path] = None) -> None:
        """Leaves out a clip (`where` is its key) or a line of a table; it is counted and listed in rejected.jsonl."""
        row = {"where": where, "reason": reason}
        if manifest:
            row["manifest"] = manifest
        if file:
            row["file"] = os.path.abspath(file)
        self._rejected.append({name: value if is_unicode(value) else ascii(value)[1:-1] for name, value in row.items()})

    def lines(self, name: str, lines: Iterable[str]) -> None:
        """A text file beside the manifests, such as the candidate tags."""
        self._texts[name] = list(lines)

    def count(self, manifest: str) -> int:
        return len(self._rows.get(manifest, []))

    def finish(self) -> None:
        """Measures, drops what cannot be used, writes all, prints the table. A manifest left without rows is a Mistake."""
        if not self._rows:
            raise Mistake("There was no clip to prepare." + self._first_rejected())
        lengths = self._measure()
        kept = self._usable(lengths)
        write_whole(self.output / "rejected.jsonl", (json.dumps(row, ensure_ascii=False) for row in self._rejected))
        empty = [name for name, rows in kept.items() if not rows]
        if empty:
            raise Mistake(f"No clip of {empty[0]} can be used.{self._first_rejected(empty[0])} All reasons are in {self.output / 'rejected.jsonl'}.")
        for name, rows in kept.items():
            write_whole(self.output / name, (json.dumps(row, ensure_ascii=False) for row in rows))
        for name, lines in self._texts.items():
            write_whole(self.output / name, lines)
        print(self._table(kept))

    def _first_rejected(self, manifest: str = "") -> str:
        for row in self._rejected:
            if not manifest or row.get("manifest") in (None, manifest):
                return f" The first: {row['where']}: {row['reason']}" + (f" ({row['file']})." if "file" in row else ".")
        return ""

    def _measure(self) -> dict[str, Any]:
        """Path to seconds, None, or BadAudio."""
        def look(path: str) -> Any:
            try:
                return seconds_of(Path(path))
            except BadAudio as bad:
                return bad
        paths = list(dict.fromkeys(row["wav"] for rows in self._rows.values() for row in rows if row["wav"] not in self._known))
        progress = Progress(len(paths), "headers read")
        lengths: dict[str, Any] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            for path, length in zip(paths, pool.map(look, paths)):
                lengths[path] = length
                progress.step()
        progress.end()
        return lengths

    def _usable(self, lengths: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        kept: dict[str, list[dict[str, Any]]] = {}
        seen: dict[tuple[Path, str], str] = {}  # a run reads the manifests of one folder, and keys are unique in a run
        for name, rows in self._rows.items():
            kept[name] = []
            for row in rows:
                length = lengths.get(row["wav"])
                place = (Path(name).parent, row["key"])
                if isinstance(length, BadAudio):
                    self.reject(row["key"], str(length), name, row["wav"])
                elif place in seen:
                    self.reject(row["key"], f"the key stands in {seen[place]} already", name, row["wav"])
                else:
                    seen[place] = name
                    if length is not None:
                        row.setdefault("dur", round(length, 4))
                    kept[name].append(row)
        return kept

    def _table(self, kept: dict[str, list[dict[str, Any]]]) -> str:
        lost = collections.Counter(row.get("manifest", "") for row in self._rejected)
        cells = [("manifest", "tasks", "clips", "hours", "rejected")]
        for name, rows in kept.items():
            tasks = " ".join(sorted({row["task"] for row in rows}))
            known = all("dur" in row for row in rows)
            hours = f"{sum(row['dur'] for row in rows) / 3600:,.2f}" if known else "-"
            cells.append((name, tasks, f"{len(rows):,}", hours, f"{lost[name]:,}"))
        widths = [max(len(row[i]) for row in cells) for i in range(5)]
        lines = ["  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) for row in cells]
        if self._rejected:
            reasons = collections.Counter(row["reason"] for row in self._rejected).most_common(5)
            lines.append(f"Rejected {len(self._rejected):,}: " + "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
                         + f". Listed in {self.output / 'rejected.jsonl'}.")
        lines.append(f"Written into {self.output}.")
        return "\n".join(lines)
