"""What each parallel.strategy costs a rank: memory, and bytes sent: by scaling.py, usam's own count and the network's.

    tools/bench/strategies.py --corpus FOLDER [--binary build/bin/usam-train] [--worlds 1,2,4] [--layers 8] [--steps 4]

Ranks are processes of one thread on this machine, in a network namespace of their own where that is permitted (root),
so that the loopback's counter sees their traffic alone. The model is a language model of random values that is trained
fully, then by LoRA; FOLDER holds train.jsonl and wav/, as make quickstart leaves them in runs/quickstart/corpus.
"""
import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from scaling import Sizes, bytes_sent

CONFIG = """
seed: 20
run: {{dir: {run}}}
data: {{train: {corpus}/train.jsonl, batch: {{rows: 2}}, long_audio: truncate, max_seconds: 4, threads: 1}}
recipe:
  type: usam
  encoders:
    whisper: {{type: whisper, init: random, layers: 2, width: 64, heads: 2, mels: 80}}
  fusion: {{reference: whisper}}
  bridge: {{type: window_qformer, window: 17, queries: 1, layers: 1, hidden: 64, heads: 2}}
  projector: {{type: moe, experts: 2, expert_hidden: 64}}
  llm:
    type: llama
    init: random
    layers: {layers}
    hidden: {hidden}
    heads: 8
    intermediate: {intermediate}
    train: {train}
    tokenizer: {{train: {{type: bpe, vocab_size: 400, byte_fallback: true}}}}
  loss: {{ce: {{weight: 1}}}}
trainer: {{max_steps: {steps}, accumulate: {accumulate}, log_every: 1, save_every: 1000000}}
parallel: {{strategy: {strategy}}}
"""


def status_mib(pid, key):
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def loopback_bytes(pid):
    for line in open(f"/proc/{pid}/net/dev"):
        if line.strip().startswith("lo:"):
            return int(line.split()[9])
    return 0


def stored_bytes(file, prefix=""):
    """Of the tensors of a safetensors file whose names begin so."""
    with open(file, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    offsets = [entry["data_offsets"] for name, entry in header.items() if name.startswith(prefix) and name != "__metadata__"]
    return sum(end - begin for begin, end in offsets)


def sizes_of(options, train, model):
    """What scaling.py says a step sends, from what is trained and from the config's dimensions."""
    trained, in_blocks = stored_bytes(model), stored_bytes(model, "llm.model.layers.")
    hidden = options.hidden
    frozen_blocks = 0 if train == "full" else 4 * options.layers * (4 * hidden**2 + 3 * 4 * hidden**2 + 2 * hidden)
    whisper = 64  # width of the frozen encoder, whose keys have no bias
    encoder_blocks = 4 * 2 * (4 * whisper**2 + 3 * whisper + 2 * 4 * whisper**2 + 5 * whisper + 4 * whisper)
    frozen_root = 0 if train == "full" else 4 * 2 * 400 * hidden
    return Sizes(gradients=trained, blocks=frozen_blocks + in_blocks, forward_blocks=encoder_blocks,
                 root=trained - in_blocks + frozen_root, block_gradients=in_blocks, updated=trained)


class Job:
    """`world` ranks of one command; samples their memory while they train and reads the counter between two steps."""

    def __init__(self, binary, config, run, world, isolated):
        self.metrics = pathlib.Path(run) / "metrics.jsonl"
        ranks = " ".join(
            f"RANK={rank} WORLD_SIZE={world} MASTER_ADDR=127.0.0.1 MASTER_PORT=29777 {binary} {config} >{run}.{rank}.log 2>&1 &"
            for rank in range(world))
        command = f"ip link set lo up; {ranks} wait" if isolated else f"{ranks} wait"
        # Freed blocks go back to the system at once, so that the memory in use is what is seen.
        environment = dict(os.environ, OMP_NUM_THREADS="1", MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
        launcher = ["unshare", "--net"] if isolated else []
        self.process = subprocess.Popen(launcher + ["sh", "-c", command], env=environment)
        self.binary, self.memory, self.counts = binary, 0.0, []

    def pids(self):
        # unshare becomes the shell; its children are the ranks.
        out = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout
        return [int(pid) for pid in out.split()]

    def lines(self):
        return self.metrics.read_text().count("\n") if self.metrics.exists() else 0

    def watch(self):
        seen = 0
        while self.process.poll() is None:
            lines, pids = self.lines(), self.pids()
            if lines >= 1 and pids:
                self.memory = max([self.memory] + [status_mib(pid, "RssAnon") for pid in pids])
            if lines > seen and pids:
                try:
                    self.counts.append((lines, loopback_bytes(pids[0])))
                except OSError:
                    pass
                seen = lines
            time.sleep(0.005)
        return self.process.returncode


def measure(options, strategy, train, world, isolated):
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        config = pathlib.Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(
            run=run, corpus=pathlib.Path(options.corpus).resolve(), strategy=strategy, train=train, steps=options.steps,
            layers=options.layers, hidden=options.hidden, intermediate=4 * options.hidden, accumulate=max(1, 4 // world)))
        job = Job(pathlib.Path(options.binary).resolve(), config, run, world, isolated)
        job.watch()
        lines = [json.loads(line) for line in open(job.metrics)] if job.metrics.exists() else []
        if len(lines) < options.steps:
            sys.exit(f"{strategy} on {world} ranks failed:\n" + open(f"{run}.0.log").read()[-2000:])
        counted = statistics.median(line["time"]["sent_bytes"] for line in lines[1:])
        seen = 0.0
        if isolated and world > 1 and len(job.counts) > 1:
            (first, begin), (last, end) = job.counts[0], job.counts[-1]
            seen = (end - begin) / (last - first) / world
        accumulate = max(1, 4 // world)
        model = bytes_sent(strategy, world, accumulate, sizes_of(options, train, f"{run}/last/model.safetensors"), 1)
        return {
            "model_mib": model / 2**20, "strategy": strategy, "train": train, "ranks": world, "loss": lines[-1]["loss"], "memory_mib": job.memory,
            "sent_mib": counted / 2**20, "seen_mib": seen / 2**20,
            "seconds": statistics.median(line["time"]["seconds"] for line in lines[1:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--binary", default="build/bin/usam-train")
    parser.add_argument("--worlds", default="1,2,4")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    isolated = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
    if not isolated:
        print("bench: no network namespace may be made here; the counter is left out", file=sys.stderr)
    print("| trained | strategy | ranks | memory of a rank, MiB | the model says, MiB a step | usam counts | seen on the wire | s a step | loss |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for train in ("full", "lora"):
        for strategy in ("ddp", "zero1", "fsdp"):
            for world in map(int, options.worlds.split(",")):
                if world == 1 and strategy != "ddp":
                    continue
                row = measure(options, strategy, train, world, isolated)
                print("| {train} | {strategy} | {ranks} | {memory_mib:.0f} | {model_mib:.1f} | {sent_mib:.1f} | {seen_mib:.1f} | {seconds:.2f} | "
                      "{loss:.4f} |".format(**row), flush=True)


if __name__ == "__main__":
    main()
