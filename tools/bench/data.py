"""usam's data path against a PyTorch DataLoader that does the same: decode, resample, Whisper's and CED's log-mel, MERT's
normalised wave, padded batches. Same files, batches and cores, in turns.

    .venv-oracle/bin/python tools/bench/data.py --data SHARED/data --peer SHARED/peer [--workers 1,2] [--repeat 3]

The Python side reads with soundfile, resamples with soxr at quality HQ (once for each rate) and featurises with
transformers' WhisperFeatureExtractor and Wav2Vec2FeatureExtractor and the peer's CED front end; its workers persist, run
torch on one thread each and hand over whole batches. Of its settings (clips featurised one by one, or Whisper's and
MERT's a batch at a time; batches fetched ahead) the fastest of a first round is taken. Speed is hours of audio by second of
processor time: what one core does in a second of its own, whatever else the machine is at.
"""
import argparse
import functools
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import soundfile
import soxr
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

import common
from common import processor_seconds, spread

STREAMS = ("whisper", "ced", "mert")
SETTINGS = {f"{name}, {ahead} ahead": (by_batch, ahead)
            for (name, by_batch), ahead in itertools.product((("clip by clip", False), ("by batch", True)), (2, 4))}


class Features:
    """The streams of clips at 16 and 24 kHz, each a tensor with time first; `peer` is the folder of CED's front end."""

    def __init__(self, peer: str, thirty_seconds: bool):
        sys.path.insert(0, peer)
        from ced_model import CedFrontEnd

        self.thirty_seconds = thirty_seconds
        self.whisper, self.ced = WhisperFeatureExtractor(feature_size=80), CedFrontEnd()
        self.mert = Wav2Vec2FeatureExtractor(sampling_rate=24000, do_normalize=True, return_attention_mask=False)

    def mels(self, waves: list[np.ndarray]) -> list[torch.Tensor]:
        """Of each clip 2 ceil(n / 320) frames, or 30 s. The reflection at the end lies behind the frames that see the clip."""
        frames = [-(-len(x) // 320) * 2 for x in waves]
        if self.thirty_seconds:
            found = self.whisper(waves, sampling_rate=16000, return_tensors="np").input_features
            return [torch.from_numpy(x.T) for x in found]
        padded = np.zeros((len(waves), max(frames) * 160 + 400), np.float32)
        for row, wave in zip(padded, waves):
            row[: len(wave)] = wave
        found = self.whisper(list(padded), sampling_rate=16000, padding="longest", truncation=False, return_tensors="np")
        return [torch.from_numpy(x[:, :n].T) for x, n in zip(found.input_features, frames)]

    def ced_mel(self, wave: np.ndarray) -> torch.Tensor:
        return self.ced(torch.from_numpy(wave)[None])[0].T

    def waves(self, waves: list[np.ndarray]) -> list[torch.Tensor]:
        return [torch.from_numpy(x) for x in self.mert(waves, sampling_rate=24000).input_values]


def decode(path: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Seconds, and the mean of the channels at 16 and 24 kHz."""
    samples, rate = soundfile.read(path, dtype="float32")
    if samples.ndim == 2:
        samples = samples.mean(1)
    at = {to: samples if rate == to else soxr.resample(samples, rate, to, quality="HQ") for to in (16000, 24000)}
    return len(samples) / rate, at[16000], at[24000]


class Clips(torch.utils.data.Dataset):
    def __init__(self, rows: list[dict], features: Features, by_batch: bool):
        self.rows, self.features, self.by_batch = rows, features, by_batch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        seconds, at16, at24 = decode(self.rows[index]["wav"])
        if self.by_batch:
            return seconds, at16, self.features.ced_mel(at16), at24
        return seconds, self.features.mels([at16])[0], self.features.ced_mel(at16), self.features.waves([at24])[0]

    def collate(self, samples: list) -> dict:
        seconds, whisper, ced, mert = (list(column) for column in zip(*samples))
        if self.by_batch:
            whisper, mert = self.features.mels(whisper), self.features.waves(mert)
        batch = {"seconds": sum(seconds)}
        for name, items in zip(STREAMS, (whisper, ced, mert)):
            batch[name] = torch.nn.utils.rnn.pad_sequence(items, batch_first=True)
            batch[f"{name}_lengths"] = torch.tensor([len(x) for x in items])
        return batch


class TorchLoader:
    """A DataLoader whose workers stay; timed passes over it."""

    def __init__(self, rows: list[dict], features: Features, setting: str, workers: int, batch: int):
        by_batch, ahead = SETTINGS[setting]
        clips = Clips(rows, features, by_batch)
        self.loader = torch.utils.data.DataLoader(clips, batch_size=batch, num_workers=workers, collate_fn=clips.collate,
                                                  prefetch_factor=ahead, persistent_workers=True,
                                                  worker_init_fn=lambda _: torch.set_num_threads(1))

    def measure(self) -> dict:
        began, audio, first, processes = time.perf_counter(), 0.0, None, []
        batches = iter(self.loader)
        processes = [os.getpid(), *(w.pid for w in batches._workers)]
        processor = processor_seconds(processes)
        for batch in batches:
            first = first or time.perf_counter() - began
            audio += batch["seconds"]
        return {"wall_s": time.perf_counter() - began, "cpu_s": processor_seconds(processes) - processor, "first_batch_s": first,
                "audio_s": audio, "clips": len(self.loader.dataset), "skipped": 0}


def rows_of(data: pathlib.Path) -> list[dict]:
    rows = [json.loads(line) for split in ("train", "valid", "test") for line in open(data / f"{split}.jsonl", encoding="utf8")]
    return [row | {"wav": str((data / row["wav"]).resolve())} for row in rows]


def joined(rows: list[dict], folder: pathlib.Path, count: int, seed: int = 1) -> list[dict]:
    """Clips of 5 to 20 s: recordings of one rate one after the other, as 16-bit FLAC."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, made, by_rate = random.Random(seed), [], {}
    for row in rows:
        by_rate.setdefault(soundfile.info(row["wav"]).samplerate, []).append(row)
    shares = {rate: sum(row["dur"] for row in of) for rate, of in by_rate.items()}
    for i in range(count):
        rate = rng.choices(list(shares), list(shares.values()))[0]
        wanted, parts = int(rng.uniform(5, 20) * rate), []
        while sum(map(len, parts)) < wanted:
            parts.append(soundfile.read(rng.choice(by_rate[rate])["wav"], dtype="int16", always_2d=True)[0][:, 0])
        path = folder / f"{i}.flac"
        soundfile.write(path, np.concatenate(parts)[:wanted], rate)
        made.append({"key": f"joined-{i}", "wav": str(path.resolve()), "label": "some", "task": "AAC", "dur": wanted / rate})
    return made


class Bench:
    def __init__(self, args: argparse.Namespace):
        self.args, self.out = args, pathlib.Path(args.output)
        self.out.mkdir(parents=True, exist_ok=True)
        rows = rows_of(pathlib.Path(args.data))
        rows = rows[:: max(1, len(rows) // args.clips)] if args.clips else rows
        long = joined(rows, self.out / "joined", args.long_clips)
        few = max(1, len(rows) // 600)
        self.sets = {"as they are": (rows, False), "5 to 20 s": (long, False), "as they are, Whisper over 30 s": (rows[::few], True)}
        for name, (of, _) in self.sets.items():
            self.manifest(name).write_text("".join(json.dumps(row) + "\n" for row in of), encoding="utf8")

    def manifest(self, name: str) -> pathlib.Path:
        return self.out / f"{name.replace(' ', '_').replace(',', '')}.jsonl"

    def usam(self, manifest: pathlib.Path, *options: str) -> str:
        command = [self.args.program, str(manifest), "--rows", str(self.args.batch), *options]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}).stdout

    def options(self, name: str) -> list[str]:
        return ["--thirty-seconds"] if self.sets[name][1] else []

    def apart(self, name: str) -> dict:
        """The largest difference of each stream over some clips, relative to the clip's largest value."""
        rows, thirty_seconds = self.sets[name]
        some = rows[:: max(1, len(rows) // 64)]
        manifest, file = self.out / "some.jsonl", self.out / "some.safetensors"
        manifest.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf8")
        self.usam(manifest, "--features", str(file), *self.options(name))
        ours, features, largest = load_file(file), Features(self.args.peer, thirty_seconds), dict.fromkeys(STREAMS, 0.0)
        for row in some:
            _, at16, at24 = decode(row["wav"])
            for stream, theirs in zip(STREAMS, (features.mels([at16])[0], features.ced_mel(at16), features.waves([at24])[0])):
                mine = ours[f"{row['key']}.{stream}"]
                if mine.shape != theirs.shape:
                    sys.exit(f"bench: {row['key']}: {stream} has shape {tuple(mine.shape)}, the Python loader's {tuple(theirs.shape)}")
                largest[stream] = max(largest[stream], float((mine - theirs).abs().max() / theirs.abs().max()))
        return largest

    def measure(self, name: str, workers: int) -> dict:
        rows, thirty_seconds = self.sets[name]
        features = Features(self.args.peer, thirty_seconds)
        make = functools.partial(TorchLoader, rows, features, workers=workers, batch=self.args.batch)
        tried = {setting: make(setting=setting) for setting in SETTINGS}
        cold = {setting: loader.measure() for setting, loader in tried.items()}
        best = min(SETTINGS, key=lambda setting: cold[setting]["cpu_s"])
        loader = tried[best]
        tried.clear()
        runs = {"torch": [], "usam": []}
        for turn in range(self.args.repeat):
            runs["torch"].append(loader.measure())
            runs["usam"].append(json.loads(self.usam(self.manifest(name), "--threads", str(workers), *self.options(name))))
            print(f"bench: {name}, {workers} workers, run {turn + 1} of {self.args.repeat}: " +
                  ", ".join(f"{kind} {1000 * of[-1]['cpu_s'] / of[-1]['clips']:.2f} ms a clip" for kind, of in runs.items()), file=sys.stderr)
        figures = {kind: figures_of(of, workers) for kind, of in runs.items()}
        figures["torch"]["setting"], figures["torch"]["cold_first_batch_s"] = best, cold[best]["first_batch_s"]
        figures["ratios"] = spread([t["cpu_s"] / t["audio_s"] / (u["cpu_s"] / u["audio_s"]) for t, u in zip(runs["torch"], runs["usam"])])
        figures["wall_ratios"] = spread([t["wall_s"] / u["wall_s"] for t, u in zip(runs["torch"], runs["usam"])])
        return figures


def figures_of(runs: list[dict], workers: int) -> dict:
    hours = runs[0]["audio_s"] / 3600
    return {"hours_per_cpu_s": spread([hours / r["cpu_s"] for r in runs]), "hours_per_wall_s": spread([hours / r["wall_s"] for r in runs]),
            "cpu_ms_per_clip": spread([1000 * r["cpu_s"] / r["clips"] for r in runs]), "first_batch_s": spread([r["first_batch_s"] for r in runs]),
            "busy": spread([r["cpu_s"] / r["wall_s"] / workers for r in runs]), "clips": runs[0]["clips"], "audio_s": runs[0]["audio_s"]}


def table(report: dict) -> str:
    lines = ["| clips | workers | DataLoader: hours of audio by core second | usam | ratio | wall-clock ratio | CPU ms a clip | first batch, ms |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, of in report["figures"].items():
        for workers, f in of.items():
            torch_, usam = f["torch"], f["usam"]
            cells = ["{:.3f} ({:.3f} to {:.3f})".format(*kind["hours_per_cpu_s"]) for kind in (torch_, usam)]
            cells += ["{:.1f} x ({:.1f} to {:.1f})".format(*f["ratios"]), "{:.1f} x ({:.1f} to {:.1f})".format(*f["wall_ratios"])]
            cells.append(f"{torch_['cpu_ms_per_clip'][0]:.2f} : {usam['cpu_ms_per_clip'][0]:.2f}")
            cells.append(f"{1000 * torch_['first_batch_s'][0]:.0f} : {1000 * usam['first_batch_s'][0]:.0f}")
            mean = usam["audio_s"] / usam["clips"]
            lines.append(f"| {usam['clips']} {name} (mean {mean:.1f} s) | {workers} | " + " | ".join(cells) + " |")
    m = report["machine"]
    apart = {stream: max(of[stream] for of in report["apart"].values()) for stream in STREAMS}
    lines.append(f"\nMedian (range) of {report['settings']['repeat']} passes of each in turn, batches of {report['settings']['batch']}; {m['cores']} cores of {m['cpu']}; torch "
                 f"{m['torch']}, transformers {m['transformers']}, soundfile {m['soundfile']}, soxr {m['soxr']}. Features of both agree, relative to the clip's "
                 "largest value, within " + ", ".join(f"{value:.0e} ({stream})" for stream, value in apart.items()) + ".")
    return "\n".join(lines)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True, help="folder of the recordings and their manifests")
    ap.add_argument("--peer", required=True, help="folder of the Python peer, for CED's front end")
    ap.add_argument("--program", default=str(common.PROGRAMS / "bench_data"))
    ap.add_argument("--output", default=str(common.OUT / "data_speed"))
    ap.add_argument("--workers", default="1,2")
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--clips", type=int, default=0, help="about so many of the recordings as they are; default: all")
    ap.add_argument("--long-clips", type=int, default=400)
    args = ap.parse_args()
    torch.set_num_threads(1)
    bench = Bench(args)
    report = {"machine": common.machine(("torch", "transformers", "soundfile", "soxr")), "settings": vars(args), "apart": {name: bench.apart(name) for name in bench.sets}, "figures": {}}
    for name in bench.sets:
        report["figures"][name] = {workers: bench.measure(name, int(workers)) for workers in args.workers.split(",")}
    common.save("data", report)
    print(table(report))


if __name__ == "__main__":
    main()
