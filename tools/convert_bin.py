#!/usr/bin/env python3
"""Writes model.safetensors beside the pytorch_model.bin (or its shards) of a Hugging Face folder, or beside a
checkpoint that torch.save wrote; needs torch only.

    .venv/bin/python tools/convert_bin.py FOLDER
    .venv/bin/python tools/convert_bin.py FOLDER/checkpoint.pt

The files are read with weights_only=True, so that nothing in them is executed. Every tensor is kept under its own name;
one that shares its memory with another is written out again. A checkpoint may hold the weights under "model" or
"state_dict". For CED's published checkpoints, which come without one, a config.json is written too.
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


def state_of(loaded) -> dict:
    for key in ("model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            return loaded[key]
    return loaded


def read(files: list[Path]) -> dict[str, torch.Tensor]:
    tensors = {}
    for file in files:
        if not file.exists():
            sys.exit(f"{file}: the index names this shard but it is not there; download it again")
        state = state_of(torch.load(file, map_location="cpu", weights_only=True, mmap=_is_zip(file)))
        if not isinstance(state, dict):
            sys.exit(f"{file}: the file holds no map of tensors; is this a model's state dict?")
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


def ced_config(tensors: dict[str, torch.Tensor], heads: int | None) -> dict | None:
    """The config.json of a CED model from its tensors; None for another model. Published sizes have heads of 64."""
    if "time_pos_embed" not in tensors or not any(name.startswith("init_bn.") for name in tensors):
        return None
    width, steps = tensors["time_pos_embed"].shape[1], tensors["time_pos_embed"].shape[-1]
    return {
        "model_type": "ced", "embed_dim": width, "num_heads": heads or max(1, width // 64),
        "depth": 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks.")),
        "mlp_ratio": tensors["blocks.0.mlp.fc1.weight"].shape[0] / width, "qkv_bias": "blocks.0.attn.qkv.bias" in tensors,
        "target_length": 1012 if steps == 63 else 16 * steps, "n_mels": 64, "patch_size": 16, "patch_stride": 16,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--heads", type=int, help="attention heads of a CED checkpoint (default: width / 64)")
    arguments = parser.parse_args()
    is_file = arguments.path.is_file()
    folder = arguments.path.parent if is_file else arguments.path
    target, config = folder / "model.safetensors", folder / "config.json"
    if target.exists():
        sys.exit(f"{target}: the file is there already")
    tensors = read([arguments.path] if is_file else shards(folder))
    write(target, tensors)
    print(f"{target}: {len(tensors)} tensors")
    described = ced_config(tensors, arguments.heads) if is_file and not config.exists() else None
    if described:
        config.write_text(json.dumps(described, indent=1) + "\n")
        print(f"{config}: width {described['embed_dim']}, {described['depth']} blocks, {described['num_heads']} heads")


if __name__ == "__main__":
    main()
