"""Which commands of a Markdown file are run, and what is said of those that are neither run nor marked."""
from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from run_commands import check, commands

TREE = Path(__file__).resolve().parents[2]
BLOCK = "Words.\n\n```sh\n{}\n```\n"


def problems(files: dict[str, str], *listed: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf8")
        return check(Path(folder), list(listed))


class Commands(unittest.TestCase):
    def test_marked_ones_are_left_out(self) -> None:
        self.assertEqual(commands(BLOCK.format("a 1\n# Words.\nb 2\n# not run: takes hours\nc 3\nd 4")), ["a 1", "b 2", "d 4"])
        self.assertEqual(commands(BLOCK.format("a 1\n# none is run: needs a cluster\nb 2\nc 3") + BLOCK.format("d 4")), ["a 1", "d 4"])
        # A mark without a reason is none.
        self.assertEqual(commands(BLOCK.format("# not run:\na 1\n# none is run\nb 2")), ["a 1", "b 2"])

    def test_other_blocks_hold_none(self) -> None:
        self.assertEqual(commands("```text\na 1\n```\n```yaml\nb: 2\n```\n"), [])


class Run(unittest.TestCase):
    def test_a_command_in_the_background_ends_with_the_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.md")
            for last, code in (("true && echo", 0), ("false", 1)):
                pid = Path(folder, "pid")
                command = f"sh -c 'echo $$ >{pid}; exec sleep 1000' &"
                path.write_text(BLOCK.format(f"{command}\nuntil [ -s {pid} ]; do sleep 0.01; done; echo\n{last}"), encoding="utf8")
                done = subprocess.run([sys.executable, Path(__file__).with_name("run_commands.py"), path], cwd=TREE, capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(f"in the background: {command}\n", done.stdout)
                self.assertFalse(Path("/proc", pid.read_text().strip()).exists())
                pid.unlink()


class Check(unittest.TestCase):
    def test_a_file_that_nobody_runs(self) -> None:
        self.assertEqual(problems({"README.md": BLOCK.format("a"), "docs/new.md": BLOCK.format("b")}, "README.md"),
                         ["docs/new.md: no test runs its commands: list it in tests/readme/CMakeLists.txt, or mark them '# not run: REASON'"])
        self.assertEqual(problems({"docs/new.md": BLOCK.format("# not run: takes hours\nb")}), [])
        self.assertEqual(problems({"build/a.md": BLOCK.format("a"), ".venv/b.md": BLOCK.format("b"), "docs/extending/c.md": BLOCK.format("c")}), [])

    def test_a_listed_file_without_commands(self) -> None:
        self.assertEqual(problems({"a.md": "Words.\n"}, "a.md", "b.md"),
                         ["a.md: it is listed in tests/readme/CMakeLists.txt, and has no command to run",
                          "b.md: it is listed in tests/readme/CMakeLists.txt, and there is no such file"])

    def test_blocks_say_what_they_are(self) -> None:
        told = "a block begins with ``` and one of cmake, cpp, diff, json, python, sh, text, yaml; sh are commands"
        for begin in ("```", "```console", "```bash", "  ```sh"):
            self.assertEqual(problems({"a.md": f"Words.\n\n{begin}\nmake\n```\n"}), [f"a.md:3: {told}"], begin)

    def test_reasons_name_what_is_there(self) -> None:
        marked = {"a.md": BLOCK.format("# not run: tests/data/some_test.py runs it on a small file\na")}
        self.assertEqual(problems(marked), ["a.md:4: there is no tests/data/some_test.py"])
        self.assertEqual(problems({**marked, "tests/data/some_test.py": ""}), [])


if __name__ == "__main__":
    unittest.main()
