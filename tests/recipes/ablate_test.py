"""The ablation: every row builds, trains and is evaluated; finished runs are skipped, figures become a table and a chart."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
from pathlib import Path

from miniature import TREE, write_text, write_wav

ABLATE = TREE / "recipes/usam/ablate"
ROWS = ["full", "only_ced", "only_mert", "only_whisper", "prune_25", "prune_50", "prune_75", "rho_25", "rho_75", "router_frames", "router_prompt",
        "text_score_pooled", "without_ced", "without_mert", "without_saclm", "without_tapm", "without_whisper"]


def call(script: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(ABLATE / script), *map(str, arguments)], capture_output=True, text=True)


class Ablate(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="usam-ablate-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out"

    def overrides(self) -> list[str]:
        """A corpus of a few tones and two steps of training."""
        for split, count in (("train", 6), ("valid", 3), ("test", 6)):
            lines = []
            for i in range(count):
                write_wav(self.folder / f"{split}{i}.wav", 0.3 + 0.05 * i)
                task, label = [("ASR", f"word {'abc'[i % 3]}"), ("SEC", "dog"), ("MC", "calm" if i < 3 else "dark")][i % 3]
                row = {"key": f"{split}{i}", "wav": f"{split}{i}.wav", "label": label, "task": task}
                lines.append(json.dumps(dict(row, tags=[label]) if task == "MC" else row) + "\n")
            write_text(self.folder / f"{split}.jsonl", "".join(lines))
        return [*(f"data.{split}={self.folder}/{split}.jsonl" for split in ("train", "valid", "test")), "data.batch.rows=3", "trainer.max_steps=2",
                "trainer.eval_every=2", "trainer.save_every=2", "evaluate.max_new_tokens=4", "init_from=[]", 'recipe.llm.tokenizer.path=""',
                "recipe.llm.tokenizer.train={type: bpe, vocab_size: 36, byte_fallback: false}"]

    def ablate(self, *arguments: object) -> subprocess.CompletedProcess:
        return call("run", "--output", self.out, "--bin", Path(os.environ["USAM_TRAIN"]).parent, *arguments)

    def test_every_row_trains_and_is_evaluated(self) -> None:
        overrides = self.overrides()
        done = self.ablate("--seeds", "20", "--jobs", "2", *overrides)
        logs = "".join(log.read_text() for log in self.out.rglob("log.txt")) if done.returncode else ""
        self.assertEqual(done.returncode, 0, done.stderr + logs)
        self.assertEqual(done.stderr.splitlines()[0], "17 runs, of which 0 are finished; 2 at a time")
        self.assertIn("17 of 17: ", done.stderr)
        self.assertEqual(sorted(path.parent.name for path in self.out.glob("*/20")), ROWS)
        again = self.ablate("--seeds", "20", *overrides)
        self.assertEqual((again.returncode, again.stderr), (0, "17 runs, of which 17 are finished; 1 at a time\n"))
        other = self.ablate("--seeds", "21", "--rows", "full", *overrides, "seed=3")
        self.assertEqual(other.returncode, 2)
        self.assertRegex(other.stderr, r"^.*/out holds runs with \{.*\}, now asked for are \{\"overrides\": \[.*\"seed=3\".*\], \"threads\": 1\}\. "
                         r"Give another --output, or the same settings\.\n$")
        table = call("table.py", self.out)
        self.assertEqual([line.split()[1] for line in table.stdout.splitlines()[2:]], ROWS)

    def test_a_run_that_fails_is_told_and_the_others_go_on(self) -> None:
        overrides = self.overrides()
        done = self.ablate("--seeds", "20", "--rows", "without_tapm,only_ced", *overrides, "recipe.encoders.whisper.layers=1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("only_ced, seed 20: exit code 2; ", done.stderr)  # it has no such encoder
        self.assertTrue((self.out / "without_tapm/20/evaluation/metrics.json").is_file())
        self.assertFalse((self.out / "only_ced/20/evaluation").exists())

    def test_a_signal_saves_and_stops(self) -> None:
        words = ["--output", self.out, "--bin", Path(os.environ["USAM_TRAIN"]).parent, "--seeds", "20", "--rows", "without_tapm", *self.overrides(),
                 "trainer.max_steps=100000"]
        child = subprocess.Popen([sys.executable, str(ABLATE / "run"), *map(str, words)], stderr=subprocess.PIPE, text=True)
        metrics = self.out / "without_tapm/20/metrics.jsonl"
        for _ in range(600):
            if metrics.is_file() and metrics.stat().st_size > 0:
                break
            time.sleep(0.1)
        child.terminate()
        _, errors = child.communicate(timeout=120)
        self.assertEqual((child.returncode, errors.splitlines()[-1]), (75, "Stopped; the same command goes on from here."))
        self.assertTrue((self.out / "without_tapm/20/last").exists())

    def test_table_and_chart(self) -> None:
        values = {"full": [0.1, 0.12, 0.14], "without_ced": [0.2, 0.2, 0.26], "without_mert": [0.3]}
        for row, errors in values.items():
            for seed, error in enumerate(errors, 20):
                tasks = {"ASR": {"wer": error}, "SEC": {"accuracy": 1 - error}, "MC": {"map": None if row == "without_mert" else 0.5}}
                write_text(self.out / row / str(seed) / "evaluation/metrics.json", json.dumps({"tasks": tasks}))
        done = call("table.py", self.out)
        self.assertEqual(done.stdout.splitlines(), [
            "| row | seeds | speech: WER, %, lower is better | sounds: accuracy, %, higher is better | music tags: mAP, %, higher is better |",
            "| --- | ---: | --- | --- | --- |",
            "| full | 3 | 12.0 (10.0 to 14.0) | 88.0 (86.0 to 90.0) | 50.0 (50.0 to 50.0) |",
            "| without_ced | 3 | 22.0 (20.0 to 26.0), +10.0 | 78.0 (74.0 to 80.0), -10.0 | 50.0 (50.0 to 50.0), +0.0 |",
            "| without_mert | 1 | 30.0 (30.0 to 30.0), +18.0 | 70.0 (70.0 to 70.0), -18.0 | - |"])
        self.assertEqual((self.out / "table.md").read_text(), done.stdout)
        chart = xml.etree.ElementTree.parse(self.out / "ablations.svg").getroot()
        self.assertEqual(len(chart.findall("{*}circle")), 8)
        self.assertIn("without_ced", [text.text for text in chart.findall("{*}text")])

    def test_refusals(self) -> None:
        rows = ", ".join(ROWS)
        for arguments, sentence in [
                (["--rows", "fool"], f"--rows names 'fool'; the rows are {rows}.\n"), (["--seeds", "20,x"], "--seeds names 'x'; a seed is a whole number.\n"),
                (["--jobs", "0"], "--jobs and --threads must be at least 1.\n"), (["word"], "'word' is no override; they are written key.sub=value.\n"),
                (["--bin", "none"], f"There is no usam-train in {Path.cwd() / 'none'}: build it with 'make build', or name its folder with --bin.\n"),
                (["data.train=x", "--pretrained", "none"],
                 f"There is no checkpoint in {Path.cwd() / 'none'}: 'make quickstart' makes one, or name it with --pretrained.\n")]:
            done = self.ablate(*arguments)
            self.assertEqual((done.returncode, done.stderr), (2, sentence))
        done = call("table.py", self.folder)
        self.assertEqual((done.returncode, done.stderr), (2, f"{self.folder} holds no finished run (ROW/SEED/evaluation/metrics.json): "
                                                             "recipes/usam/ablate/run makes them.\n"))
        listed = call("run", "--list")
        self.assertEqual([line.split()[0] for line in listed.stdout.splitlines()], ROWS)


if __name__ == "__main__":
    unittest.main()
