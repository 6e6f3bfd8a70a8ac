"""What each key of another tool becomes: lists of keys, and how a config goes through one."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable


class Mistake(Exception):
    """Something that the user can mend; shown without a stack."""


@dataclass
class Key:
    name: str                     # as the other tool writes it
    to: str = ""                  # keys of a usam config, separated by ", "; empty: it has none
    why: str = ""                 # what is different, or why there is none
    convert: Callable[[Any, "Conversion"], Any] | None = None  # value -> value; None: it stands for nothing here
    default: Any = None           # what the other tool takes where the key is not written


class Conversion:
    """One config on its way: its keys, the config that comes of them, and what there is to tell."""

    def __init__(self, keys: list[Key], given: dict[str, Any], folder: Path):
        self.keys = {key.name: key for key in keys}
        self.given = given
        self.folder = folder  # of the config, for files that it names
        self.config: dict[str, Any] = {}
        self.notes: list[str] = []
        self.without: list[str] = []  # known, with no counterpart
        self.unknown = [f"{name} = {value!r}" for name, value in given.items() if name not in self.keys]

    def value(self, name: str) -> Any:
        return self.given.get(name, self.keys[name].default)

    def set(self, path: str, value: Any) -> None:
        place = self.config
        *parents, last = path.split(".")
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def need(self, *names: str) -> None:
        for name in names:
            if not self.value(name):
                raise Mistake(f"the config has no {name}")

    def keep_in(self, key: str, folder: str) -> None:
        """Clips up to 30 s; the run's folder, which has a name of our own where the config gives none under `key`."""
        self.set("data.long_audio", "truncate")
        self.set("data.max_seconds", 30)
        if "dir" not in self.config.get("run", {}):
            self.set("run.dir", folder)
        if not self.value(key):
            self.note(f"the config has no {key}: run.dir is a name of our own.")

    def run(self) -> None:
        """Every key in the order of the list, so that the config reads the same whatever order it was written in."""
        for name, key in self.keys.items():
            value = self.value(name)
            if value is None:
                continue
            if not key.to:
                if name in self.given:
                    self.without.append(f"{name} = {value!r}: {key.why}")
                continue
            made = key.convert(value, self) if key.convert else value
            if made is None:
                continue
            for path in key.to.split(", "):
                self.set(path, made)


def number(value: Any, conversion: Conversion | None = None) -> float | int:
    """PyYAML and hydra read 5e-5 as a text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Mistake(f"'{value}' is not a number") from None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) >= 1 else value


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise Mistake(f"'{value}' is neither true nor false")


def flatten(tree: dict, prefix: str = "") -> dict[str, Any]:
    """Maps within maps become keys with dots."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            flat |= flatten(value, path + ".")
        else:
            flat[path] = value
    return flat


def markdown(keys: list[Key]) -> str:
    lines = ["| key | becomes | |", "| --- | --- | --- |"]
    without: dict[str, list[str]] = {}  # keys that become nothing, by the reason: one row each, at the end
    for key in keys:
        why = key.why.replace("|", chr(92) + "|")
        if not key.to:
            without.setdefault(why, []).append(f"`{key.name}`")
            continue
        to = ", ".join(f"`{path}`" for path in key.to.split(", "))
        lines.append(f"| `{key.name}` | {to} | {why} |")
    lines += [f"| {', '.join(names)} | nothing | {why} |" for why, names in without.items()]
    return "\n".join(lines) + "\n"
