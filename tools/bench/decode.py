"""usam's greedy decoding against transformers' generate: same weights, prompts (embeddings of several lengths) and
threads, in turn, every answer of the same number of tokens and no end token.

    tools/bench/run decode [--llm FOLDER] [--rows 1,8] [--tokens 64] [--repeat 3] [--threads N] [--llm-key dtype=int8 ...]

generate runs as it comes (torch eager, its dynamic cache) and with its static cache; the ratio is to the faster of the
two. Times are of whole calls, the reading of the prompts included; "a step" is what is left after a call for one token,
by token. Each --llm-key is one more way for usam to run, whose ids are counted against those of the first. On a machine
that is busy with other work compare seconds of processor time (--clock cpu).
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging


def make_prompts(model, lengths: list[int], seed: int) -> torch.Tensor:
    """Right-padded (B, T, D): tokens' embeddings with noise as loud as they are, as audio tokens differ from words."""
    draws = torch.Generator().manual_seed(seed)
    table = model.get_input_embeddings().weight.detach()
    ids = torch.randint(0, len(table), (len(lengths), max(lengths)), generator=draws)
    prompts = table[ids]
    prompts = prompts + prompts.std() * torch.randn(prompts.shape, generator=draws)
    for row, length in zip(prompts, lengths):
        row[length:] = 0
    return prompts


class Generate:
    """transformers' generate; `cache` None is its own choice."""

    def __init__(self, model, prompts: torch.Tensor, lengths: list[int], cache: str | None):
        self.model, self.prompts, self.lengths, self.cache = model, prompts, lengths, cache

    def run(self, rows: int, tokens: int) -> dict:
        longest = max(self.lengths[:rows])
        embeds = torch.zeros(rows, longest, self.prompts.shape[2])
        mask = torch.zeros(rows, longest, dtype=torch.long)
        for row, length in enumerate(self.lengths[:rows]):
            embeds[row, longest - length:], mask[row, longest - length:] = self.prompts[row, :length], 1
        more = {"cache_implementation": self.cache} if self.cache else {}
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            ids = self.model.generate(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0, **more)
        return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "ids": ids.tolist()}


class Usam:
    def __init__(self, args: argparse.Namespace, prompts: str, keys: list[str]):
        command = [args.program, args.llm, prompts, "--threads", str(args.threads)]
        for key in keys:
            command += ["--llm-key", key]
        environment = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def run(self, rows: int, tokens: int) -> dict:
        self.process.stdin.write(json.dumps({"rows": rows, "tokens": tokens}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("bench: bench_decode has ended")
        return json.loads(line)


def spread(values: list[float]) -> list[float]:
    return [statistics.median(values), min(values), max(values)]


def agreement(ids: list, reference: list) -> float:
    """The share of answers' tokens before the first that differs."""
    same = [next((i for i, (a, b) in enumerate(zip(x, y)) if a != b), len(y)) for x, y in zip(ids, reference)]
    return sum(same) / sum(map(len, reference))


def measure(ways: dict, rows: int, args: argparse.Namespace) -> dict:
    """Every way in turn, as often as asked, after a round that warms them up and gives the ids."""
    clock = f"{args.clock}_s"
    ids = {name: way.run(rows, args.tokens)["ids"] for name, way in ways.items()}
    whole, first = ({name: [] for name in ways} for _ in range(2))
    for _ in range(args.repeat):
        for name, way in ways.items():
            first[name].append(way.run(rows, 1)[clock])
            whole[name].append(way.run(rows, args.tokens)[clock])
    reference = min(("generate", "generate, static cache"), key=lambda name: statistics.median(whole[name]))
    figures = {"faster generate": reference}
    for name in ways:
        figures[name] = {"tokens_per_s": spread([rows * args.tokens / s for s in whole[name]]),
                         "step_ms": spread([1000 * (s - f) / (args.tokens - 1) for s, f in zip(whole[name], first[name])]),
                         "prompts_ms": spread([1000 * s for s in first[name]]),
                         "ratio": spread([theirs / ours for theirs, ours in zip(whole[reference], whole[name])]),
                         "same_ids": agreement(ids[name], ids["generate"])}
    return figures


def machine() -> dict:
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return {"cpu": cpu, "cores": os.cpu_count()} | {name: importlib.metadata.version(name) for name in ("torch", "transformers")}


def table(report: dict) -> str:
    clock = {"wall": "second", "cpu": "processor second"}[report["settings"]["clock"]]
    lines = [f"| rows | | tokens a {clock} | ratio to generate | ms a step | ms for the prompts | same ids |", "| ---: | --- | ---: | ---: | ---: | ---: | ---: |"]
    for rows, figures in report["figures"].items():
        for name, f in figures.items():
            if name == "faster generate":
                continue
            lines.append("| {} | {} | {:.1f} ({:.1f} to {:.1f}) | {:.2f} x ({:.2f} to {:.2f}) | {:.2f} | {:.1f} | {:.0%} |".format(
                rows, name, *f["tokens_per_s"], *f["ratio"], f["step_ms"][0], f["prompts_ms"][0], f["same_ids"]))
    m, s = report["machine"], report["settings"]
    lines.append(f"\nMedian (range) of {s['repeat']} calls of each in turn for {s['tokens']} tokens, {s['threads']} threads of {m['cores']} cores of {m['cpu']}; "
                 f"torch {m['torch']}, transformers {m['transformers']}.")
    return "\n".join(lines)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--llm", required=True, help="Hugging Face folder of a language model")
    ap.add_argument("--program", default="build/bin/bench_decode")
    ap.add_argument("--output", default="build/bench/decode_speed")
    ap.add_argument("--rows", default="1,8", help="batch sizes")
    ap.add_argument("--tokens", type=int, default=64)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    ap.add_argument("--llm-key", action="append", default=[], help="KEY=VALUE of usam's config of the model: one more column each")
    args = ap.parse_args()
    if args.tokens < 2:
        ap.error("--tokens must be at least 2")
    torch.set_num_threads(args.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    out = pathlib.Path(args.output)
    out.mkdir(parents=True, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(args.llm, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None
    sizes = [int(rows) for rows in args.rows.split(",")]
    lengths = torch.randint(40, 120, (max(sizes),), generator=torch.Generator().manual_seed(args.seed)).tolist()
    prompts = make_prompts(model, lengths, args.seed)
    save_file({"embeds": prompts, "lengths": torch.tensor(lengths)}, out / "prompts.safetensors")
    ways = {"generate": Generate(model, prompts, lengths, None), "generate, static cache": Generate(model, prompts, lengths, "static"),
            "usam": Usam(args, str(out / "prompts.safetensors"), [])}
    for key in args.llm_key:
        ways[f"usam, {key}"] = Usam(args, str(out / "prompts.safetensors"), [key])
    report = {"machine": machine(), "settings": vars(args), "prompt_lengths": lengths, "figures": {rows: measure(ways, rows, args) for rows in sizes}}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    print(table(report))


if __name__ == "__main__":
    main()
