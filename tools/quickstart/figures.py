"""Draws a quickstart run: loss curves, router weights per task, and for one clip of each task what SACLM keeps.

    python tools/quickstart/figures.py runs/quickstart

Reads */metrics.jsonl and stage2/evaluation/explained.jsonl (usam-eval --explain); writes losses.png, router.png, masks.png.
"""
from __future__ import annotations

import json
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import soundfile as sf


def read(path: str) -> list[dict]:
    return [json.loads(line) for line in open(path, encoding="utf8")]


def losses(run: str) -> None:
    fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    for ax, stage in zip(axes, ("pretrain", "stage2")):
        rows = read(os.path.join(run, stage, "metrics.jsonl"))
        steps = [r for r in rows if "grad_norm" in r]
        for term in ("ce", "saclm_hinge", "saclm_ratio", "saclm_distill"):
            if steps and term in steps[0]:
                ax.plot([r["step"] for r in steps], [r[term] for r in steps], label=term, lw=1)
        evaluations = [(r["step"], r["eval"]["ce"]) for r in rows if "eval" in r and "ce" in r["eval"]]
        if evaluations:
            ax.plot(*zip(*evaluations), "k.-", label="ce, validation")
        ax.set(title=stage, xlabel="step", yscale="log")
        ax.legend(fontsize=8)
    fig.savefig(os.path.join(run, "losses.png"), dpi=110)


def router(run: str, clips: list[dict]) -> None:
    tasks = sorted({c["task"] for c in clips})
    gates = np.array([np.mean([c["gates"] for c in clips if c["task"] == t], axis=0) for t in tasks])
    fig, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    width = 0.8 / gates.shape[1]
    for e in range(gates.shape[1]):
        ax.bar(np.arange(len(tasks)) + e * width, gates[:, e], width, label=f"expert {e}")
    ax.set_xticks(np.arange(len(tasks)) + width * (gates.shape[1] - 1) / 2, tasks)
    ax.set(ylabel="mean router weight", title="what the task-aware projector mixes")
    ax.legend(fontsize=8)
    fig.savefig(os.path.join(run, "router.png"), dpi=110)


def masks(run: str, clips: list[dict]) -> None:
    tasks = sorted({c["task"] for c in clips})
    fig, axes = plt.subplots(len(tasks), 1, figsize=(9, 2.7 * len(tasks)), layout="constrained", squeeze=False)
    for ax, task in zip(axes[:, 0], tasks):
        clip = max((c for c in clips if c["task"] == task), key=lambda c: len(c["kept"]))
        wave, rate = sf.read(clip["audio"], always_2d=True)
        power, _, _, image = ax.specgram(wave.mean(1) + 1e-9, NFFT=512, Fs=rate, noverlap=352, cmap="magma")
        top = 10 * np.log10(power.max())
        image.set_clim(top - 80, top)
        edges = np.linspace(0, clip["seconds"], len(clip["kept"]) + 1)
        for a, b, kept, score in zip(edges, edges[1:], clip["kept"], clip["scores"]):
            if not kept:
                ax.axvspan(a, b, color="white", alpha=0.6, lw=0)
            ax.text((a + b) / 2, 0.94 * rate / 2, f"{score:.2f}", ha="center", va="top", fontsize=6, color="black" if not kept else "white")
        ax.set(ylim=(0, rate / 2), xlim=(0, clip["seconds"]), ylabel="Hz", title=f"{task}: '{clip['ref']}' heard as '{clip['hyp']}'")
        ax.title.set_fontsize(9)
    axes[-1, 0].set_xlabel("seconds; white: masked by SACLM as redundant; numbers: significance")
    fig.savefig(os.path.join(run, "masks.png"), dpi=110)


def main() -> None:
    run = sys.argv[1]
    clips = [c for c in read(os.path.join(run, "stage2", "evaluation", "explained.jsonl")) if "kept" in c]
    losses(run)
    router(run, clips)
    masks(run, clips)


if __name__ == "__main__":
    main()
