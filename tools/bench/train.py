"""usam-train and the Python peer on the same folders, rows, initial trainables and threads, in turn.

    tools/bench/run train [--sizes tiny,lite,bench] [--seed N] [--min-seconds S] [--max-seconds S] [--repeat 3]
    tools/bench/run train --sizes tiny --losses 100        the loss curves alone, one run of each

Kinds of runs, in turn in every repetition:
  peer_same, usam_same  identical work in fp32 (Whisper padded to 30 s on both sides, in `tiny` to the clip; the peer's MERT
                        clip by clip, which are the values that usam's has); the losses are compared
  peer_best             the peer's fastest settings of those that it has: clips padded to the longest, MERT over the padded
                        batch, bf16 where that is faster
  usam_best             usam with frozen weights in few bits (--best): encoders in int8, the language model in bfloat16 where the
                        processor has instructions for it, else in int8
  usam_cached           the same where encoders' outputs are in recipe.cache: the second epoch
Dropout is off; rows come in the manifest's order. Steps are timed from outside, by the lines that both sides write. A run
beside which others used more than --foreign cores is thrown away and repeated, --retries times, and then marked.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import common

KINDS = ("peer_same", "usam_same", "peer_best", "usam_best", "usam_cached")
HAS_BF16 = bool(common.cpu_flags() & {"avx512_bf16", "amx_bf16"})
BEST = (*(f"recipe.encoders.{name}.store=int8_dynamic" for name in ("whisper", "ced", "mert")),
        f"recipe.llm.store={'bfloat16_dynamic' if HAS_BF16 else 'int8_dynamic'}")
CONFIG = """
seed: {seed}
run: {{dir: {run}}}
data:
  train: {manifest}
  batch: {{rows: {batch}}}
  shuffle: false
  threads: 1
  long_audio: truncate
  max_seconds: 30
recipe:
  type: usam
  encoders:
    whisper: {{type: whisper, path: {models}/whisper, pad: {pad}}}
    ced: {{type: ced, path: {models}/ced}}
    mert: {{type: mert, path: {models}/mert}}
  fusion: {{reference: ced}}
  bridge: {{type: window_qformer, window: 17, queries: 1, layers: 2, hidden: {hidden}, heads: {heads}, dropout: 0}}
  projector: {{type: moe, experts: 3, expert_hidden: null, router_input: both}}
  llm:
    type: {family}
    path: {llm}
    train: lora
    lora: {{rank: 8, alpha: 32, dropout: 0, targets: [q_proj, v_proj]}}
    tokenizer: {{path: {llm}}}
  loss: {{ce: {{weight: 1}}, saclm: {{weight: 1, score_hidden: {saclm_hidden}}}}}
init_from: [{init}]
trainer:
  max_steps: {steps}
  max_grad_norm: 1
  log_every: 1
  save_every: 1000000
  eval_every: 1000000
  optimizer: {{type: adamw, lr: {lr}, weight_decay: 1e-6}}
  schedule: {{type: cosine, warmup: 0.13}}
