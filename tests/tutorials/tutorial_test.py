"""Tutorials that lead nowhere, and what is said of them; which objects of another build are taken."""
from __future__ import annotations

import os
import tempfile
import time
import unittest
from pathlib import Path

import reuse
from tutorial import Wrong, apply, copy_tree, files_of, follow, read_tutorial

OLD = "zero\none\ntwo\nthree\n"
NEW_FILE = "`a/new.h` (new):\n\n```cpp\nint x;\n```\n"
CHANGE = "`list.txt` (changed):\n\n```diff\n--- a/list.txt\n+++ b/list.txt\n@@ -2,2 +2,3 @@\n one\n+one and a half\n two\n```\n"
COUNTS = "\nFiles: {} new, {} changed.\n"


class Follow(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tree = Path(self.folder.name)
        (self.tree / "list.txt").write_text(OLD)

    def follow(self, text: str) -> None:
        follow(read_tutorial("docs/a.md", text), self.tree, dict(os.environ))

    def refusal(self, text: str) -> str:
        with self.assertRaises(Wrong) as wrong:
            self.follow(text)
        return str(wrong.exception)

    def test_files_changes_and_commands_in_their_order(self) -> None:
        self.follow("# Words\n\n```sh\ntest ! -e a\n```\n" + NEW_FILE + CHANGE
                    + "```sh\n# not run: words\nfalse\ncat a/new.h list.txt > both\n```\n\n```text\nwhat it shows\n```\n" + COUNTS.format(1, 1))
        self.assertEqual((self.tree / "both").read_text(), "int x;\nzero\none\none and a half\ntwo\nthree\n")

    def test_a_change_that_moved_still_fits_and_one_of_other_lines_does_not(self) -> None:
        (self.tree / "list.txt").write_text("zero\n" * 9 + OLD)
        self.follow(CHANGE + COUNTS.format(0, 1))
        self.assertEqual((self.tree / "list.txt").read_text(), "zero\n" * 10 + "one\none and a half\ntwo\nthree\n")
        (self.tree / "list.txt").write_text("zero\none\n2\nthree\n")
        self.assertTrue(self.refusal(CHANGE + COUNTS.format(0, 1)).startswith(
            "docs/a.md:3: the change of list.txt no longer fits that file; mend the block: error: "))
        (self.tree / "list.txt").unlink()
        self.assertEqual(self.refusal(CHANGE + COUNTS.format(0, 1)), "docs/a.md:3: there is no list.txt to change: mend the tutorial")

    def test_a_block_without_its_file(self) -> None:
        told = "docs/a.md:3: no line such as \"`losses/mine.h` (new):\" stands above this block and names its file"
        self.assertEqual(self.refusal(NEW_FILE.replace("`a/new.h` (new):", "Words.")), told)
        self.assertEqual(self.refusal(NEW_FILE.replace("(new):\n", "(new):\nWords.")), told)
        self.assertEqual(self.refusal(NEW_FILE.replace("(new)", "(changed)")),
                         "docs/a.md:3: a file that is changed has a ```diff block, and a new one has its whole text")
        self.assertEqual(self.refusal(CHANGE.replace("`list.txt`", "`other.txt`") + COUNTS.format(0, 1)),
                         "docs/a.md:3: there is no other.txt to change: mend the tutorial")
        (self.tree / "other.txt").write_text(OLD)
        self.assertEqual(self.refusal(CHANGE.replace("`list.txt`", "`other.txt`") + COUNTS.format(0, 1)),
                         "docs/a.md:3: the diff must be of other.txt, as the line above it says")

    def test_a_new_file_that_is_there(self) -> None:
        (self.tree / "a").mkdir()
        (self.tree / "a/new.h").write_text("")
        self.assertEqual(self.refusal(NEW_FILE + COUNTS.format(1, 0)), "docs/a.md:3: a/new.h is there already: the tutorial needs another name")

    def test_a_command_that_fails(self) -> None:
        self.assertEqual(self.refusal("Words.\n\n```sh\ntrue\necho out; echo said >&2; exit 3\n```\n" + COUNTS.format(0, 0)),
                         "docs/a.md:3: exit code 3 of: echo out; echo said >&2; exit 3\nout\n\nsaid\n")

    def test_a_block_without_an_end(self) -> None:
        self.assertEqual(self.refusal("```sh\ntrue\n"), "docs/a.md:1: the block has no end")

    def test_files_are_counted(self) -> None:
        self.assertEqual(self.refusal(NEW_FILE), "docs/a.md: it must say \"Files: 1 new, 0 changed\"")
        self.assertEqual(self.refusal(NEW_FILE + CHANGE + COUNTS.format(1, 2)),
                         "docs/a.md: it must say \"Files: 1 new, 1 changed\", and says \"Files: 1 new, 2 changed\"")

    def test_files_that_commands_write(self) -> None:
        written = "```sh\n{}\n```\n`list.txt` (changed) is written by that command.\n" + COUNTS.format(0, 1)
        self.follow(written.format("echo four >> list.txt"))
        self.assertEqual(self.refusal(written.format("true")), "docs/a.md: no command has changed list.txt, which it says is written")

    def test_every_tutorial_can_be_read(self) -> None:
        pages = sorted(path for path in Path("docs/extending").glob("*.md") if path.name != "README.md")
        self.assertEqual([path.stem for path in pages], ["bridge", "encoder", "loss", "recipe"])
        for path in pages:
            read_tutorial(path.as_posix(), path.read_text(encoding="utf8"))


class Copy(unittest.TestCase):
    def test_an_export_is_copied_without_what_was_built(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "tree")
            for name in ("src/a.h", "build/b.o", ".venv/c.py", "runs/d", ".clang-format", "tests/__pycache__/e.pyc"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("")
            self.assertEqual(sorted(files_of(root)), [".clang-format", "src/a.h"])
            copy_tree(root, Path(folder, "copy"))
            self.assertTrue(Path(folder, "copy/src/a.h").is_file())
            self.assertFalse(Path(folder, "copy/build").exists())


class Reuse(unittest.TestCase):
    """An object is taken where the same command made it from the same files, and only there."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.build = Path(folder.name, "tree"), Path(folder.name, "tree/build")
        self.tree = self.build / "tutorials/a"
        for tree in (self.root, self.tree):
            for name, text in {"src/a.cpp": "", "src/a.h": "", "build/all.cxx": f"#include \"{tree}/src/a.cpp\"\n"}.items():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(text)
        time.sleep(0.02)
        (self.build / "a.o").write_text("made")
        self.notes = {"root": str(self.root), "build": str(self.build), "tree": str(self.tree), "changed": [],
                      "deps": {"a.o": [f"{self.root}/src/a.cpp", f"{self.root}/src/a.h", f"{self.build}/all.cxx"]},
                      "commands": {"a.o": f"c++ -O2 -DX=1 -I{self.root} -o a.o -c {self.root}/src/a.cpp"}}

    def taken(self, *more: str) -> bool:
        command = ["c++", "-O2", "-DX=1", f"-I{self.tree}", *more, "-o", "a.o", "-c", f"{self.tree}/src/a.cpp"]
        return reuse.reusable(self.notes, command, "a.o") is not None

    def test_the_same_files_by_the_same_command(self) -> None:
        self.assertTrue(self.taken())
        self.assertTrue(self.taken("-MF", "a.d"))
        self.assertFalse(self.taken("-DY=1"))

    def test_a_folder_in_a_definition(self) -> None:
        self.notes["commands"]["a.o"] += f" -DP=\"{self.build}/bin/p\""
        self.assertFalse(self.taken(f"-DP=\"{self.tree}/build/bin/p\""))

    def test_a_changed_file(self) -> None:
        self.notes["changed"] = ["src/a.h"]
        self.assertFalse(self.taken())

    def test_other_sources_compiled_together(self) -> None:
        (self.tree / "build/all.cxx").write_text(f"#include \"{self.tree}/src/b.cpp\"\n")
        self.assertFalse(self.taken())

    def test_a_file_newer_than_the_object(self) -> None:
        os.utime(self.root / "src/a.h", (time.time() + 9, time.time() + 9))
        self.assertFalse(self.taken())

    def test_an_object_that_is_not_there(self) -> None:
        (self.build / "a.o").unlink()
        self.assertFalse(self.taken())


if __name__ == "__main__":
    unittest.main()
