#!/usr/bin/env python3
"""Parquet files in the layout of Hugging Face's datasets as something that usam reads (docs/data.md).

    tools/convert_parquet.py PARQUET_FILE_OR_FOLDER... --output DIR [--to webdataset | folder]

A row's recording is a column {bytes, path} (or the bytes, or a path, alone), its label a column of text. It becomes tar
shards (DIR/NAME-00000.tar, each sample a recording beside a .json), or recordings in folders with manifests
(DIR/NAME-00000.jsonl, joined to DIR/manifest.jsonl). NAME is the Parquet file's. The recordings' bytes are copied as
they are. A row that cannot be used is listed in DIR/rejected.jsonl with its file, row and reason.

A run that was interrupted goes on where it stopped: what is in DIR under its final name is whole. Other options, or
other Parquet files, want another DIR. Needs pyarrow (pip install pyarrow)."""
from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any, Iterator

MAGIC = [(b"RIFF", ".wav"), (b"RIFX", ".wav"), (b"RF64", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"), (b"FORM", ".aiff"),
         (b"caff", ".caf"), (b".snd", ".au"), (b"riff", ".w64")]


class WrongRow(Exception):
    """A row that cannot be used, with the reason."""


def fail(message: str) -> None:
    print(f"convert_parquet: {message}", file=sys.stderr)
    sys.exit(2)


def ending_of(audio: bytes) -> str:
    for magic, ending in MAGIC:
        if audio.startswith(magic):
            return ending
    if len(audio) > 1 and audio[0] == 0xFF and audio[1] & 0xE6 == 0xE2:
        return ".mp3"
    raise WrongRow("its audio is no wav, flac, ogg, opus, mp3, aiff, au, caf or w64")


def class_names(schema: Any) -> dict[str, list[str]]:
    """The names of columns that hold numbers of classes, from what datasets notes in a file."""
    noted = (schema.metadata or {}).get(b"huggingface")
    if not noted:
        return {}
    features = json.loads(noted).get("info", {}).get("features", {})
    return {name: one["names"] for name, one in features.items() if isinstance(one, dict) and one.get("_type") == "ClassLabel" and "names" in one}


# Names that usam reads: a further column of such a name gets a '_' behind it.
RESERVED = {"key", "wav", "label", "text", "task", "prompt", "dur", "duration", "offset", "tags"}


class Reader:
    """Turns the rows of one Parquet file into (ending, bytes, fields)."""

    def __init__(self, path: Path, options: argparse.Namespace) -> None:
        import pyarrow.parquet as parquet
        try:
            self.file = parquet.ParquetFile(path)
        except Exception as reason:  # pyarrow raises its own and OSError
            fail(f"{path}: cannot be read as Parquet: {reason}")
        self.path, self.options = path, options
        schema = self.file.schema_arrow
        self.names = class_names(schema)
        for option in ("audio", "text", "key", "duration", "task_column", "prompt_column"):
            column = getattr(options, option)
            if column and column not in schema.names:
                fail(f"{path}: there is no column '{column}' (--{option.replace('_', '-')}); it has: {', '.join(schema.names)}")
        used = [options.audio, options.text, options.key, options.duration, options.task_column, options.prompt_column]
        if options.extra == "*":
            self.extra = [name for name in schema.names if name not in used]
        else:
            self.extra = [name for name in (options.extra or "").split(",") if name]
        for column in self.extra:
            if column not in schema.names:
                fail(f"{path}: there is no column '{column}' (--extra); it has: {', '.join(schema.names)}")
        self.columns = [name for name in used if name] + self.extra

    def rows(self, begin: int, end: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows begin to end, of the row groups that hold them."""
        groups, first, at = [], 0, 0
        for group in range(self.file.num_row_groups):
            count = self.file.metadata.row_group(group).num_rows
            if at < end and at + count > begin:
                first = at if not groups else first
                groups.append(group)
            at += count
        row = first
        for batch in self.file.iter_batches(batch_size=32, row_groups=groups, columns=self.columns):
            if row + batch.num_rows > begin:
                for i, one in enumerate(batch.to_pylist()):
                    if begin <= row + i < end:
                        yield row + i, one
            row += batch.num_rows
            if row >= end:
                return

    def audio(self, row: dict[str, Any]) -> bytes:
        value = row[self.options.audio]
        path = None
        if isinstance(value, dict):
            path, value = value.get("path"), value.get("bytes")
        elif isinstance(value, str):
            path, value = value, None
        if value is None and path:
            try:
                value = (self.path.parent / path).read_bytes()
            except OSError as reason:
                raise WrongRow(f"its audio file {path} cannot be read: {reason.strerror}") from None
        if value is None:
            raise WrongRow("it has no audio")
        if not isinstance(value, bytes):
            raise WrongRow(f"its column '{self.options.audio}' holds no audio but {type(value).__name__}")
        if not value:
            raise WrongRow("its audio is empty")
        return value

    def text(self, row: dict[str, Any], column: str) -> str:
        value = row[column]
        if column in self.names and isinstance(value, int):
            if not 0 <= value < len(self.names[column]):
                raise WrongRow(f"its column '{column}' is {value}, which is no class")
            value = self.names[column][value]
        if isinstance(value, list):
            value = "\t".join(str(one) for one in value)
        if value is None or not str(value).strip():
            raise WrongRow(f"its column '{column}' is empty")
        return str(value)

    def fields(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        options = self.options
        fields: dict[str, Any] = {"key": self.text(row, options.key) if options.key else f"{self.path.stem}-{number:09d}",
                                  "label": self.text(row, options.text)}
        task = self.text(row, options.task_column) if options.task_column else options.task
        if task:
            fields["task"] = task
        if options.prompt_column and row[options.prompt_column]:
            fields["prompt"] = str(row[options.prompt_column])
        if options.duration and row[options.duration] is not None:
            fields["dur"] = float(row[options.duration])
        for column in self.extra:
            value = row[column]
            if column in self.names and isinstance(value, int) and 0 <= value < len(self.names[column]):
                value = self.names[column][value]
            name = f"{column}_" if column in RESERVED else column
            if value is not None and name not in fields:
                fields[name] = value if isinstance(value, (str, int, float, bool, list)) else str(value)
        return fields


def put_in_place(part: Path, path: Path) -> None:
    """Renames what was written aside once it is on the disk."""
    for one in sorted(part.rglob("*")) if part.is_dir() else [part]:
        if one.is_file():
            with open(one, "rb+") as file:
                os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def write_file(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    put_in_place(part, path)


class TarShard:
    """A WebDataset shard that is written aside."""

    def __init__(self, output: Path, name: str) -> None:
        self.path = output / f"{name}.tar"
        self.part = output / f"{name}.tar.part"

    def write(self, rows: Iterator[tuple[int, str, bytes, dict[str, Any]]]) -> None:
        count = 0
        with tarfile.open(self.part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, ending, audio, fields in rows:
                count += 1
                for suffix, data in ((ending, audio), (".json", json.dumps(fields, ensure_ascii=False).encode())):
                    member = tarfile.TarInfo(f"{number:09d}{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        if count:
            put_in_place(self.part, self.path)
        else:  # no row of the shard could be used
            self.part.unlink()


class FolderShard:
    """Recordings in a folder, and then their manifest."""

    def __init__(self, output: Path, name: str) -> None:
        self.path = output / f"{name}.jsonl"
        self.folder = output / "audio" / name

    def write(self, rows: Iterator[tuple[int, str, bytes, dict[str, Any]]]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was interrupted
        part = self.folder.with_name(self.folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        lines = []
        for number, ending, audio, fields in rows:
            name = f"{number:09d}{ending}"
            (part / name).write_bytes(audio)
            named = {"key": fields["key"], "wav": f"audio/{self.folder.name}/{name}", **fields}
            lines.append(json.dumps(named, ensure_ascii=False) + "\n")
        put_in_place(part, self.folder)
        write_file(self.path, "".join(lines))


class Conversion:
    def __init__(self, options: argparse.Namespace, files: list[Path]) -> None:
        self.options, self.files, self.output = options, files, Path(options.output)
        self.converted = self.rejected = self.kept = 0
        self.names: list[str] = []  # of the shards

    def check_folder(self) -> None:
        """What is in the folder is of these options and files, or the folder is new."""
        asked = {name: value for name, value in vars(self.options).items() if name not in ("inputs", "output")}
        asked["files"] = [[path.name, path.stat().st_size] for path in self.files]
        stamp = self.output / "conversion.json"
        if stamp.exists():
            before = json.loads(stamp.read_text())
            changed = sorted(name for name in asked if asked[name] != before.get(name))
            if changed:
                fail(f"{self.output}: this folder was begun with other options or files ({', '.join(changed)}); give another --output")
            return
        if self.output.exists() and any(self.output.iterdir()):
            fail(f"{self.output}: the folder is not empty; give another --output")
        self.output.mkdir(parents=True, exist_ok=True)
        write_file(stamp, json.dumps(asked, indent=1) + "\n")

    def usable(self, reader: Reader, begin: int, end: int, rejects: list[str]) -> Iterator[tuple[int, str, bytes, dict[str, Any]]]:
        for number, row in reader.rows(begin, end):
            try:
                fields = reader.fields(number, row)
                audio = reader.audio(row)
                yield number, ending_of(audio), audio, fields
                self.converted += 1
            except WrongRow as reason:
                rejects.append(json.dumps({"file": str(reader.path), "row": number, "reason": str(reason)}, ensure_ascii=False) + "\n")
                self.rejected += 1

    def convert(self, path: Path) -> None:
        reader = Reader(path, self.options)
        rows = reader.file.metadata.num_rows
        for shard, begin in enumerate(range(0, rows, self.options.shard_rows)):
            name = f"{path.stem}-{shard:05d}"
            made = (TarShard if self.options.to == "webdataset" else FolderShard)(self.output, name)
            told = self.output / f".{name}.rejected.jsonl"
            self.names.append(name)
            rejected = len(told.read_text().splitlines()) if told.exists() else -1
            if rejected == min(self.options.shard_rows, rows - begin) or (rejected >= 0 and made.path.exists()):
                self.kept += 1
                self.rejected += rejected
                continue
            rejects: list[str] = []
            made.write(self.usable(reader, begin, begin + self.options.shard_rows, rejects))
            write_file(told, "".join(rejects))
            print(f"convert_parquet: {made.path.name}: rows {begin} to {min(begin + self.options.shard_rows, rows)} of {rows}", file=sys.stderr)

    def join(self, name: str, parts: str) -> None:
        write_file(self.output / name, "".join((self.output / parts.format(one)).read_text(encoding="utf-8") for one in self.names))

    def run(self) -> None:
        self.check_folder()
        for path in self.files:
            self.convert(path)
        self.join("rejected.jsonl", ".{}.rejected.jsonl")
        if self.options.to == "folder":
            self.join("manifest.jsonl", "{}.jsonl")
        print(f"convert_parquet: {self.converted} rows converted, {self.rejected} rejected, {self.kept} shards were there already", file=sys.stderr)


def files_of(inputs: list[str]) -> list[Path]:
    files: list[Path] = []
    for one in map(Path, inputs):
        if not one.exists():
            fail(f"{one}: there is no such file or folder")
        found = sorted(one.rglob("*.parquet")) if one.is_dir() else [one]
        if not found:
            fail(f"{one}: the folder holds no .parquet file")
        files += found
    stems = [path.stem for path in files]
    for stem in stems:
        if stems.count(stem) > 1:
            fail(f"two files are called {stem}.parquet; convert them into folders of their own")
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", help="Parquet files, or folders of them")
    parser.add_argument("--output", required=True, help="folder for what is made")
    parser.add_argument("--to", choices=("webdataset", "folder"), default="webdataset")
    parser.add_argument("--audio", default="audio", help="column of the recordings")
    parser.add_argument("--text", default="text", help="column of the labels; numbers of classes become their names")
    parser.add_argument("--key", help="column of the rows' names (default: FILE-ROW)")
    parser.add_argument("--duration", help="column of the lengths in seconds (default: read from the recordings by usam)")
    parser.add_argument("--task", help="task of all rows")
    parser.add_argument("--task-column", help="column of the rows' tasks")
    parser.add_argument("--prompt-column", help="column of the rows' own prompts")
    parser.add_argument("--extra", help="further columns to keep, separated by commas; * for all. One that has a name which usam reads (wav, dur, ...) "
                        "gets a _ behind it")
    parser.add_argument("--shard-rows", type=int, default=1000, help="rows of a shard (default: %(default)s)")
    options = parser.parse_args()
    if options.shard_rows < 1:
        fail("--shard-rows must be at least 1")
    if options.task and options.task_column:
        fail("--task and --task-column exclude each other")
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        fail("this needs pyarrow: pip install pyarrow")
    Conversion(options, files_of(options.inputs)).run()


if __name__ == "__main__":
    main()
