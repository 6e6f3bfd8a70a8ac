"""The benchmark's scripts: fits, figures, tables, watching a program; and its configs, which must be of this version."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tools/bench"))
import common  # noqa: E402
import gpu  # noqa: E402
import growth  # noqa: E402
import table  # noqa: E402
import train  # noqa: E402

MACHINE = {"cpu": "Some CPU", "cores": 2, "flags": ["avx512f"], "torch": "2.13.0"}


def run_of(step_s: float, **more: float) -> dict:
    return {"step_s": step_s, "cpu_s": 2 * step_s, "first_forward_s": 1.0, "waiting": 0.01, "foreign_cores": 0.0, "best_step_s": step_s, "rss": 2.0,
            "audio_per_step": 12.0} | more


def size_report() -> dict:
    """Two runs of each kind: usam twice as fast on identical work, in half the memory, with half the time to start."""
    kinds = {"peer_same": (4.0, 5.0), "usam_same": (2.0, 2.5), "peer_best": (3.0, 3.0), "usam_best": (1.0, 1.0), "usam_cached": (0.5, 0.5)}
    halved = {"rss": 1.0, "first_forward_s": 0.5}
    figures = {kind: train.figures_of([run_of(t, **(halved if kind.startswith("usam") else {})) for t in times], 100.0, 0.1) for kind, times in kinds.items()}
    return {"settings": {"seconds": [2, 4], "steps": 8, "skip": 2, "pad": "30s", "peer_best": [], "usam_best": "recipe.llm.dtype=bfloat16"}, "figures": figures,
            "losses": {"usam": [1.0, 2.0], "peer": [1.0, 2.0], "apart": 1e-7}, "work": {"per_step": 180e9, "by_operator": {}},
            "roof": {"square": [160e9] * 3, "shapes": [100e9] * 3}}


def train_report() -> dict:
    return {"part": "train", "commit": "abc", "time": "2026-01-02T03:04:05", "machine": MACHINE, "settings": {"batch": 4, "repeat": 2, "threads": 2, "seed": 20, "foreign": 0.1},
            "sizes": {"tiny": size_report(), "lite": size_report()}}


class Fits(unittest.TestCase):
    def test_finds_the_exponent_beside_a_constant(self) -> None:
        x = [1.0, 2, 4, 8, 16]
        for exponent in (0.5, 1.0, 2.0):
            fit = growth.fit_power(x, [3 + 2 * v**exponent for v in x])
            self.assertAlmostEqual(fit["exponent"], exponent, delta=0.021)
            self.assertAlmostEqual(fit["a"], 3, delta=0.3)

    def test_a_law_says_how_far_the_points_lie_from_it(self) -> None:
        x = [1.0, 2, 4, 8]
        coefficients, apart = growth.fit_terms(x, [1 + 2 * v + 0.5 * v * v for v in x], (1, 2))
        self.assertLess(apart, 1e-9)
        for found, expected in zip(coefficients, (1, 2, 0.5)):
            self.assertAlmostEqual(found, expected, places=6)
        self.assertGreater(growth.fit_terms(x, [v**3 for v in x], (1,))[1], 0.1)

    def test_coefficients_are_not_negative(self) -> None:
        coefficients, _ = growth.fit_terms([1.0, 2, 4], [1.0, 4, 16], (1, 2))
        self.assertTrue((coefficients >= 0).all())

    def test_a_chart_is_small_and_the_same_each_time(self) -> None:
        points = [{"work": 1e9 * v, "seconds": 0.1 * v, "memory": 2**20 * v} for v in (1, 2, 4)]
        report = growth.axis_report([1, 2, 4], points, growth.AXES["batch"][2])
        with tempfile.TemporaryDirectory() as folder:
            charts = []
            for _ in range(2):
                growth.plot("batch", report, Path(folder))
                charts.append((Path(folder) / "batch.svg").read_text(encoding="utf8"))
        self.assertEqual(charts[0], charts[1])
        self.assertLess(len(charts[0]), 60_000)
        self.assertIn("exponent 1.00", charts[0])


class Figures(unittest.TestCase):
    def test_are_medians_with_their_range(self) -> None:
        figures = train.figures_of([run_of(1.0), run_of(4.0, foreign_cores=0.5), run_of(2.0)], 50.0, 0.1)
        self.assertEqual(figures["step_s"], [2.0, 1.0, 4.0])
        self.assertEqual(figures["steps_per_s"], [0.5, 0.25, 1.0])
        self.assertEqual(figures["audio_s_per_s"], [6.0, 3.0, 12.0])
        self.assertEqual(figures["tokens_per_s"], [25.0, 12.5, 50.0])
        self.assertEqual(figures["disturbed"], 1)

    def test_steps_are_counted_between_two_sights(self) -> None:
        marks = [(1, 10.0, 5.0, 100.0), (3, 12.0, 7.0, 100.5), (7, 20.0, 11.0, 102.5)]
        found = common.between(marks, 2)
        self.assertEqual((found["steps"], found["step_s"], found["cpu_s"], found["foreign_cores"]), (4, 2.0, 1.0, 0.25))
        with self.assertRaisesRegex(ValueError, "no step was seen after step 7: take more steps"):
            common.between(marks, 5)

    def test_a_program_is_watched_by_the_lines_that_it_writes(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            log = Path(name) / "program.log"
            program = "import time\nfor i in range(4):\n  print(i, 'step', flush=True)\n  print('other', flush=True)\n  time.sleep(0.1)\nbytearray(2**26)"
            seen = common.watch([sys.executable, "-c", program], log, common.Lines(log.with_suffix(".out"), lambda line: line[:1].isdigit()), 1)
        self.assertEqual(seen["marks"][-1][0], 4)
        self.assertGreater(common.between(seen["marks"], 1)["step_s"], 0.09)
        self.assertGreater(seen["rss"], 0.06)

    def test_a_program_that_fails_ends_the_benchmark(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            log = Path(name) / "program.log"
            with self.assertRaisesRegex(SystemExit, "failed with 3:\nwhy"):
                common.watch([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"], log, common.Lines(log, lambda _: True), 1)

    def test_kernels_are_summed_by_name(self) -> None:
        events = [{"cat": "kernel", "name": n, "dur": d} for n, d in (("a", 1000), ("b", 5000), ("a", 2000))] + [{"cat": "cpu_op", "name": "x", "dur": 9}]
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            trace.write_text(json.dumps({"traceEvents": events}), encoding="utf8")
            top = gpu.top_kernels(trace)
        self.assertEqual([(k["name"], k["calls"], k["ms"], k["share"]) for k in top], [("b", 1, 5.0, 0.625), ("a", 2, 3.0, 0.375)])


class Tables(unittest.TestCase):
    def test_goals_are_ratios_of_medians_with_their_extremes(self) -> None:
        rows = {row[0]: row[1:3] for row in table.goal_rows({"train": train_report()})}
        self.assertEqual(rows["tiny: training, identical work: >= 3 x peer"], ["2.00 (1.60 to 2.50) x", "not met"])
        self.assertEqual(rows["lite: first epoch at best settings: >= 2 x"], ["3.00 (3.00 to 3.00) x", "met"])
        self.assertEqual(rows["lite: second epoch, from the cache: >= 4 x"], ["6.00 (6.00 to 6.00) x", "met"])
        self.assertEqual(rows["lite: share of the measured GEMM roof: >= 0.9"], ["0.80", "not met"])  # 180 GFLOP / 2.25 s / 100 GFLOP/s
        self.assertEqual(rows["lite: peak memory, identical work: <= 0.75 x"], ["0.50", "met"])
        self.assertEqual(rows["lite: exec to the first forward pass: <= 0.3 x"], ["0.50", "not met"])

    def test_writing_fills_the_marks_and_twice_changes_nothing(self) -> None:
        text = "# Page\n\n<!-- bench:goals -->\nold\n<!-- /bench -->\nbetween\n<!-- bench:micro -->\nkept\n<!-- /bench -->\n"
        parts = table.render({"train": train_report()})
        once = table.fill(text, parts)
        self.assertEqual(table.fill(once, parts), once)
        self.assertNotIn("old", once)
        self.assertIn("kept", once)
        self.assertIn("2.00 (1.60 to 2.50) x", once)

    def test_the_page_has_a_place_for_every_part(self) -> None:
        page = (TREE / "docs/performance.md").read_text(encoding="utf8")
        for part in ["goals", *table.PARTS]:
            self.assertIn(f"<!-- bench:{part} -->", page)

    def test_the_table_of_training_says_what_was_measured(self) -> None:
        text = table.train_part(train_report())
        for expected in ("| seconds a step | 4.500 (4.000 to 5.000) | 2.250 (2.000 to 2.500) |", "share of the GEMM roof | 0.40 | 0.80 | - | - | - |",
                         "all steps agree within 1.0e-07", "2 cores of Some CPU (avx512f); torch 2.13.0; commit abc, 2026-01-02."):
            self.assertIn(expected, text)

    def test_decoding_has_a_goal_for_each_batch_and_way(self) -> None:
        figures = {"1": {"faster generate": "generate", "generate": {"ratio": [1, 1, 1]}, "usam": {"ratio": [2.5, 2, 3]}}}
        goals = table.decode_goals({"tiny": {"figures": figures}, "bench": {"figures": figures}})
        self.assertEqual([(goal, limit) for goal, _, limit in goals],
                         [("tiny: decoding, batch 1, usam: >= 5 x generate", 5), ("bench: decoding, batch 1, usam: >= 2 x generate", 2)])


class Programs(unittest.TestCase):
    """What the scripts write is understood by this version's programs."""

    def test_configs_are_valid(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            grown = growth.CONFIG.format(seed=1, folder=folder, manifest="a.jsonl", batch=2, rank=4, tokenizer=folder,
                                         encoders="e1: {type: whisper, init: random, layers: 2, width: 128, heads: 4, mels: 80}")
            peers = train.CONFIG.format(seed=1, run=folder, manifest="a.jsonl", models="m", llm="l", family="qwen2", batch=2, steps=2, lr=1e-4, init="i",
                                        hidden=64, heads=1, saclm_hidden=32, pad="30s")
            for i, text in enumerate((grown, peers, (TREE / "tools/bench/gpu.yaml").read_text(encoding="utf8"))):
                config = folder / f"{i}.yaml"
                config.write_text(text, encoding="utf8")
                overrides = ["recipe.encoders.whisper.pad=clip", *train.BEST] if text is peers else []
                done = subprocess.run([os.environ["USAM_TRAIN"], config, *overrides, "--validate=offline"], capture_output=True, text=True, env=os.environ | {"USAM_BENCH": name})
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_work_grows_linearly_with_the_batch(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            before, common.OUT, common.PROGRAMS = (common.OUT, common.PROGRAMS), Path(name), Path(os.environ["USAM_BENCH_STEP"]).parent
            self.addCleanup(lambda: (setattr(common, "OUT", before[0]), setattr(common, "PROGRAMS", before[1])))
            args = growth.argparse.Namespace(seed=1, steps=2)
            points = [growth.measure(growth.BASE | {"clip_length": 1, "batch": batch, "vocabulary": 300}, args) for batch in (2, 4)]
        self.assertAlmostEqual(points[1]["work"] / points[0]["work"], 2, delta=0.1)
        self.assertGreater(points[0]["memory"], 0)


class Parts(unittest.TestCase):
    """Every part of tools/bench/run, as small as it goes: that it still runs, and that its report makes a table."""

    def run_part(self, folder: str, part: str, *options: str) -> str:
        programs = Path(os.environ["USAM_BENCH_STEP"]).parent
        environment = os.environ | {"USAM_BENCH": folder, "USAM_PROGRAMS": str(programs), "USAM_LOG": "error"}
        del environment["OMP_NUM_THREADS"]
        done = subprocess.run([TREE / "tools/bench/run", part, *options], capture_output=True, text=True, env=environment, cwd=TREE)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        return done.stdout

    def test_all(self) -> None:
        shared = Path(os.environ.get("USAM_SHARED", TREE / "../shared"))
        if not (shared / "peer").is_dir() or not (TREE / ".venv-oracle").is_dir():
            self.skipTest("needs ../shared/peer and .venv-oracle (tools/setup --oracles)")
        kinds = "peer_same,usam_same,usam_best,usam_cached"
        with tempfile.TemporaryDirectory() as folder:
            self.run_part(folder, "train", "--sizes", "tiny", "--kinds", kinds, "--repeat", "1", "--steps", "4", "--skip", "1", "--clips", "16", "--retries", "0")
            self.run_part(folder, "decode", "--tokens", "4", "--repeat", "1", "--rows", "1,2", "--llm", f"{folder}/tiny-20/qwen2")
            self.run_part(folder, "data", "--workers", "1", "--repeat", "1", "--clips", "40", "--long-clips", "4")
            self.run_part(folder, "micro", "--seconds", "0.001")
            tables = self.run_part(folder, "table")
            losses = json.loads((Path(folder) / "report_train.json").read_text(encoding="utf8"))["sizes"]["tiny"]["losses"]
            apart = json.loads((Path(folder) / "report_data.json").read_text(encoding="utf8"))["apart"]
        for part in ("goals", "train", "data", "micro"):
            self.assertIn(f"## {part}\n", tables)
        self.assertIn("| `qformer/768` |", tables)
        self.assertLess(losses["apart"], 1e-5)
        self.assertLess(max(value for of in apart.values() for value in of.values()), 1e-5)


if __name__ == "__main__":
    unittest.main()
