#!/usr/bin/env python3
"""Writes model.safetensors beside the pytorch_model.bin (or its shards) of a Hugging Face folder; needs torch only.

    .venv/bin/python tools/convert_bin.py FOLDER

The files are read with weights_only=True, so that nothing in them is executed. Every tensor is kept under its own name;
one that shares its memory with another is written out again.
"""
import argparse
import json
import os
import struct
import sys
from pathlib import Path

import torch

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}


def shards(folder: Path) -> list[Path]:
    whole, index = folder / "pytorch_model.bin", folder / "pytorch_model.bin.index.json"
    if whole.exists():
        return [whole]
    if index.exists():
        return sorted({folder / name for name in json.loads(index.read_text())["weight_map"].values()})
    sys.exit(f"{folder}: there is neither pytorch_model.bin nor pytorch_model.bin.index.json in the folder")


def read(files: list[Path]) -> dict[str, torch.Tensor]:
    tensors = {}
    for file in files:
        if not file.exists():
            sys.exit(f"{file}: the index names this shard but it is not there; download it again")
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=_is_zip(file))
        for name, tensor in state.items():
            if not isinstance(tensor, torch.Tensor) or tensor.dtype not in DTYPES:
                sys.exit(f"{file}: '{name}' is not a tensor that safetensors can hold; is this a model's state dict?")
            tensors[name] = tensor
    return tensors


def _is_zip(file: Path) -> bool:  # the format before torch 1.6 cannot be mapped
    with open(file, "rb") as stream:
        return stream.read(2) == b"PK"


def write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, begin = {"__metadata__": {"format": "pt"}}, 0
    for name in order:
        tensor = tensors[name]
        end = begin + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    aside = path.with_name(path.name + ".partial")
    try:
        with open(aside, "wb") as stream:
            stream.write(struct.pack("<Q", len(text)) + text)
            for name in order:
                stream.write(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    target = folder / "model.safetensors"
    if target.exists():
        sys.exit(f"{target}: the file is there already")
    tensors = read(shards(folder))
    write(target, tensors)
    print(f"{target}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
