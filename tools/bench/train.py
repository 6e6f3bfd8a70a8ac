"""usam-train and the Python peer on the same folders, rows, initial trainables and threads, in turn.

    tools/bench/run [--steps 12] [--repeat 3] [--batch 4] [--threads N]         speed and memory, as a table and JSON
    tools/bench/run --losses 100                                                the loss curves alone, one run of each

The peer runs twice: as it comes (MERT over the padded batch) and clip by clip, which is the computation that usam does
and whose losses usam's are held against. Dropout is off on both sides; rows come in the manifest's order.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "parity"))
from from_peer import convert  # noqa: E402

CONFIG = """
seed: 20
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
    whisper: {{type: whisper, path: {models}/whisper, pad: clip}}
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
  accumulate: {accumulate}
  max_grad_norm: 1
  log_every: 1
  save_every: 1000000
  eval_every: 1000000
  optimizer: {{type: adamw, lr: {lr}, weight_decay: 1e-6}}
  schedule: {{type: cosine, warmup: 0.13}}
"""


def spawn(command: list[str], threads: int, log: pathlib.Path, watch: pathlib.Path | None = None) -> dict:
    """Runs a command; gives its standard output, wall seconds, peak resident GiB, and when `watch` got its first line."""
    env = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    began = time.perf_counter()
    with open(log, "w", encoding="utf8") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=env, text=True)
    first = None
    while watch and process.poll() is None and first is None:
        if watch.exists() and watch.stat().st_size:
            first = time.perf_counter() - began
        time.sleep(0.02)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0) if process.returncode is None else (0, process.returncode, None)
    if status:
        sys.exit(f"bench: {' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    return {"output": output, "wall": time.perf_counter() - began, "first": first,
            "rss": usage.ru_maxrss / 2**20 if usage else float("nan")}


class Bench:
    def __init__(self, args: argparse.Namespace):
        self.args, self.out = args, pathlib.Path(args.output)
        self.out.mkdir(parents=True, exist_ok=True)
        self.init = self.out / "init.safetensors"
        self.llm = args.llm or f"{args.models}/llm"
        self.family = json.load(open(f"{self.llm}/config.json"))["model_type"]
        self.peer(1, 0, "padded", ["--save-init", str(self.out / "peer_init.safetensors")])
        convert(str(self.out / "peer_init.safetensors"), str(self.init))

    def peer(self, steps: int, skip: int, batching: str, more: list[str]) -> dict:
        a = self.args
        command = [sys.executable, a.peer, "--models", a.models, "--llm", self.llm, "--manifest", a.manifest,
                   "--steps", str(steps), "--skip", str(skip), "--batch", str(a.batch), "--accum", str(a.accumulate), "--lr", str(a.lr),
                   "--threads", str(a.threads), "--no-shuffle", "--max-seconds", "30", "--dropout", "0", "--lora-dropout", "0", "--mert-batching", batching,
                   "--qformer-dim", str(a.qformer_dim), "--saclm-hidden", str(a.saclm_hidden), "--verbose", *more]
        ran = spawn(command, a.threads, self.out / "peer.log")
        lines = ran["output"].splitlines()
        report = json.loads(lines[-1])
        history = [eval(line.split(" ", 1)[1], {"nan": float("nan")}) for line in lines[:-1] if line[:1].isdigit()]  # noqa: S307
        times = report["step_s"]
        return {"losses": [h["loss"] for h in history], "step_s": times, "audio_s_per_s": report["audio_s_per_s"],
                "rss": report["peak_rss_gib"] + report["largest_worker_rss_gib"],
                "first_s": report["startup_s"] + (times[0] if skip == 0 else 0)}

    def usam(self, steps: int, skip: int) -> dict:
        a = self.args
        run = self.out / "run"
        subprocess.run(["rm", "-rf", str(run)], check=True)
        config = self.out / "usam.yaml"
        config.write_text(CONFIG.format(
            run=run.absolute(), manifest=os.path.abspath(a.manifest), models=os.path.abspath(a.models), llm=os.path.abspath(self.llm),
            family=self.family, batch=a.batch, accumulate=a.accumulate, steps=steps, lr=a.lr, init=self.init.absolute(),
            hidden=a.qformer_dim, heads=max(1, a.qformer_dim // 64), saclm_hidden=a.saclm_hidden))
        ran = spawn(["build/bin/usam-train", str(config)], a.threads, self.out / "usam.log", run / "metrics.jsonl")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        lines = [line for line in lines if "loss" in line]
        timed = lines[skip:]
        seconds = [line["time"]["seconds"] for line in timed]
        audio = sum(line["time"]["seconds"] * line["time"]["audio_per_second"] for line in timed)
        return {"losses": [line["loss"] for line in lines], "step_s": seconds, "audio_s_per_s": audio / sum(seconds),
                "rss": ran["rss"], "first_s": ran["first"]}


def differences(ours: list[float], theirs: list[float]) -> list[float]:
    return [abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)]


def machine() -> dict:
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    import peft
    import torch
    import transformers

    return {"cpu": cpu, "torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}


def table(report: dict) -> str:
    rows = ["| | peer, padded MERT (as it comes) | peer, MERT clip by clip | usam |", "| --- | ---: | ---: | ---: |"]
    kinds = ("padded", "perclip", "usam")

    def row(title: str, cell) -> None:
        rows.append(f"| {title} | " + " | ".join(cell(report["figures"][kind]) for kind in kinds) + " |")

    row("seconds a step: median (range)", lambda f: "{:.3f} ({:.3f} to {:.3f})".format(*f["step_s"]))
    row("audio seconds a second", lambda f: f"{f['audio_s_per_s']:.1f}")
    row("peak memory, GiB", lambda f: f"{f['rss']:.2f}")
    base = report["figures"]["padded"]["step_s"][0]
    row("speed over the peer as it comes", lambda f: f"{base / f['step_s'][0]:.2f} x")
    ran = report["settings"]
    m = report["machine"]
    rows.append(f"\nBatch {ran['batch']} x {ran['accumulate']}, {ran['threads']} threads of {m['cpu']}; torch {m['torch']}, transformers "
                f"{m['transformers']}, peft {m['peft']}. {ran['repeat']} runs of each in turn, {ran['steps'] - ran['skip']} timed steps a run. First step of "
                f"usam {report['figures']['usam']['first_s']:.1f} s after its start. Losses of all steps agree with the peer's clip by clip within "
                f"{report['loss_difference']:.1e}.")
    return "\n".join(rows)


def measure(bench: Bench, args: argparse.Namespace) -> dict:
    runs = {"padded": [], "perclip": [], "usam": []}
    for turn in range(args.repeat):
        for kind in runs:
            ran = bench.usam(args.steps, args.skip) if kind == "usam" else bench.peer(args.steps, args.skip, kind, [])
            runs[kind].append(ran)
            print(f"bench: run {turn + 1} of {args.repeat}, {kind}: {statistics.median(ran['step_s']):.3f} s a step", file=sys.stderr)
    figures = {}
    for kind, ran in runs.items():
        medians = [statistics.median(r["step_s"]) for r in ran]
        figures[kind] = {"step_s": [statistics.median(medians), min(medians), max(medians)],
                         "audio_s_per_s": statistics.median(r["audio_s_per_s"] for r in ran),
                         "rss": max(r["rss"] for r in ran), "first_s": statistics.median(r["first_s"] for r in ran)}
    difference = max(differences(runs["usam"][0]["losses"], runs["perclip"][0]["losses"]))
    return {"machine": machine(), "settings": vars(args), "figures": figures, "loss_difference": difference}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--peer", required=True, help="the peer's program")
    ap.add_argument("--models", required=True, help="folder with whisper/ ced/ mert/ llm/")
    ap.add_argument("--llm", default="", help="another language model than MODELS/llm")
    ap.add_argument("--manifest", required=True)
    ap.add_argument("--output", default="build/bench/report")
    ap.add_argument("--steps", type=int, default=12)
    ap.add_argument("--skip", type=int, default=4, help="first steps that are not timed")
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--accumulate", type=int, default=1)
    ap.add_argument("--lr", type=float, default=5e-5)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--qformer-dim", type=int, default=768)
    ap.add_argument("--saclm-hidden", type=int, default=1024)
    ap.add_argument("--losses", type=int, default=0, help="compare the losses of so many steps, and time nothing")
    args = ap.parse_args()
    bench = Bench(args)
    if args.losses:
        ours, theirs = bench.usam(args.losses, 0)["losses"], bench.peer(args.losses, 0, "perclip", [])["losses"]
        apart = differences(ours, theirs)
        for step in range(0, args.losses, max(1, args.losses // 10)):
            print(f"step {step + 1}: peer {theirs[step]:.6f}, usam {ours[step]:.6f}, apart by {apart[step]:.1e}")
        print(f"losses of {args.losses} steps: largest relative difference {max(apart):.1e} at step {apart.index(max(apart)) + 1}")
        return
    report = measure(bench, args)
    (bench.out / "report.json").write_text(json.dumps(report, indent=1))
    print(table(report))


if __name__ == "__main__":
    main()
