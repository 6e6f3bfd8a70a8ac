"""The other guards on trees that they must refuse: formatter, clang-tidy, pre-commit hook, sanitizers, the whole check."""
from __future__ import annotations

import atexit
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path.cwd()
FORMATTER = shutil.which("clang-format-19")
COMPILER = shutil.which("clang++-19")
UGLY = "int  f( ) {return 1;}\n"
PRETTY = "int f() {\n  return 1;\n}\n"


class Tree:
    """A git tree in a temporary folder, with copies of some of this one's files."""

    def __init__(self, *copied: str):
        self.folder = tempfile.TemporaryDirectory()
        atexit.register(self.folder.cleanup)
        self.root = Path(self.folder.name)
        self.run("git", "init", "-q", ".")
        for name in copied:
            self.write(name, (ROOT / name).read_text(encoding="utf8"), os.access(ROOT / name, os.X_OK))

    def write(self, name: str, text: str, is_program: bool = False) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
        if is_program:
            path.chmod(0o755)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, env={**clean, **environment})


@unittest.skipUnless(FORMATTER, "there is no clang-format-19 here")
class Format(unittest.TestCase):
    def test_refuses_and_mends(self):
        tree = Tree("tools/format", ".clang-format")
        tree.write("a.cpp", UGLY)
        refused = tree.run("tools/format", "--check")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("run 'make format'", refused.stderr)
        self.assertEqual(tree.run("tools/format").returncode, 0)
        self.assertEqual((tree.root / "a.cpp").read_text(), PRETTY)
        self.assertEqual(tree.run("tools/format", "--check").returncode, 0)


@unittest.skipUnless(shutil.which("clang-tidy-19"), "there is no clang-tidy-19 here")
class Lint(unittest.TestCase):
    def test_a_finding_fails(self):
        tree = Tree("tools/lint", ".clang-tidy")
        for name in ("tools/setup", "tools/build"):
            tree.write(name, "#!/bin/sh\n", True)
        tree.write("good.cpp", "int f() { return 1; }\n")
        tree.write("bad.cpp", "int* f() { return 0; }\n")  # modernize-use-nullptr
        tree.write("build/compile_commands.json", json.dumps(
            [{"directory": str(tree.root), "file": name, "command": f"clang++ -c {name}"} for name in ("good.cpp", "bad.cpp")]))
        self.assertEqual(tree.run("tools/lint", "good.cpp").returncode, 0)
        refused = tree.run("tools/lint", "bad.cpp")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("modernize-use-nullptr", refused.stdout)


class Hook(unittest.TestCase):
    def setUp(self):
        self.tree = Tree("tools/hooks/pre-commit", "tools/tree_check", ".clang-format")
        self.tree.run("git", "config", "core.hooksPath", "tools/hooks")

    def commit(self, name: str, text: str) -> subprocess.CompletedProcess:
        self.tree.write(name, text)
        self.tree.run("git", "add", name)
        return self.tree.run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "A change")

    def test_names_are_looked_at(self):
        refused = self.commit("src/a.cpp", "class bad_type {};\n")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("src/a.cpp:1: the type bad_type is not written in CamelCase.", refused.stderr)

    @unittest.skipUnless(FORMATTER, "there is no clang-format-19 here")
    def test_what_is_staged_counts_and_not_what_lies_beside_it(self):
        refused = self.commit("src/a.cpp", UGLY)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("run 'make format'", refused.stderr)
        self.tree.write("src/a.cpp", PRETTY)  # not added
        self.assertEqual(self.tree.run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "b").returncode, 1)
        self.assertEqual(self.commit("src/a.cpp", PRETTY).returncode, 0)
        self.tree.write("src/b.cpp", UGLY)  # not added: no concern of this commit
        self.assertEqual(self.commit("docs/a.md", "Words.\n").returncode, 0)


