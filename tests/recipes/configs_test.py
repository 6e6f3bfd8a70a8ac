"""Every recipe: its folder is complete, its configs are valid without data and weights, and its README names what is there."""
from __future__ import annotations

import os
import re
import subprocess
import unittest
from pathlib import Path

from miniature import TREE

RECIPES = sorted(path.parent for path in (TREE / "recipes").glob("*/prepare.py"))
NEEDED = ["prepare.py", "train_stage1.yaml", "train_stage2.yaml", "evaluate.yaml", "README.md"]


def commands(readme: Path) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", readme.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()
            if line.strip() and not line.startswith("#")]


class Recipes(unittest.TestCase):
    def test_all_are_here(self) -> None:
        self.assertEqual([path.name for path in RECIPES], [
            "aishell_asr", "audiocaps_clotho_aac", "covost2_s2tt", "esc50_classification", "fsdd", "gtzan_genre", "librispeech_asr",
            "mtg_jamendo_tagging", "musiccaps", "nisqa", "usam_multitask"])
        index = (TREE / "recipes/README.md").read_text(encoding="utf-8")
        for recipe in RECIPES:
            self.assertEqual([name for name in NEEDED if not (recipe / name).is_file()], [], recipe)
            self.assertTrue(os.access(recipe / "prepare.py", os.X_OK), recipe)
            self.assertIn(f"({recipe.name}/README.md)", index)

    def test_configs_are_valid_offline(self) -> None:
        plain = {name: value for name, value in os.environ.items() if name not in ("DATA", "MODELS", "LLM", "FOLD")}
        configs = sorted([*(TREE / "recipes").rglob("*.yaml"), *(TREE / "configs").glob("*.yaml")])
        for config in configs:
            path = str(config.relative_to(TREE))
            if path == "recipes/usam/ablate/common.yaml":
                continue  # what the rows beside it, which name the encoders, lie over
            done = subprocess.run([os.environ["USAM_TRAIN"], path, "--validate=offline"], cwd=TREE, capture_output=True, text=True, env=plain)
            self.assertEqual(done.stdout, f"{path}: the config is valid (paths and data were not looked at)\n", done.stderr)
        self.assertGreaterEqual(len(configs), 3 * len(RECIPES))

    def test_the_first_line_is_the_command(self) -> None:
        for recipe in RECIPES:
            for config in recipe.glob("*.yaml"):
                program = "usam-eval" if config.name == "evaluate.yaml" else "usam-train"
                first = config.read_text(encoding="utf-8").splitlines()[0]
                self.assertRegex(first, rf"^# (FOLD=1 )?{program} {config.relative_to(TREE)}$")

    def test_readmes_name_what_is_there(self) -> None:
        for recipe in RECIPES:
            lines = commands(recipe / "README.md")
            text = "\n".join(lines)
            for name in NEEDED[:4]:
                self.assertIn(f"recipes/{recipe.name}/{name}", text)
            for path in re.findall(r"recipes/[\w/]+\.(?:yaml|py)", text):
                self.assertTrue((TREE / path).is_file(), path)
            script = (recipe / "prepare.py").read_text(encoding="utf-8")
            for line in lines:
                if "prepare.py" in line and recipe.name in line:
                    for option in re.findall(r"--[a-z-]+", line):
                        self.assertIn(f'"{option}"', script)

    def test_stage_two_goes_on_from_stage_one_and_evaluation_describes_stage_two(self) -> None:
        """What usam-eval compares, the recipe's own keys, is the same in both files."""
        env = dict(os.environ, DATA="/data", MODELS="/models", LLM="/llm", FOLD="1")
        for recipe in RECIPES:
            printed = {}
            for name in NEEDED[1:4]:
                done = subprocess.run([os.environ["USAM_TRAIN"], str((recipe / name).relative_to(TREE)), "--print-config", "--validate=offline"],
                                      cwd=TREE, capture_output=True, text=True, env=env)
                self.assertEqual(done.returncode, 0, done.stderr)
                printed[name] = done.stdout
            parts = {name: re.search(r"^recipe:\n(?:  .*\n)+", text, flags=re.M).group() for name, text in printed.items()}
            self.assertEqual(parts["evaluate.yaml"], parts["train_stage2.yaml"], recipe)
            self.assertNotEqual(parts["train_stage1.yaml"], parts["train_stage2.yaml"], recipe)
            first, second = (re.search(r"^run:\n  dir: (.*)$", printed[name], flags=re.M).group(1).strip('"') for name in NEEDED[1:3])
            self.assertIn(f"{first}/best", printed["train_stage2.yaml"])
            self.assertIn(second, printed["evaluate.yaml"])


if __name__ == "__main__":
    unittest.main()
