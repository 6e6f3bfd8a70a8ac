"""Lengths of wav and flac files out of their headers."""
from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Optional


class BadAudio(Exception):
    """Why a file cannot be a clip."""


def seconds_of(path: Path) -> Optional[float]:
    """The length of a wav or flac file; None for another kind of audio, whose header usam reads itself. Raises BadAudio."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise BadAudio("the file is empty")
            start = file.read(12)
            if start[:4] in (b"RIFF", b"RF64") and start[8:] == b"WAVE":
                return _wav(file, size)
            if start[:4] == b"fLaC":
                return _flac(start, file)
    except FileNotFoundError:
        raise BadAudio("the file is missing") from None
    except OSError as error:
        raise BadAudio(f"the file cannot be read ({error.strerror})") from None
    if path.suffix.lower() in (".wav", ".flac"):
        raise BadAudio(f"the file is no {path.suffix.lower()[1:]} file, whatever its name says")
    return None


def _wav(file: BinaryIO, size: int) -> float:
    bytes_per_second = 0
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise BadAudio("the wav file has no data")
        name, length = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"fmt ":
            chunk = file.read(16)
            if len(chunk) < 16 or length < 16:
                raise BadAudio("the wav file's header is cut")
            file.seek(length - 16 + length % 2, os.SEEK_CUR)
            kind, _, rate, bytes_per_second, align, _ = struct.unpack("<HHIIHH", chunk[:16])
            if kind in (1, 3, 0xFFFE):  # PCM, float, extensible: some writers leave the mean rate of bytes wrong
                bytes_per_second = rate * align
        elif name == b"data":
            if bytes_per_second == 0:
                raise BadAudio("the wav file does not say its rate")
            length = min(length or size, size - file.tell())  # 0 and 2^32 - 1 stand for: up to the end
            if length == 0:
                raise BadAudio("the wav file has no data")
            return length / bytes_per_second
        else:
            file.seek(length + length % 2, os.SEEK_CUR)


def _flac(start: bytes, file: BinaryIO) -> Optional[float]:
    info = (start + file.read(30))[8:42]
    if len(info) < 34 or start[4] & 0x7F != 0:
        raise BadAudio("the flac file's header is cut")
    packed = int.from_bytes(info[10:18], "big")
    rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    if rate == 0:
        raise BadAudio("the flac file does not say its rate")
    return samples / rate if samples else None