class Check(unittest.TestCase):
    STEPS = ("format", "tree_check", "lint", "test", "gcc_check", "cuda_check", "fuzz")

    def tree(self, failing: str = "") -> Tree:
        tree = Tree("tools/check", ".ci/run")
        for step in self.STEPS:
            tree.write(f"tools/{step}", f"#!/bin/sh\necho ran {step} $*\nexit {int(step == failing)}\n", True)
        tree.write("build/test.log", "100% tests passed, 0 tests failed out of 3\n")
        return tree

    def ran(self, done: subprocess.CompletedProcess) -> list[str]:
        return [line[4:].strip() for line in done.stdout.splitlines() if line.startswith("ran ")]

    def test_every_step_runs_and_the_summary_is_last(self):
        done = self.tree().run("tools/check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.ran(done), ["format --check", "tree_check", "lint", "test"])
        self.assertTrue(done.stdout.endswith("100% tests passed, 0 tests failed out of 3\n"))

    def test_the_server_runs_its_own(self):
        done = self.tree().run(".ci/run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.ran(done), ["format --check", "tree_check", "gcc_check --sample", "test", "cuda_check", "fuzz 60 1"])

    def test_a_failing_step_ends_it(self):
        done = self.tree("lint").run("tools/check")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.ran(done)[-1], "lint")
        self.assertIn("check: tools/lint failed", done.stderr)
        self.assertEqual(self.tree().run("tools/check", "--cli").returncode, 2)


@unittest.skipUnless(COMPILER, "there is no clang 19 here")
class Sanitizers(unittest.TestCase):
    """The presets' flags find what they are for, under the settings of tools/sanitize; its exit code tells."""

    BROKEN = {
        "asan": "int main(int n, char**) { int* p = new int[4]; int x = p[n + 4]; delete[] p; return x & 0; }",
        "ubsan": "#include <climits>\nint main(int n, char**) { int x = INT_MAX; x += n; return x & 0; }",
        "tsan": "#include <thread>\nint x;\nint main() { std::thread t([] { x = 1; }); x = 2; t.join(); return 0; }",
    }
    FINDINGS = {"asan": "heap-buffer-overflow", "ubsan": "signed integer overflow", "tsan": "data race"}

    def flags(self, preset: str) -> list[str]:
        presets = {p["name"]: p for p in json.loads(Path("CMakePresets.json").read_text())["configurePresets"]}
        return shlex.split(presets[preset]["cacheVariables"]["CMAKE_CXX_FLAGS"])

    def test_each_finds_its_kind(self):
        for kind, source in self.BROKEN.items():
            with self.subTest(kind):
                tree = Tree("tools/sanitize")
                tree.write("bad.cpp", source)
                tree.write("good.cpp", "int main() { return 0; }")
                tree.write("tools/build", f"""#!/bin/sh
mkdir -p build-$1/bin
for name in good bad; do {COMPILER} -std=c++20 -g {shlex.join(self.flags(kind))} $name.cpp -o build-$1/bin/$name || exit 1; done
""", True)
                fine = tree.run("tools/sanitize", kind, "good")
                self.assertEqual(fine.returncode, 0, fine.stderr)
                found = tree.run("tools/sanitize", kind, "good", "bad")
                self.assertEqual(found.returncode, 1)
                self.assertIn(self.FINDINGS[kind], found.stderr)
                self.assertIn(f"sanitize: {kind}: bad failed", found.stderr)

    def test_another_word_is_refused(self):
        done = Tree("tools/sanitize").run("tools/sanitize", "msan")
        self.assertEqual((done.returncode, done.stderr), (2, "sanitize: name one of asan, ubsan and tsan\n"))

def has_llvm(name: str) -> bool:
    return bool(shutil.which(f"{name}-19")) or os.access(f"/usr/lib/llvm-19/bin/{name}", os.X_OK)


@unittest.skipUnless(COMPILER and has_llvm("llvm-cov") and has_llvm("llvm-profdata"), "there is no clang 19 or no llvm-cov here")
class Coverage(unittest.TestCase):
    def test_counts_lines_and_tells_of_failures(self):
        presets = {p["name"]: p for p in json.loads(Path("CMakePresets.json").read_text())["configurePresets"]}
        flags = presets["coverage"]["cacheVariables"]["CMAKE_CXX_FLAGS"]
        tree = Tree("tools/coverage")
        tree.write("part.h", "inline int part(bool on) {\n  if (on) return 1;\n  return 2;\n}\n")
        tree.write("good.cpp", '#include "part.h"\nint main() { return part(true) - 1; }\n')
        tree.write("bad.cpp", '#include "part.h"\nint main() { return part(true); }\n')
        tree.write("tools/build", f"""#!/bin/sh
mkdir -p build-coverage/bin
for name in good bad; do {COMPILER} {flags} $name.cpp -o build-coverage/bin/$name || exit 1; done
""", True)
        done = tree.run("tools/coverage", "good")
        self.assertEqual(done.returncode, 0, done.stderr)
        part = next(line for line in done.stdout.splitlines() if line.startswith("part.h"))
        self.assertEqual(part.split()[-3:], ["4", "1", "75.00%"])
        self.assertTrue((tree.root / "build-coverage/report/index.html").exists())
        failed = tree.run("tools/coverage", "good", "bad")
        self.assertEqual((failed.returncode, failed.stderr), (1, "coverage: bad failed\n"))


if __name__ == "__main__":
    unittest.main()
