"""How a training step grows: work, processor time and memory against clip length, batch, LoRA rank, vocabulary and encoders.

    tools/bench/run growth [--quick] [--axes clip_length,batch,...] [--plots docs/growth] [--seed N]

Each point is a short run of bench_step (real recipe, data and optimizer) on random weights. Work is counted by the code, so
it is exact; time is the least processor time of the timed steps; memory is the most that a step's tensors hold at a time beyond what was there before.
y = a + b x^p is fitted with a >= 0 and the p of least error, and the law that theory gives is fitted beside it: how far
the points lie from that says whether a step grows as it should.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

import common

CONFIG = """
seed: {seed}
run: {{dir: {folder}/run}}
data:
  train: {manifest}
  batch: {{rows: {batch}}}
  shuffle: false
  threads: 1
  long_audio: truncate
  max_seconds: 30
recipe:
  type: usam
  encoders: {{{encoders}}}
  fusion: {{reference: e1}}
  bridge: {{type: window_qformer, window: 17, queries: 1, layers: 2, hidden: 128, heads: 4, dropout: 0}}
  projector: {{type: moe, experts: 3, expert_hidden: 128}}
  llm:
    type: llama
    init: random
    layers: 4
    hidden: 256
    heads: 4
    intermediate: 688
    train: lora
    lora: {{rank: {rank}, alpha: 32, dropout: 0, targets: [q_proj, v_proj]}}
    tokenizer: {{path: {tokenizer}}}
  loss: {{ce: {{weight: 1}}, saclm: {{weight: 1, score_hidden: 128, slot_hidden: 128}}}}
trainer: {{max_steps: 1, optimizer: {{type: adamw, lr: 1e-6}}}}
"""
BASE = {"clip_length": 4, "batch": 4, "lora_rank": 8, "vocabulary": 2000, "encoders": 1}
# The values, those of --quick among them, and the law: exponents of the terms beside a constant.
AXES = {
    "clip_length": ([2, 4, 8, 16, 24, 30], [4, 8, 16, 30], (1, 2), "linear, and attention's quadratic part"),
    "batch": ([1, 2, 4, 8, 16], [2, 4, 8, 16], (1,), "linear"),
    "lora_rank": ([4, 16, 64, 128, 256], [4, 64, 256], (1,), "linear"),
    "vocabulary": ([1000, 10000, 40000, 80000, 160000], [1000, 40000, 160000], (1,), "linear, in supervised positions alone"),
    "encoders": ([1, 2, 3, 4], [1, 2, 4], (1,), "linear"),
}
UNITS = {"clip_length": "seconds a clip", "batch": "clips a batch", "lora_rank": "rank", "vocabulary": "tokens", "encoders": "encoders"}
MEASURES = {"work": ("GFLOP a step", 1e9), "seconds": ("processor seconds a step", 1), "memory": ("MiB of a step", 2**20)}


def fit_terms(x: list[float], y: list[float], exponents: tuple[float, ...]) -> tuple[np.ndarray, float]:
    """Least squares of y on a constant and powers of x, no coefficient below 0: the coefficients, the largest deviation
    relative to the largest y."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    scale = x.max()
    columns = [np.ones_like(x)] + [(x / scale) ** p for p in exponents]
    kept = list(range(len(columns)))
    while True:
        found, *_ = np.linalg.lstsq(np.stack([columns[i] for i in kept], 1), y, rcond=None)
        if (found >= 0).all() or len(kept) == 1:
            break
        del kept[int(np.argmin(found))]
    coefficients = np.zeros(len(columns))
    coefficients[kept] = found
    fitted = sum(c * column for c, column in zip(coefficients, columns))
    coefficients[1:] /= np.array([scale**p for p in exponents])
    return coefficients, float(np.abs(fitted - y).max() / np.abs(y).max())


def fit_power(x: list[float], y: list[float]) -> dict:
    """y = a + b x^p with a >= 0, b >= 0; of exponents between 0.1 and 3 the one of least error."""
    tried = [(fit_terms(x, y, (p,)), p) for p in np.arange(0.1, 3.001, 0.02)]

    def error(item) -> float:
        (coefficients, _), p = item
        return float(np.square(coefficients[0] + coefficients[1] * np.asarray(x, float) ** p - y).sum())

    (coefficients, apart), p = min(tried, key=error)
    return {"a": float(coefficients[0]), "b": float(coefficients[1]), "exponent": round(float(p), 2), "apart": apart}


