"""tools/tree_check on trees that break its rules one by one, on one that breaks none, and on this tree."""
from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path("tools/tree_check").resolve()
LATER = "TO" + "DO"


def check(files: dict[str, str]) -> tuple[int, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf8")
        done = subprocess.run([sys.executable, SCRIPT, "--root", folder, *files], capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()


def function(name: str, lines: int) -> str:
    return f"int {name}() {{\n" + "  ++count;\n" * (lines - 2) + "}\n"


class TreeCheck(unittest.TestCase):
    def assert_found(self, path: str, text: str, *findings: str) -> None:
        code, found = check({path: text})
        self.assertEqual((code, found), (1, [f"{path}:{finding}" for finding in findings]))

    def assert_fine(self, path: str, text: str) -> None:
        self.assertEqual(check({path: text}), (0, ["tree: 1 files are fine"]))

    def test_long_files(self):
        self.assert_fine("src/a.h", "#pragma once\n" + "//\n" * 219)
        self.assert_found("src/a.h", "#pragma once\n" + "//\n" * 220, "221: the header has 221 lines, 220 are the most: take it apart.")
        self.assert_fine("src/a.cpp", "//\n" * 400)
        self.assert_found("src/a.cpp", "//\n" * 401, "401: the source has 401 lines, 400 are the most: take it apart.")
        self.assert_fine("tests/a_test.cpp", "//\n" * 450)
        self.assert_found("tests/a_test.cpp", "//\n" * 451, "451: the source has 451 lines, 450 are the most: take it apart.")

    def test_an_allowance_is_no_licence_to_grow(self):
        self.assert_fine("src/base/config_codec.h", "#pragma once\n" + "//\n" * 277)
        self.assert_found("src/base/config_codec.h", "#pragma once\n" + "//\n" * 278,
                          "279: the header has 279 lines, 278 are the most: take it apart.")

    def test_long_functions(self):
        self.assert_fine("src/a.cpp", function("f", 60) + function("g", 60))
        self.assert_found("src/a.cpp", "//\n" + function("f", 61), "2: the function has 61 lines, 60 are the most: take it apart.")
        self.assert_fine("tests/a_test.cpp", function("f", 3).replace("int f()", "TEST(A, B)") + "\n")
        self.assert_found("tests/a_test.cpp", function("f", 81).replace("int f()", "TEST(A, B)"),
                          "1: the test has 81 lines, 80 are the most: take it apart.")
        # A namespace and a type end otherwise, and are none.
        self.assert_fine("src/a.cpp", "namespace a {\n" + "//\n" * 80 + "}  // namespace a\nstruct B {\n" + "  int x;\n" * 80 + "};\n")

    def test_names(self):
        self.assert_found("src/BadName.cpp", "", "1: the file's name BadName.cpp is not written in snake_case.")
        self.assert_found("tools/badName.py", "", "1: the file's name badName.py is not written in snake_case.")
        self.assert_found("src/a.cpp", "class bad_type {\n};\n", "1: the type bad_type is not written in CamelCase.")
        self.assert_found("src/a.cpp", "enum class color { kRed };\n", "1: the type color is not written in CamelCase.")
        self.assert_found("src/a.cpp", "void doIt() {\n}\n", "1: the function doIt is not written in snake_case.")
        self.assert_found("src/a.cpp", "std::vector<int> Thing::doIt(int x) const {\n}\n", "1: the function doIt is not written in snake_case.")
        self.assert_found("src/a.cpp", "inline constexpr int MAX_SIZE = 3;\n", "1: the constant MAX_SIZE is not written as kName.")
        self.assert_found("src/a.cpp", "#define CHECK(x) x\n", "1: the macro CHECK does not begin with USAM_.")
        self.assert_fine("src/a.cpp", "constexpr double kMost = 3;\n#define USAM_CHECK(x) x\nThing::Thing(int x) {\n}\nThing::~Thing() {\n}\n"
                         "bool operator==(const Thing& a, const Thing& b) {\n}\nvoid Thing::do_it() {\n}\nclass Good : public Base {\n};\n")

    def test_headers_are_guarded(self):
        self.assert_found("src/a.h", "// Words.\n#pragma once\n", "1: a header begins with #pragma once.")

    def test_what_no_file_may_hold(self):
        self.assert_found("docs/a.md", f"Text.\n{LATER}: more\n", "2: a task for later stands in the tree: do it, or open an issue.")
        self.assert_found("configs/a.yaml", "path: /home/me/models\n", "1: an absolute path of one machine stands in the tree.")
        self.assert_fine("docs/a.md", "A map of what to do.\n")
        self.assert_found("src/a.cpp", "  at::parallel_for(0, 9, 1, loop);\n",
                          "1: at::parallel_for runs in one thread when we compile it: take parallel_for (src/tensor/parallel.h).")
        self.assert_fine("src/a.cpp", "  parallel_for(0, 9, 1, loop);  // as at::parallel_for\n")

    def test_findings_of_all_files_are_told(self):
        code, found = check({"src/b.cpp": "class b {\n};\nvoid C() {\n}\n", "src/a.h": ""})
        self.assertEqual((code, len(found)), (1, 3))
        self.assertTrue(found[0].startswith("src/a.h:1:"))

    def test_this_tree(self):
        done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
