"""Two ranks against one process and against two processes that know nothing of each other, each with one thread.

    tools/bench/ranks.py [--repeat 3] [--steps 10] [--programs build/bin]

Stage 2 (frozen encoders, Q-Former, experts, LoRA, SACLM) on random weights of moderate size and clips of noise. The layouts run in
turn, as often as --repeat says; of each the least disturbed run counts. What a machine loses when both its cores work
(clock, memory) shows in the two independent processes; what the ranks lose to each other is the rest.
"""
import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from common import make_clips

CONFIG = """
seed: 20
run: {{dir: {run}}}
data:
  train: {folder}/train.jsonl
  batch: {{seconds: {batch}}}
  threads: 1
  long_audio: truncate
  max_seconds: 30
recipe:
  type: usam
  encoders:
    whisper: {{type: whisper, init: random, layers: 4, width: 384, heads: 6, mels: 80}}
    ced: {{type: ced, init: random, layers: 4, width: 384, heads: 6}}
  fusion: {{reference: ced}}
  bridge: {{type: window_qformer, window: 17, queries: 1, layers: 2, hidden: 384, heads: 6}}
  projector: {{type: moe, experts: 3, expert_hidden: 384}}
  llm:
    type: llama
    init: random
    layers: 6
    hidden: 768
    heads: 12
    intermediate: 2048
    train: lora
    lora: {{rank: 8, alpha: 32, dropout: 0.1, targets: [q_proj, v_proj]}}
    tokenizer: {{train: {{type: bpe, vocab_size: 300, byte_fallback: false}}}}
  prompts: {{ASR: "Write what is said:<audio>\\n---\\nText: "}}
  loss: {{ce: {{weight: 1}}, saclm: {{weight: 1, negatives: {negatives}}}}}
trainer:
  max_steps: {steps}
  log_every: 1
  save_every: 1000000
  eval_every: 1000000
  optimizer: {{type: adamw, lr: 5e-6}}
  schedule: {{type: cosine, warmup: 0.13}}
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bench:
    def __init__(self, args: argparse.Namespace, folder: pathlib.Path):
        self.args, self.folder, self.runs = args, folder, 0

    def start(self, more: dict[str, str], run: pathlib.Path, core: int) -> subprocess.Popen:
        config = run.with_suffix(".yaml")
        config.write_text(CONFIG.format(run=run, folder=self.folder, steps=self.args.steps, batch=self.args.batch, negatives=self.args.negatives))
        return subprocess.Popen(["taskset", "-c", str(core % os.cpu_count()), f"{self.args.programs}/usam-train", str(config)], stderr=open(f"{run}.{core}.log", "w"),
                                env=os.environ | {"OMP_NUM_THREADS": "1"} | more)

    def throughput(self, run: pathlib.Path) -> tuple[float, float]:
        """Audio seconds a second and seconds a step, without the first two steps."""
        times = [json.loads(line)["time"] for line in open(run / "metrics.jsonl", encoding="utf8")][2:]
        seconds = sum(t["seconds"] for t in times)
        return sum(t["seconds"] * t["audio_per_second"] for t in times) / seconds, seconds / len(times)

    def measure(self, ranks: int, processes: int) -> tuple[float, float]:
        self.runs += 1
        run = self.folder / f"run{self.runs}"
        if ranks > 1:
            port, runs = str(free_port()), [run]
            started = [self.start({"RANK": str(r), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}, run, r)
                       for r in range(ranks)]
        else:
            runs = [pathlib.Path(f"{run}-{p}") for p in range(processes)]
            started = [self.start({}, one, p) for p, one in enumerate(runs)]
        if any([process.wait() for process in started]):
            sys.exit(f"{run}: failed:\n" + "".join(log.read_text()[-2000:] for log in self.folder.glob(f"{run.name}*.log")))
        measured = [self.throughput(one) for one in runs]
        return sum(m[0] for m in measured), max(m[1] for m in measured)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--programs", default="build/bin")
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--steps", type=int, default=10)
    ap.add_argument("--batch", type=float, default=24, help="seconds of audio in a micro-batch")
    ap.add_argument("--clips", type=float, nargs=2, default=(2, 4), metavar=("SHORTEST", "LONGEST"), help="seconds")
    ap.add_argument("--negatives", default="micro_batch", choices=("micro_batch", "ranks"))
    args = ap.parse_args()
    layouts = {"one process": (1, 1), "two independent processes": (1, 2), "two ranks": (2, 1), "four ranks, two a core": (4, 1)}
    best: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="usam-ranks-") as name:
        folder = pathlib.Path(name)
        make_clips(folder, 400, *args.clips)
        bench = Bench(args, folder)
        for _ in range(args.repeat):
            for layout, (ranks, processes) in layouts.items():
                best[layout] = max(best.get(layout, (0, 0)), bench.measure(ranks, processes))
    one, independent = best["one process"][0], best["two independent processes"][0]
    print("| | seconds a step | audio seconds a second | over one process | over two independent ones |\n| --- | ---: | ---: | ---: | ---: |")
    for layout, (audio, seconds) in best.items():
        print(f"| {layout} | {seconds:.3f} | {audio:.1f} | {audio / one:.2f} x | {audio / independent:.2f} x |")


if __name__ == "__main__":
    main()
