"""Adapters that peft itself has made and what it computes with them, for every setting that usam reads.

    python tests/parity/peft/make_adapters.py ORACLES

Reads the language models in ORACLES and writes ORACLES/peft/BASE-CASE/: the adapter, all of its values random, and
golden.safetensors with `ids` (2, T) and `logits` (2, T, V) of the adapter as peft opens it again on a fresh base.
"""
import os
import pathlib
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# What each case sets beside r 4, lora_alpha 6 and target_modules [q_proj, v_proj].
PLAIN = {
    # The first pattern that matches counts; peft writes them in the order of the alphabet.
    "rank_pattern": dict(target_modules=LINEAR, rank_pattern={"layers.1.self_attn.q_proj": 7, "q_proj": 2, "v_proj|q_proj": 3}),
    "alpha_pattern": dict(target_modules=LINEAR, alpha_pattern={"(up|down)_proj": 20, "^model.layers.0.mlp.up_proj": 1, "q_proj": 3},
                          rank_pattern={"down_proj": 5}),
    "rslora": dict(use_rslora=True, rank_pattern={"v_proj": 2}, alpha_pattern={"q_proj": 11}),
    "list_of_paths": dict(target_modules=["layers.0.self_attn.k_proj", "model.layers.1.mlp.gate_proj"]),
    "regex": dict(target_modules=r".*layers\.[0-9]+\.(self_attn\.o|mlp\.down)_proj"),
    "all_linear": dict(target_modules="all-linear"),
    "exclude": dict(target_modules=LINEAR, exclude_modules=["layers.0.mlp.up_proj", "k_proj"]),
    "layers": dict(target_modules=LINEAR, layers_to_transform=[1], layers_pattern="layers"),
    "head_saved": dict(modules_to_save=["lm_head"]),
    "embedding_saved": dict(modules_to_save=["embed_tokens"]),
    "both_saved": dict(modules_to_save=["embed_tokens", "lm_head"]),
    "head_updated": dict(target_modules=["q_proj", "lm_head"]),
    "norm_saved": dict(modules_to_save=["norm", "input_layernorm"]),
    "gaussian": dict(init_lora_weights="gaussian"),
    "uninitialised": dict(init_lora_weights=False),
    "pissa": dict(init_lora_weights="pissa"),
    "olora": dict(init_lora_weights="olora", use_rslora=True),
    "dropout": dict(lora_dropout=0.5),
}
BIASES = {
    "bias_all": dict(bias="all"),
    "bias_lora_only": dict(bias="lora_only", target_modules=["k_proj", "o_proj"]),
}
TIED = {
    "kept_tied": dict(modules_to_save=["embed_tokens"], ensure_weight_tying=True),
}
BASES = {
    "llama": PLAIN,
    "qwen2": {**{k: PLAIN[k] for k in ("rslora", "head_saved", "embedding_saved", "both_saved", "head_updated")}, **BIASES, **TIED},
    "qwen3": {k: PLAIN[k] for k in ("rank_pattern", "all_linear")},
}


def opened(folder: pathlib.Path):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def make(base: pathlib.Path, out: pathlib.Path, options: dict, seed: int) -> None:
    torch.manual_seed(seed)
    config = LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **options})
    model = get_peft_model(opened(base), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(out)
    model = PeftModel.from_pretrained(opened(base), out).eval()
    ids = torch.randint(model.config.vocab_size, (2, 12))
    with torch.no_grad():
        save_file({"ids": ids, "logits": model(ids).logits.contiguous()}, out / "golden.safetensors")


def main(oracles: str) -> None:
    warnings.simplefilter("ignore")
    root = pathlib.Path(oracles)
    seed = 1
    for base, cases in BASES.items():
        for name, options in cases.items():
            make(root / base, root / "peft" / f"{base}-{name}", options, seed)
            seed += 1


if __name__ == "__main__":
    main(sys.argv[1])