"""


@dataclasses.dataclass
class Size:
    """Weights that make_oracles.py draws, and clips that synth_data.py makes for them."""
    weights: list[str]
    llm: str
    seconds: tuple[float, float]
    clips: int
    hidden: int
    saclm_hidden: int
    pad: str
    steps: int
    skip: int


SIZES = {
    "tiny": Size(["--only", "whisper,mert,ced,qwen2"], "qwen2", (1, 3), 64, 64, 32, "clip", 120, 20),
    "lite": Size(["--size", "small", "--encoder-layers", "3", "--llm-layers", "4", "--llm-vocab", "32768"], "llm", (2, 4), 32, 768, 1024, "30s", 8, 2),
    "bench": Size(["--size", "small", "--llm-layers", "12"], "llm", (5, 10), 16, 768, 1024, "30s", 5, 1),
}


class Bench:
    """One size: its folders, its runs."""

    def __init__(self, name: str, args: argparse.Namespace):
        size = dataclasses.replace(SIZES[name])
        size.steps, size.skip, size.clips = args.steps or size.steps, size.skip if args.skip is None else args.skip, args.clips or size.clips
        size.seconds = (args.min_seconds or size.seconds[0], args.max_seconds or size.seconds[1])
        self.args, self.size, self.out = args, size, common.OUT / f"train_{name}"
        self.models = pathlib.Path(args.models) if args.models else common.OUT / f"{name}-{args.seed}"
        self.clips = common.OUT / "clips" / f"{args.seed}-{size.clips}-{size.seconds[0]:g}-{size.seconds[1]:g}"
        self.out.mkdir(parents=True, exist_ok=True)
        self.make(self.models / size.llm / "config.json", "make_oracles.py", self.models, *size.weights)
        self.make(self.clips / "manifest.jsonl", "synth_data.py", self.clips, "--clips", size.clips, "--min-seconds", size.seconds[0],
                  "--max-seconds", size.seconds[1])
        self.init = self.out / "init.safetensors"
        peers = self.out / "peer_init.safetensors"
        self.peer(1, 0, "--save-init", peers)
        convert = [sys.executable, common.TREE / "tools/parity/from_peer.py", peers, self.init]
        subprocess.run(list(map(str, convert)), check=True)
        self.best_flags: list[str] = []
        self.is_filled = False

    def make(self, made: pathlib.Path, script: str, folder: pathlib.Path, *arguments: object) -> None:
        if made.exists():
            return
        common.say(f"making {folder}")
        command = [common.ORACLE_PYTHON, common.SHARED / "peer" / script, folder, "--seed", self.args.seed, *arguments]
        with open(common.OUT / "make.log", "w", encoding="utf8") as log:
            if subprocess.run(list(map(str, command)), stdout=log, stderr=log).returncode:
                sys.exit(f"bench: {script} failed; see {common.OUT}/make.log")

    def peer(self, steps: int, skip: int, *more: object) -> dict:
        a, s = self.args, self.size
        command = [sys.executable, common.TREE / "tools/bench/peer_driver.py", a.peer, "--models", self.models, "--llm", self.models / s.llm,
                   "--manifest", self.clips / "manifest.jsonl", "--steps", steps, "--skip", skip, "--batch", a.batch, "--lr", a.lr, "--threads", a.threads,
                   "--seed", a.seed, "--no-shuffle", "--max-seconds", "30", "--dropout", "0", "--lora-dropout", "0", "--qformer-dim", s.hidden,
                   "--saclm-hidden", s.saclm_hidden, "--verbose", *more]
        log = self.out / "peer.log"
        log.with_suffix(".out").unlink(missing_ok=True)
        seen = common.watch(list(map(str, command)), log, common.Lines(log.with_suffix(".out"), lambda line: line[:1].isdigit()), a.threads)
        lines = log.with_suffix(".out").read_text(encoding="utf8").splitlines()
        report = json.loads(lines[-1])
        history = [eval(line.split(" ", 1)[1], {"nan": float("nan")}) for line in lines if line[:1].isdigit()]  # noqa: S307
        first = next(float(line.split()[1]) for line in lines if line.startswith("first_forward"))
        figures = {"losses": [h["loss"] for h in history], "rss": seen["rss"] + report["largest_worker_rss_gib"], "first_forward_s": first - seen["began"],
                   "best_step_s": report["best_step_s"]}
        if steps - skip > 1:
            figures |= common.between(seen["marks"], skip)
            per_step = report["s_per_step"]
            figures |= {"audio_per_step": report["audio_s_per_s"] * per_step, "tokens_per_step": report["llm_tokens_per_s"] * per_step,
                        "waiting": report["stage_s_per_step"]["data"] / per_step}
        return figures

    def config(self, steps: int, *overrides: str) -> pathlib.Path:
        a, s = self.args, self.size
        path = self.out / "usam.yaml"
        llm = (self.models / s.llm).resolve()
        path.write_text(CONFIG.format(
            seed=a.seed, run=(self.out / "run").resolve(), manifest=(self.clips / "manifest.jsonl").resolve(), models=self.models.resolve(), llm=llm,
            family=json.load(open(llm / "config.json", encoding="utf8"))["model_type"], batch=a.batch, steps=steps, lr=a.lr, init=self.init.resolve(),
            hidden=s.hidden, heads=max(1, s.hidden // 64), saclm_hidden=s.saclm_hidden, pad=s.pad))
        return path

    def usam(self, steps: int, skip: int, *overrides: str) -> dict:
        run = self.out / "run"
        shutil.rmtree(run, ignore_errors=True)
        metrics = run / "metrics.jsonl"
        command = [common.PROGRAMS / "usam-train", self.config(steps), *overrides]
        seen = common.watch(list(map(str, command)), self.out / "usam.log", common.Lines(metrics, lambda line: '"loss"' in line), self.args.threads)
        lines = [json.loads(line) for line in metrics.read_text(encoding="utf8").splitlines()]
        times = [line["time"] for line in lines if "loss" in line]
        known, at = seen["marks"][0][:2]
        timed = times[skip:]
        figures = {"losses": [line["loss"] for line in lines if "loss" in line], "rss": seen["rss"], "best_step_s": min(t["seconds"] for t in timed),
                   "first_forward_s": at - sum(t["seconds"] for t in times[:known]) + times[0]["data"] - seen["began"]}
        if steps - skip > 1:
            figures |= common.between(seen["marks"], skip)
            figures |= {"audio_per_step": statistics.mean(t["seconds"] * t["audio_per_second"] for t in timed),
                        "waiting": sum(t["data"] for t in timed) / sum(t["seconds"] for t in timed)}
        return figures

    def work(self) -> dict:
        """What the steps of usam_same consist of, and of what products: bench_step's report."""
        s = self.size
        command = [common.PROGRAMS / "bench_step", self.config(s.steps), "--steps", s.steps, "--skip", s.skip]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True, text=True, cwd=common.TREE,
                              env=os.environ | {"OMP_NUM_THREADS": str(self.args.threads), "USAM_LOG": "warn"})
        (self.out / "work.json").write_text(done.stdout, encoding="utf8")
        return json.loads(done.stdout)

    def roof(self) -> dict:
        command = [sys.executable, common.TREE / "tools/bench/roof.py", self.out / "work.json", "--threads", self.args.threads]
        return json.loads(subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True, text=True).stdout)

    def cache(self) -> list[str]:
        """Overrides under which every clip's encodings are there already."""
        where, kept = (self.out / "cache").resolve(), self.args.cache_dtype
        cache = [f"recipe.cache.dir={where}", f"recipe.cache.dtype={kept}"]
        if not self.is_filled:
            shutil.rmtree(self.out / "cache", ignore_errors=True)
            epoch = -(-self.size.clips // self.args.batch)
            self.usam(epoch, epoch - 1, "recipe.encoders.whisper.pad=clip", *self.args.best.split(), *cache)
            self.is_filled = True
        return [*self.args.best.split(), *cache]

    def choose_peers_best(self) -> None:
        """bf16, where the processor has instructions for it and two steps of it are faster than of fp32."""
        settings = {"fp32": [], "bf16": ["--bf16"]} if HAS_BF16 else {"fp32": []}
        best = {name: self.peer(3, 1, *flags)["best_step_s"] for name, flags in settings.items()} if len(settings) > 1 else {"fp32": 0.0}
        self.best_flags = settings[min(best, key=best.get)]

    def once(self, kind: str) -> dict:
        s = self.size
        if kind == "peer_same":
            return self.peer(s.steps, s.skip, "--whisper-pad", s.pad, "--mert-batching", "perclip")
        if kind == "peer_best":
            return self.peer(s.steps, s.skip, *self.best_flags)
        if kind == "usam_same":
            return self.usam(s.steps, s.skip)
        overrides = self.cache() if kind == "usam_cached" else self.args.best.split()
        return self.usam(s.steps, s.skip, "recipe.encoders.whisper.pad=clip", *overrides)

    def quiet(self, kind: str) -> dict:
        """A run beside which the machine was quiet, as far as there was one."""
        runs = []
        while len(runs) <= self.args.retries:
            runs.append(self.once(kind))
            if runs[-1]["foreign_cores"] <= self.args.foreign:
                return runs[-1]
            common.say(f"{kind}: others used {runs[-1]['foreign_cores']:.2f} cores" + ("; once more" if len(runs) <= self.args.retries else ""))
        return min(runs, key=lambda run: run["foreign_cores"])

    def measure(self) -> dict:
        kinds = self.args.kinds.split(",")
        if "peer_best" in kinds:
            self.choose_peers_best()
        work = self.work() if "usam_same" in kinds else None
        runs: dict[str, list[dict]] = {kind: [] for kind in kinds}
        roofs = []
        for turn in range(self.args.repeat):
            if work:
                roofs.append(self.roof())
            for kind in kinds:
                runs[kind].append(self.quiet(kind))
                common.say(f"run {turn + 1} of {self.args.repeat}, {kind}: {runs[kind][-1]['step_s']:.3f} s a step")
        tokens = next((run["tokens_per_step"] for kind in kinds if kind.startswith("peer") for run in runs[kind]), None)
        report = {"settings": dataclasses.asdict(self.size) | {"peer_best": self.best_flags, "usam_best": self.args.best},
                  "figures": {kind: figures_of(of, tokens, self.args.foreign) for kind, of in runs.items()}}
        if {"peer_same", "usam_same"} <= set(kinds):
            ours, theirs = runs["usam_same"][0]["losses"], runs["peer_same"][0]["losses"]
            report["losses"] = {"usam": ours[:5], "peer": theirs[:5], "apart": max(differences(ours, theirs))}
        if work:
            report["work"] = {"per_step": work["work_per_step"], "by_operator": work["by_operator"]}
            report["roof"] = {name: common.spread([roof[name] for roof in roofs]) for name in ("square", "shapes")}
        return report


def differences(ours: list[float], theirs: list[float]) -> list[float]:
    return [abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)]


