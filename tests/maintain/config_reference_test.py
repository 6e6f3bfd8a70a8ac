"""docs/configuration.md is what the program's help says, and no key of the help is missing in it."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HELP = """Trains.

Keys of a config:
seed (integer, default 20): of choices
data (map, required): rows
data.train.N.path (path, required): a
data.valid.N.path (path, required): a
data.test.N.path (path, required): a
part (part of type one or two): the part
part.type: one
part.size (integer or null, default null, may change on resume; type one): its size
part.kind (a | b, default a): for both
recipe.encoder.path (path, required): e
recipe.encoders.NAME.path (path, required): e
"""


def write(program: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "page.md")
        done = subprocess.run([sys.executable, "tools/config_reference", "--program", program, "--output", output], capture_output=True, text=True)
        return output.read_text(encoding="utf8") if done.returncode == 0 else done.stderr


class ConfigReference(unittest.TestCase):
    def test_the_page_is_of_this_program(self):
        self.assertEqual(write(os.environ["USAM_TRAIN"]), Path("docs/configuration.md").read_text(encoding="utf8"),
                         "run make config-reference and commit docs/configuration.md")

    def test_every_key_is_there(self):
        listed = subprocess.run([os.environ["USAM_TRAIN"], "--help"], capture_output=True, text=True).stdout.partition("Keys of a config:")[2]
        page = Path("docs/configuration.md").read_text(encoding="utf8")
        collapsed = ("data.valid.N.", "data.test.N.", "recipe.encoders.NAME.")
        names = [name for name in re.findall(r"^([\w.]+) \(", listed, flags=re.M)]
        self.assertGreater(len(names), 200)
        for name in names:
            place = next((start + "*" for start in collapsed if name.startswith(start)), name)
            self.assertTrue(f"`{name}`" in page or f"`{place}`" in page, name)

    def test_lines_become_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            program.write_text(f"#!/bin/sh\ncat <<'END'\n{HELP}END\n")
            program.chmod(0o755)
            page = write(str(program))
        for line in ("| `seed` | integer | `20` | of choices |", "| `data` | map | required | rows |", "| `data.valid.N.*` | | | as `data.train.N.*` |",
                     "**`part.type: one`**", "| `part.size` * | integer or null | `null` | its size |", "**`part`, of any type**",
                     "| `part.kind` | a \\| b | `a` | for both |", "| `recipe.encoders.NAME.*` | | | as `recipe.encoder.*` |"):
            self.assertIn(line + "\n", page)

    def test_no_program(self):
        self.assertEqual(write("build/nothing"), "config_reference: build/nothing: No such file or directory; build it first, or name one with --program\n")


if __name__ == "__main__":
    unittest.main()
