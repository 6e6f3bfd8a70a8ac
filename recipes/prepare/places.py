"""Folders and files that a download must have."""
from __future__ import annotations

from pathlib import Path

from prepare.mistake import Mistake

SHOWN = 6


def listing(folder: Path) -> str:
    """"a, b, c and 4 more", or "nothing"."""
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir() if not entry.name.startswith("."))
    if not names:
        return "nothing"
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


class Download:
    """A data set by name and the page that it is downloaded from, for messages."""

    def __init__(self, name: str, home: str) -> None:
        self.name, self.home = name, home

    def folder(self, path: Path) -> Path:
        return self._checked(path, path.is_dir(), "folder")

    def file(self, path: Path) -> Path:
        return self._checked(path, path.is_file(), "file")

    def root(self, given: str, holds: str, *below: str) -> Path:
        """The folder that has `holds` in it: `given` or one of the folders `below` it, as archives unpack differently."""
        places = [Path(given), *(Path(given) / name for name in below)]
        for place in places:
            if (place / holds).exists():
                return place
        if not places[0].is_dir():
            self.folder(places[0])
        looked = " nor in ".join([str(places[0]), *(name + "/" for name in below)])
        raise Mistake(f"There is no {holds} in {looked}: {places[0]} holds {listing(places[0])}. {self._advice()}")

    def wrong(self, what: str) -> Mistake:
        return Mistake(f"{what} {self._advice()}")

    def _checked(self, path: Path, is_there: bool, kind: str) -> Path:
        if is_there:
            return path
        if path.exists():
            raise self.wrong(f"{path} should be a {kind}, and is none.")
        above = next(parent for parent in path.absolute().parents if parent.is_dir())
        raise self.wrong(f"The {kind} {path} is missing: {above} holds {listing(above)}.")

    def _advice(self) -> str:
        return f"{self.name} is downloaded from {self.home}; give the folder that it was unpacked into."
