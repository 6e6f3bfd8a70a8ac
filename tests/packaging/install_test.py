"""An install of the build under test into a folder: what is there, what the programs say, and a program with a loss of its
own, examples/custom_loss, that is built against it, trains, and is evaluated."""
from __future__ import annotations

import json
import math
import os
import random
import shutil
import struct
import subprocess
import unittest
import wave
from pathlib import Path

BUILD = Path(os.environ["USAM_BUILD"]).resolve()
FOLDER = BUILD / "install-test"  # always the same, so that ccache knows the compiler's commands again
PREFIX = FOLDER / "prefix"
PROGRAMS = ["usam-eval", "usam-generate", "usam-inspect", "usam-score", "usam-serve", "usam-train"]


def run(*command, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == code, f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def write_corpus(folder: Path) -> None:
    """Tones that are low or high, half a second each."""
    folder.mkdir(parents=True)
    draw = random.Random(20)
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        rows = []
        for i in range(count):
            hz, label = ((220, "low"), (1760, "high"))[i % 2]
            samples = [int(9000 * math.sin(2 * math.pi * hz * n / 16000) + draw.gauss(0, 300)) for n in range(8000)]
            with wave.open(str(folder / f"{split}{i}.wav"), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
            rows.append({"key": f"{split}{i}", "wav": f"{split}{i}.wav", "label": label, "task": "SEC"})
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def steps(run_folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "eval" not in line]


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(FOLDER, ignore_errors=True)
        run("cmake", "--install", BUILD, "--prefix", PREFIX)

    def test_holds_programs_libraries_headers_and_configs(self):
        self.assertEqual(sorted(path.name for path in (PREFIX / "bin").iterdir()), PROGRAMS)
        for name in ("include/usam/trainer/recipe.h", "include/usam/src/nn/linear.h", "lib/usam/libusam_recipes.a",
                     "lib/cmake/usam/usamConfig.cmake", "lib/cmake/usam/usamConfigVersion.cmake", "share/usam/configs/stage1.yaml"):
            self.assertTrue((PREFIX / name).is_file(), name)
        tree = {path.relative_to(".").as_posix() for top in ("src", "data", "losses", "trainer", "recipes") for path in Path(top).rglob("*.h")}
        installed = {path.relative_to(PREFIX / "include/usam").as_posix() for path in (PREFIX / "include/usam").rglob("*")}
        self.assertEqual({name for name in installed if name.endswith(".h")}, tree)
        for name in installed - tree:  # no folder without a header
            self.assertTrue(any(other.startswith(name + "/") for other in tree), name)

    def test_the_package_names_no_folder_of_the_sources(self):
        torch = os.environ["USAM_TORCH"]
        for path in (PREFIX / "lib/cmake/usam").iterdir():
            text = path.read_text().replace(torch, "")
            self.assertNotIn(str(Path.cwd()) + "/", text, path.name)

    def test_programs_name_their_versions(self):
        told = {run(PREFIX / "bin" / name, "--version").stdout for name in PROGRAMS}
        self.assertEqual(len(told), 1, told)
        lines = told.pop().splitlines()
        self.assertRegex(lines[0], r"^usam \d+\.\d+\.\d+ \(([0-9a-f]{7,}|no commit)\)$")
        release = Path(os.environ["USAM_TORCH"], "version.py").read_text().split("__version__ = '")[1].split("'")[0]
        self.assertEqual(lines[1], f"LibTorch {release}")
        self.assertRegex(lines[2], r"^CUDA (none|\d+\.\d+)$")
        self.assertRegex(lines[3], r"^NCCL (none|\d+\.\d+\.\d+)$")
        self.assertEqual(len(lines), 4)

    def test_a_program_trains_with_a_loss_of_its_own(self):
        build = FOLDER / "custom_loss"
        ccache = shutil.which("ccache")
        run("cmake", "-G", "Ninja", "-S", "examples/custom_loss", "-B", build, f"-DCMAKE_PREFIX_PATH={PREFIX}",
            f"-DCMAKE_CXX_COMPILER={os.environ['USAM_CXX']}", *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={ccache}"] if ccache else []))
        run("cmake", "--build", build)
        corpus = FOLDER / "corpus"
        write_corpus(corpus)
        config = Path("examples/custom_loss/focal.yaml")
        sets = [f"data.train={corpus}/train.jsonl", f"data.valid={corpus}/valid.jsonl"]
        focal = build / "train_focal"

        # With gamma 0 it is cross-entropy: the figures of usam-train, step by step.
        run(focal, 0, config, *sets, f"run.dir={FOLDER}/zero")
        run(PREFIX / "bin/usam-train", config, *sets, f"run.dir={FOLDER}/ce")
        zero, ce = steps(FOLDER / "zero"), steps(FOLDER / "ce")
        self.assertEqual(len(zero), 20)
        for ours, theirs in zip(zero, ce, strict=True):
            self.assertAlmostEqual(ours["focal"], theirs["ce"], delta=1e-5 * theirs["ce"])
        # With gamma 2 another loss, which falls; what it trained is evaluated without the program.
        run(focal, 2, config, *sets, f"run.dir={FOLDER}/two")
        two = [line["focal"] for line in steps(FOLDER / "two")]
        self.assertLess(two[0], 0.9 * zero[0]["focal"])
        self.assertLess(sum(two[-5:]), 0.5 * sum(two[:5]))
        run(PREFIX / "bin/usam-eval", config, f"data.test={corpus}/test.jsonl", f"run.dir={FOLDER}/two", "--output", FOLDER / "evaluation")
        figures = json.loads((FOLDER / "evaluation/metrics.json").read_text())["tasks"]["SEC"]
        self.assertEqual((figures["n"], figures["accuracy"]), (4, 1))

        refused = run(focal, "two", config, code=2)
        self.assertEqual(refused.stderr, "GAMMA must be a number from 0 on, found 'two'.\n")
        refused = run(focal, 2, config, *sets, "recipe.target=tags", f"run.dir={FOLDER}/tags", code=2)
        self.assertIn("train_focal trains 'recipe: {type: probe, target: label}' and nothing else.", refused.stderr)


if __name__ == "__main__":
    unittest.main()