def measure(point: dict, args: argparse.Namespace) -> dict:
    folder = common.OUT / "growth"
    length, vocabulary = point["clip_length"], point["vocabulary"]
    manifest = common.make_clips(folder / f"clips-{length}", 4 * point["batch"], length, length, args.seed)
    common.write_tokenizer(folder / f"tokenizer-{vocabulary}", vocabulary)
    encoders = ", ".join(f"e{i + 1}: {{type: whisper, init: random, layers: 2, width: 128, heads: 4, mels: 80}}" for i in range(point["encoders"]))
    config = folder / "growth.yaml"
    config.write_text(CONFIG.format(seed=args.seed, folder=folder, manifest=manifest, batch=point["batch"], rank=point["lora_rank"], encoders=encoders,
                                    tokenizer=folder / f"tokenizer-{vocabulary}"), encoding="utf8")
    done = subprocess.run([str(common.PROGRAMS / "bench_step"), str(config), "--steps", str(args.steps), "--skip", "1"], stdout=subprocess.PIPE, text=True,
                          cwd=common.TREE, env=os.environ | {"OMP_NUM_THREADS": "1", "USAM_LOG": "error"})
    if done.returncode:
        sys.exit(f"bench: bench_step failed on {config}")
    report = json.loads(done.stdout)
    return {"work": report["work_per_step"], "seconds": min(step["processor_seconds"] for step in report["steps"][1:]), "memory": report["tensor_bytes"]}


def axis_report(x: list[float], points: list[dict], law: tuple[float, ...]) -> dict:
    report = {"x": x, "points": points}
    for name in MEASURES:
        y = [point[name] for point in points]
        coefficients, apart = fit_terms(x, y, law)
        report[name] = fit_power(x, y) | {"law": coefficients.tolist(), "law_apart": apart}
    return report


def growth_text(report: dict, name: str) -> str:
    """The exponent, or of a time that rises too little for noise to leave one, by how much it rises."""
    values = [point[name] for point in report["points"]]
    if name == "seconds" and max(values) < 1.5 * min(values):
        return f"{100 * (values[-1] / values[0] - 1):+.0f} % in all"
    return f"exponent {report[name]['exponent']:.2f}"


def plot(axis: str, report: dict, folder: pathlib.Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": axis}
    fig, panels = plt.subplots(1, len(MEASURES), figsize=(10, 2.9), layout="constrained")
    x, law = np.asarray(report["x"], float), AXES[axis][2]
    fine = np.linspace(x.min(), x.max(), 60)
    for panel, (name, (title, unit)) in zip(panels, MEASURES.items()):
        coefficients = report[name]["law"]
        panel.plot(fine, (coefficients[0] + sum(c * fine**p for c, p in zip(coefficients[1:], law))) / unit, color="#999", label="law")
        panel.plot(x, [point[name] / unit for point in report["points"]], "o", color="#4477aa", label="measured")
        panel.set(xlabel=UNITS[axis], title=f"{title}: {growth_text(report, name)}", ylim=(0, None))
        panel.title.set_fontsize(9)
    panels[0].legend(fontsize=8)
    fig.suptitle(f"{axis.replace('_', ' ')}: expected {AXES[axis][3]}", fontsize=10)
    folder.mkdir(parents=True, exist_ok=True)
    fig.savefig(folder / f"{axis}.svg", metadata={"Date": None})
    plt.close(fig)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--axes", default=",".join(AXES))
    ap.add_argument("--quick", action="store_true", help="fewer points")
    ap.add_argument("--steps", type=int, default=15, help="of each run; the first one is not timed")
    ap.add_argument("--seed", type=int, default=20)
    ap.add_argument("--plots", default="", help="folder of the charts; default build/bench/growth")
    args = ap.parse_args()
    report = {"machine": common.machine(()), "settings": vars(args), "axes": {}}
    for axis in args.axes.split(","):
        if axis not in AXES:
            sys.exit(f"bench: there is no axis {axis}; there are {', '.join(AXES)}")
        values, few, law, _ = AXES[axis]
        x = few if args.quick else values
        points = [measure(BASE | {axis: value}, args) for value in x]
        report["axes"][axis] = axis_report(x, points, law)
        common.say(f"{axis}: " + ", ".join(f"{name} {growth_text(report['axes'][axis], name)}" for name in MEASURES))
        plot(axis, report["axes"][axis], pathlib.Path(args.plots) if args.plots else common.OUT / "growth")
    common.save("growth", report)


if __name__ == "__main__":
    main()
