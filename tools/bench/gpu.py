"""Training on one CUDA device at the published sizes, from random weights: speed, memory, share of the roof, the top ten kernels.

    tools/bench/run gpu [--steps 20] [--batch 16] [--min-seconds 5] [--max-seconds 15]

tools/bench/gpu.yaml is the run. The roof is what torch makes of the step's own matrix products in bf16 on the same device.
The Python peer runs on the CPU only and takes no part.
"""
from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

import torch

import common


def refuse_without_device() -> None:
    if not torch.cuda.is_available():
        sys.exit("bench: torch finds no CUDA device here. On a machine with one, `USAM_CUDA=1 tools/setup` installs torch's CUDA build and "
                 "`tools/bench/run gpu` measures.")


def top_kernels(trace: pathlib.Path, count: int = 10) -> list[dict]:
    """Kernels of a Chrome trace by their time: name, calls, milliseconds, share of all kernels'."""
    events = [e for e in json.loads(trace.read_text(encoding="utf8"))["traceEvents"] if e.get("cat") == "kernel"]
    spent, calls = collections.Counter(), collections.Counter()
    for event in events:
        spent[event["name"]] += event["dur"] / 1000
        calls[event["name"]] += 1
    whole = sum(spent.values())
    return [{"name": name[:80], "calls": calls[name], "ms": ms, "share": ms / whole} for name, ms in spent.most_common(count)]


def run_program(command: list[object]) -> str:
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd=common.TREE, env=os.environ | {"USAM_BENCH": str(common.OUT)})
    if done.returncode:
        sys.exit(f"bench: {command[0]} failed with {done.returncode}")
    return done.stdout


def measure(args: argparse.Namespace) -> dict:
    folder = common.OUT / "gpu"
    common.make_clips(folder / "clips", args.batch * args.steps, args.min_seconds, args.max_seconds, args.seed)
    common.write_tokenizer(folder / "tokenizer", 128256)
    shutil.rmtree(folder / "run", ignore_errors=True)
    config, overrides = common.TREE / "tools/bench/gpu.yaml", [f"data.batch.rows={args.batch}", f"seed={args.seed}"]
    metrics = folder / "run/metrics.jsonl"
    os.environ["USAM_BENCH"] = str(common.OUT)
    train = [common.PROGRAMS / "usam-train", config, *overrides, f"trainer.max_steps={args.steps}"]
    seen = common.watch(list(map(str, train)), folder / "usam.log", common.Lines(metrics, lambda line: '"loss"' in line), os.cpu_count())
    times = [json.loads(line)["time"] for line in metrics.read_text(encoding="utf8").splitlines() if '"loss"' in line][args.skip:]
    work = json.loads(run_program([common.PROGRAMS / "bench_step", config, *overrides, "--steps", 4, "--skip", 2, "--profile", folder / "trace.json"]).splitlines()[-1])  # the profiler says something of its own
    (folder / "work.json").write_text(json.dumps(work), encoding="utf8")
    roof = json.loads(run_program([sys.executable, common.TREE / "tools/bench/roof.py", folder / "work.json", "--device", "cuda", "--dtype", "bfloat16"]))
    seconds = [time["seconds"] for time in times]
    figures = {"step_s": common.spread(seconds), "audio_s_per_s": sum(t["seconds"] * t["audio_per_second"] for t in times) / sum(seconds),
               "device_gib": max(t["peak_device_memory"] for t in times) / 2**30, "rss": seen["rss"], "first_step_s": seen["marks"][0][1] - seen["began"]}
    return {"figures": figures, "work": work["work_per_step"], "roof": roof, "kernels": top_kernels(folder / "trace.json")}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--check", action="store_true", help="only say whether there is a device")
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--skip", type=int, default=5, help="first steps that are not timed")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--min-seconds", type=float, default=5)
    ap.add_argument("--max-seconds", type=float, default=15)
    ap.add_argument("--seed", type=int, default=20)
    args = ap.parse_args()
    refuse_without_device()
    if args.check:
        return
    machine = common.machine() | {"device": torch.cuda.get_device_name()}
    common.save("gpu", {"machine": machine, "settings": vars(args)} | measure(args))
    print((common.OUT / "report_gpu.json").read_text(encoding="utf8"))


if __name__ == "__main__":
    main()
