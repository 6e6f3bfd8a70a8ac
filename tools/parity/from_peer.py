"""Parameters of the Python peer (peer/usam_peer.py) under usam's names, as `init_from` reads them.

    python tools/parity/from_peer.py TRAINABLES.safetensors OUT.safetensors

Entries of a dump ("grad/query", "after/router.weight") keep their prefix; other entries are copied as they are.
"""
import re
import sys

from safetensors.torch import load_file, save_file

QFORMER = {"intermediate_query.dense": "up", "output_query.dense": "down", "output_query.LayerNorm": "feed_forward_norm"}
for theirs, ours in (("attention", "self_attention"), ("crossattention", "cross_attention")):
    QFORMER |= {f"{theirs}.attention.{p}": f"{ours}.{p}" for p in ("query", "key", "value")}
    QFORMER |= {f"{theirs}.output.dense": f"{ours}.output", f"{theirs}.output.LayerNorm": f"{ours}_norm"}

RULES = [
    (r"mert_mix\.(.*)", r"mixes.mert.\1"),
    (r"query", r"bridge.query"),
    (r"((?:experts|prompt_fc|router)\..*)", r"projector.\1"),
    (r"llm\.base_model\.model\.(.*\.lora_[AB])\.default\.weight", r"llm.\1.weight"),
    (r"(saclm\..*)", r"\1"),
    (r"qformer\.layernorm\.(\w+)", r"bridge.norm.\1"),
    (r"qformer\.encoder\.layer\.(\d+)\.(.*)\.(\w+)", lambda m: f"bridge.layers.{m[1]}.{QFORMER[m[2]]}.{m[3]}"),
]


def name_in_usam(peer: str) -> str:
    for pattern, ours in RULES:
        if match := re.fullmatch(pattern, peer):
            return ours(match) if callable(ours) else match.expand(ours)
    raise KeyError(f"usam has no parameter for the peer's {peer}")


def convert(source: str, target: str, prefixes: tuple[str, ...] = ("",)) -> None:
    """Renames the entries that start with one of the prefixes; "" is every entry."""
    renamed = {}
    for name, tensor in load_file(source).items():
        prefix = next((p for p in prefixes if name.startswith(p)), None)
        if prefix is None:
            renamed[name] = tensor
            continue
        name = name_in_usam(name.removeprefix(prefix))
        renamed[prefix + name] = tensor.flatten(1) if name == "mixes.mert.weight" else tensor
    save_file(renamed, target)


if __name__ == "__main__":
    convert(*sys.argv[1:3])
