"""Clips found by the names that downloaders give them."""
from __future__ import annotations

import os
from pathlib import Path

EXTENSIONS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".au")


class Clips:
    """The audio files below a folder by their names without extension; of equal names the first in alphabetical order."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, Path] = {}
        for place, folders, files in os.walk(folder):
            folders.sort()
            for file in sorted(files):
                stem, extension = os.path.splitext(file)
                if extension.lower() in EXTENSIONS:
                    self._paths.setdefault(stem, Path(place) / file)

    def __len__(self) -> int:
        return len(self._paths)

    def find(self, *stems: str) -> Path | None:
        return next((self._paths[stem] for stem in stems if stem in self._paths), None)
