"""What the benchmarks share: the machine, programs under observation, figures, the files of the report."""
from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import time
import wave

TREE = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(os.environ.get("USAM_BENCH", TREE / "build/bench"))
PROGRAMS = pathlib.Path(os.environ.get("USAM_PROGRAMS", TREE / "build/bin"))
SHARED = pathlib.Path(os.environ.get("USAM_SHARED", TREE.parent / "shared"))
ORACLE_PYTHON = TREE / ".venv-oracle/bin/python"
TICKS = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------ figures and reports


def spread(values: list[float]) -> list[float]:
    """Median, least, most."""
    return [statistics.median(values), min(values), max(values)]


def with_range(values: list[float], digits: int = 3) -> str:
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*values, d=digits)


def cpu_flags() -> set[str]:
    return next((set(line.split(":", 1)[1].split()) for line in open("/proc/cpuinfo", encoding="utf8") if line.startswith("flags")), set())


def machine(packages: tuple[str, ...] = ("torch",)) -> dict:
    """The processor, and the versions of the packages that this Python has."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf8") if line.startswith("model name")), platform.machine())
    wide = sorted(cpu_flags() & {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"})
    return {"cpu": cpu, "cores": os.cpu_count(), "flags": wide} | {name: importlib.metadata.version(name) for name in packages}


def commit() -> str:
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=TREE, capture_output=True, text=True)
    return described.stdout.strip() or "unknown"


def save(part: str, report: dict) -> pathlib.Path:
    """Writes build/bench/report_PART.json: the report with the commit and the time; table.py reads it."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"report_{part}.json"
    stamp = {"part": part, "commit": commit(), "time": datetime.datetime.now().isoformat(timespec="seconds")}
    path.write_text(json.dumps(stamp | report, indent=1, default=str), encoding="utf8")
    return path


# --------------------------------------------------------------------------------------------------- data to train on


def make_clips(folder: pathlib.Path, count: int, shortest: float, longest: float, seed: int = 3) -> pathlib.Path:
    """Noise of these lengths with labels of eight words, and their manifest."""
    draw = random.Random(seed)
    words = ["red", "green", "blue", "one", "two", "three", "walks", "stands", "sings", "slowly", "loudly"]
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "train.jsonl"
    with open(manifest, "w", encoding="utf8") as lines:
        for i in range(count):
            samples = round(16000 * draw.uniform(shortest, longest))
            with wave.open(str(folder / f"{i}.wav"), "wb") as file:
                file.setparams((1, 2, 16000, samples, "NONE", ""))
                file.writeframes(draw.randbytes(2 * samples))
            row = {"key": str(i), "wav": f"{i}.wav", "label": " ".join(draw.choices(words, k=8)), "task": "ASR", "dur": samples / 16000}
            lines.write(json.dumps(row) + "\n")
    return manifest


def write_tokenizer(folder: pathlib.Path, size: int) -> None:
    """A byte-level tokenizer with a vocabulary of this size: bytes, and tokens that no text has."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    words = letters + [f"<unused{i}>" for i in range(size - 257)]
    end = {"id": size - 1, "content": "</s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {word: i for i, word in enumerate(words)}, "merges": []}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [end], "normalizer": None, "pre_tokenizer": level, "post_processor": None,
        "decoder": level, "model": model}), encoding="utf8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}), encoding="utf8")


# --------------------------------------------------------------------------------------------------- watching programs


def busy_seconds() -> float:
    """Processor seconds that everybody on this machine has spent so far: user, nice, system, interrupts, stolen."""
    with open("/proc/stat", encoding="utf8") as stat:
        fields = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def family(process: int) -> list[int]:
    """A process and all that it has started."""
    found = [process]
    for task in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [pid for child in task.read_text().split() for pid in family(int(child))]
        except OSError:
            pass  # it has just ended
    return found


def processor_seconds(processes: list[int]) -> float:
    """What they and their ended children have spent, user and system."""
    ticks = 0
    for process in processes:
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


class Lines:
    """How many lines that are steps a growing file has."""

    def __init__(self, path: pathlib.Path, is_step):
        self.path, self.is_step, self.at, self.count = path, is_step, 0, 0

    def read(self) -> int:
        if self.path.exists() and self.path.stat().st_size > self.at:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self.at += len(whole)
            self.count += sum(map(self.is_step, whole.decode().splitlines()))
        return self.count


def watch(command: list[str], log: pathlib.Path, steps: Lines, threads: int) -> dict:
    """Runs a command whose steps appear as lines of a file, standard output going to log.out. Gives `marks`: at each sight of
    new steps how many there are, the time, processor seconds of the command's processes and of everybody else (without
    this script); peak resident GiB of the main process; when it was started and ended."""
    env = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    began = time.time()
    with open(log, "w", encoding="utf8") as errors, open(log.with_suffix(".out"), "w", encoding="utf8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=env, cwd=TREE)
    marks, known, status, usage = [], 0, None, None
    while status is None:
        ended, code, spent = os.wait4(process.pid, os.WNOHANG)
        if ended:
            status, usage = os.waitstatus_to_exitcode(code), spent
        elif steps.read() > known:
            known, own = steps.count, processor_seconds(family(process.pid))
            marks.append((known, time.time(), own, busy_seconds() - own - time.process_time()))
        else:
            time.sleep(0.005)
    process.returncode = status
    if status:
        sys.exit(f"bench: {' '.join(map(str, command))} failed with {status}:\n{log.read_text(encoding='utf8')[-3000:]}")
    return {"marks": marks, "began": began, "ended": time.time(), "rss": usage.ru_maxrss / 2**20}


def between(marks: list[tuple], skip: int) -> dict:
    """From the sight of step `skip` to that of the last one: steps, seconds a step, processor seconds a step, cores that others used."""
    first = next(mark for mark in marks if mark[0] >= skip)
    last = marks[-1]
    steps, wall = last[0] - first[0], last[1] - first[1]
    if steps < 1:
        raise ValueError(f"no step was seen after step {first[0]}: take more steps")
    return {"steps": steps, "wall": wall, "step_s": wall / steps, "cpu_s": (last[2] - first[2]) / steps, "foreign_cores": max(0.0, (last[3] - first[3]) / wall)}
