"""Draws that depend on names alone: the same on every machine, whatever the order of the files."""
from __future__ import annotations

import hashlib
from typing import Iterable, TypeVar

Name = TypeVar("Name", bound=str)


def rank(seed: int, name: str) -> int:
    """A number from 0 to 2^64 - 1 that belongs to the name."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")


def order(names: Iterable[Name], seed: int) -> list[Name]:
    """The names in a drawn order."""
    return sorted(names, key=lambda name: (rank(seed, name), name))


def held_out(names: Iterable[Name], share: float, seed: int) -> set[Name]:
    """A share of the names, rounded, at least one where there are two."""
    names = order(set(names), seed)
    count = max(round(share * len(names)), 1 if len(names) > 1 else 0)
    return set(names[:count])