def figures_of(runs: list[dict], tokens_per_step: float | None, foreign: float) -> dict:
    """Median, least, most over the runs. The rows are the same everywhere, and so are the tokens of a step."""
    figures = {name: common.spread([run[name] for run in runs]) for name in ("step_s", "cpu_s", "first_forward_s", "waiting", "foreign_cores", "best_step_s")}
    figures["rss"] = max(run["rss"] for run in runs)
    figures["steps_per_s"] = common.spread([1 / run["step_s"] for run in runs])
    figures["audio_s_per_s"] = common.spread([run["audio_per_step"] / run["step_s"] for run in runs])
    if tokens_per_step:
        figures["tokens_per_s"] = common.spread([tokens_per_step / run["step_s"] for run in runs])
    figures["disturbed"] = sum(run["foreign_cores"] > foreign for run in runs)
    return figures


def compare_losses(bench: Bench, steps: int) -> None:
    theirs = bench.peer(steps, 0, "--whisper-pad", bench.size.pad, "--mert-batching", "perclip")["losses"]
    ours = bench.usam(steps, 0)["losses"]
    apart = differences(ours, theirs)
    for step in range(0, steps, max(1, steps // 10)):
        print(f"step {step + 1}: peer {theirs[step]:.6f}, usam {ours[step]:.6f}, apart by {apart[step]:.1e}")
    print(f"losses of {steps} steps: largest relative difference {max(apart):.1e} at step {apart.index(max(apart)) + 1}")


def parser() -> argparse.ArgumentParser:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sizes", default="tiny,lite", help=f"of {', '.join(SIZES)}")
    ap.add_argument("--kinds", default=",".join(KINDS))
    ap.add_argument("--seed", type=int, default=20, help="of the weights, the clips and the runs")
    ap.add_argument("--min-seconds", type=float, help="shortest clip; each size has its own")
    ap.add_argument("--max-seconds", type=float, help="longest clip")
    ap.add_argument("--clips", type=int, default=0)
    ap.add_argument("--steps", type=int, default=0)
    ap.add_argument("--skip", type=int, help="first steps that are not timed")
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--lr", type=float, default=5e-5)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--best", default=" ".join(BEST), help="overrides of usam_best, separated by spaces")
    ap.add_argument("--cache-dtype", default="fp32", choices=("fp32", "fp16", "bf16"))
    ap.add_argument("--foreign", type=float, default=0.1, help="cores of others that a run may suffer")
    ap.add_argument("--retries", type=int, default=2)
    ap.add_argument("--losses", type=int, default=0, help="compare the losses of so many steps, and time nothing")
    ap.add_argument("--models", default="", help="folder with whisper/ ced/ mert/ and the language model's, instead of one made here")
    ap.add_argument("--peer", default=str(common.SHARED / "peer/usam_peer.py"))
    return ap


def main() -> None:
    args = parser().parse_args()
    common.OUT.mkdir(parents=True, exist_ok=True)
    sizes = args.sizes.split(",")
    if unknown := [name for name in sizes if name not in SIZES]:
        sys.exit(f"bench: there is no size {', '.join(unknown)}; there are {', '.join(SIZES)}")
    if args.losses:
        for name in sizes:
            compare_losses(Bench(name, args), args.losses)
        return
    report = {"machine": common.machine(("torch", "transformers", "peft")), "settings": vars(args), "sizes": {}}
    for name in sizes:
        common.say(f"size {name}")
        report["sizes"][name] = Bench(name, args).measure()
        common.save("train", report)  # what is there counts, should a later size fail


if __name__ == "__main__":
    main()
