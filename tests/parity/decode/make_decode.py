"""What transformers' `generate` gives for embeddings, on the weights of the oracles' Llama and Qwen2.

    python tests/parity/decode/make_decode.py ORACLES        writes ORACLES/decode/NAME/golden.{safetensors,json}

Prompts are `prompts/{inputs_embeds,attention_mask}`, left-padded. Every case CASE has `CASE/sequences`, of beams also
`CASE/scores`; golden.json holds its options. `warp/N/{logits,probabilities}` are what sampling draws from.
"""
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.join(os.environ.get("USAM_SHARED", "../shared"), "peer"))

import torch
import transformers
from make_oracles import Golden
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

transformers.logging.set_verbosity_error()

LENGTHS = [9, 1, 17, 5, 12, 3]
SEARCHES = {
    "greedy": {},
    "long": dict(max_new_tokens=60),
    "penalty": dict(repetition_penalty=1.3),
    "reward": dict(repetition_penalty=0.8),
    "min": dict(min_new_tokens=15),
    "penalty_min": dict(repetition_penalty=1.8, min_new_tokens=9, max_new_tokens=40),
    "beam_penalty": dict(num_beams=4, repetition_penalty=1.5, num_return_sequences=2),
    "beam_min": dict(num_beams=3, min_new_tokens=12, length_penalty=0.0, num_return_sequences=3),
    "beam_short": dict(num_beams=3, length_penalty=-1.0, num_return_sequences=3),
} | {
    f"beam{beams}_{penalty}": dict(num_beams=beams, length_penalty=penalty, num_return_sequences=beams)
    for beams in (2, 4) for penalty in (0.5, 1.0, 2.0)
}
WARPS = [dict(temperature=t, top_k=k, top_p=p) for t, k, p in
         [(1.0, 0, 1.0), (0.6, 0, 1.0), (1.7, 12, 1.0), (1.0, 0, 0.8), (0.8, 20, 0.95), (1.3, 3, 0.3), (1.0, 500, 0.01)]]


def generate(model, embeds, mask, options: dict) -> dict:
    out = model.generate(inputs_embeds=embeds, attention_mask=mask, do_sample=False, pad_token_id=0,
                         early_stopping=False, return_dict_in_generate=True, output_scores=True, **options)
    return dict(sequences=out.sequences) | (dict(scores=out.sequences_scores) if "num_beams" in options else {})


def one_by_one(model, embeds, mask, options: dict) -> dict:
    """Prompts without padding: transformers 5.23 takes as many new tokens for padding as the prompt has of it, and does
    not penalise them."""
    outs = [generate(model, e[m.bool()].unsqueeze(0), m[m.bool()].unsqueeze(0), options) for e, m in zip(embeds, mask)]
    rows = [row for out in outs for row in out["sequences"]]
    both = dict(sequences=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True))
    return both | (dict(scores=torch.cat([out["scores"] for out in outs])) if "num_beams" in options else {})


def searches(notes: Golden, model, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    vocab = model.config.vocab_size
    ids = torch.randint(3, vocab, (len(LENGTHS), max(LENGTHS)), generator=generator)
    mask = torch.ones_like(ids)
    for row, length in enumerate(LENGTHS):
        mask[row, : max(LENGTHS) - length] = 0
    embeds = model.get_input_embeddings()(ids)
    notes.add("prompts", inputs_embeds=embeds, attention_mask=mask)
    ends = torch.randperm(vocab - 3, generator=generator)[: vocab // 20].add(3).tolist()
    for name, options in SEARCHES.items():
        options = dict(max_new_tokens=24, eos_token_id=ends) | options
        run = one_by_one if "repetition_penalty" in options else generate
        notes.add(name, options, **run(model, embeds, mask, options))


def warps(notes: Golden, seed: int) -> None:
    logits = 3 * torch.randn((5, 100), generator=torch.Generator().manual_seed(seed))
    for number, options in enumerate(WARPS):
        scores = TemperatureLogitsWarper(options["temperature"])(None, logits)
        if options["top_k"] > 0:
            scores = TopKLogitsWarper(options["top_k"])(None, scores)
        if options["top_p"] < 1:
            scores = TopPLogitsWarper(options["top_p"])(None, scores)
        notes.add(f"warp/{number}", options, logits=logits, probabilities=scores.softmax(-1))


@torch.no_grad()
def main(oracles: str) -> None:
    torch.set_num_threads(1)
    for seed, name in enumerate(("llama", "qwen2")):
        folder = os.path.join(oracles, "decode", name)
        os.makedirs(folder, exist_ok=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(os.path.join(oracles, name), dtype=torch.float32)
        model.generation_config = transformers.GenerationConfig()
        notes = Golden(folder)
        searches(notes, model.eval(), 300 + seed)
        warps(notes, 400 + seed)
        notes.save()


if __name__ == "__main__":
    main(sys.argv[1])
