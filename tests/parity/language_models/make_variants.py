"""Small random language models beyond those of peer/make_oracles.py, and what transformers computes with them.

    python tests/parity/language_models/make_variants.py ORACLES        writes ORACLES/variants/NAME

Each folder gets golden.safetensors: `plain/{input_ids,logits,hidden.N}` and a left-padded greedy batch with cache,
`greedy/{input_ids,attention_mask,sequences}`.
"""
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.join(os.environ.get("USAM_SHARED", "../shared"), "peer"))

import torch
import transformers
from make_oracles import Golden, randomize

transformers.logging.set_verbosity_error()

COMMON = dict(vocab_size=150, hidden_size=64, intermediate_size=144, num_hidden_layers=3, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=512, pad_token_id=0, bos_token_id=1, eos_token_id=2)
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}


def change_json(folder: str, remove: tuple = (), **changes) -> None:
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf8") as file:
        config = json.load(file)
    for key in remove:
        config.pop(key, None)
    with open(path, "w", encoding="utf8") as file:
        json.dump(config | changes, file, indent=1)


def golden(folder: str, seed: int) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 150, (2, 40), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, :11] = 0
    notes = Golden(folder)
    with torch.no_grad():
        out = model(ids, output_hidden_states=True)
        notes.add("plain", "fp32", input_ids=ids, logits=out.logits, hidden=out.hidden_states)
        sequences = model.generate(ids, attention_mask=mask, max_new_tokens=24, do_sample=False, pad_token_id=0)
        notes.add("greedy", {"eos": model.generation_config.eos_token_id}, input_ids=ids, attention_mask=mask,
                  sequences=sequences)
    notes.save()


def make(root: str, name: str, kind: str, seed: int, base: bool = False, resize: int = 0, shard: str = "", **options):
    """Saves a model of transformers' classes KINDConfig and KINDForCausalLM (KINDModel where `base`)."""
    folder = os.path.join(root, name)
    config = getattr(transformers, kind + "Config")(**(COMMON | options))
    torch.manual_seed(seed)
    model = getattr(transformers, kind + ("Model" if base else "ForCausalLM"))(config)
    if resize:
        model.resize_token_embeddings(resize)
    randomize(model, seed).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    return folder


def main(oracles: str) -> None:
    torch.set_num_threads(1)
    root = os.path.join(oracles, "variants")
    folders = [
        make(root, "mistral", "Mistral", 1, sliding_window=8, head_dim=32),
        make(root, "mistral-null", "Mistral", 2, sliding_window=None, shard="150KB"),
        make(root, "llama-linear", "Llama", 3, rope_parameters=LINEAR),
        make(root, "llama-biases", "Llama", 4, attention_bias=True, mlp_bias=True),
        make(root, "llama-old", "Llama", 5, num_key_value_heads=4),
        make(root, "llama-trunk", "Llama", 6, base=True, tie_word_embeddings=True),
        make(root, "llama-resized", "Llama", 7, resize=157),
        make(root, "llama-not-tied", "Llama", 8),
        make(root, "qwen2-sliding", "Qwen2", 9, use_sliding_window=True, sliding_window=6, max_window_layers=1),
        make(root, "qwen2-layer-types", "Qwen2", 10, use_sliding_window=True, sliding_window=9,
             layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
        make(root, "qwen3-untied", "Qwen3", 11, head_dim=24, attention_bias=True),
    ]
    by_name = {os.path.basename(folder): folder for folder in folders}
    change_json(by_name["llama-linear"], remove=("rope_parameters",), rope_theta=10000.0,
                rope_scaling={"type": "linear", "factor": 4.0})
    change_json(by_name["llama-old"], remove=("head_dim", "num_key_value_heads", "rope_parameters", "attention_bias",
                                              "mlp_bias", "dtype"), torch_dtype="float16")
    change_json(by_name["qwen2-sliding"], remove=("layer_types",))
    change_json(by_name["llama-not-tied"], tie_word_embeddings=True)
    for seed, folder in enumerate(folders):
        golden(folder, 100 + seed)


if __name__ == "__main__":
    main(sys.argv[1])
