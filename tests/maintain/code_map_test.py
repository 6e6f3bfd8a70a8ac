"""The map of the code is that of the CMake lists, and docs/code.md names every folder of it."""
from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

LISTS = {
    "src/base": "usam_library(base\n  SOURCES\n    a.cpp\n  LINK\n    json)\n",
    "src/text": "usam_library(text SOURCES b.cpp LINK usam_base)\ntarget_link_libraries(usam_text PRIVATE ICU)\n",
    "recipes": "usam_library(recipes TORCH SOURCES c.cpp LINK usam_text usam_base)\n",
}


def draw(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "tools/code_map", *arguments], capture_output=True, text=True)


class CodeMap(unittest.TestCase):
    def test_the_figure_is_of_this_tree(self):
        with tempfile.TemporaryDirectory() as folder:
            drawn = Path(folder, "code.svg")
            done = draw("--output", str(drawn))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(drawn.read_text(), Path("docs/code.svg").read_text(), "run tools/code_map and commit docs/code.svg")
        ElementTree.parse("docs/code.svg")

    def test_boxes_and_arrows_come_from_the_lists(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in LISTS.items():
                Path(folder, name).mkdir(parents=True)
                Path(folder, name, "CMakeLists.txt").write_text(text)
            refused = draw("--root", folder)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("WORDS and the CMake lists differ in: data, decode,", refused.stderr)
            # With words for these three alone: recipes over text over base; recipes -> base is told by the way over text.
            script = Path(folder, "tools/code_map")
            script.parent.mkdir()
            text = Path("tools/code_map").read_text()
            begin, end = text.index("WORDS = {"), text.index("BOX_W")
            script.write_text(text[:begin] + 'WORDS = {"base": "a", "text": "<b>", "recipes": "c"}\n' + text[end:])
            Path(folder, "docs").mkdir()
            subprocess.run([sys.executable, script], check=True)
            root = ElementTree.parse(Path(folder, "docs/code.svg")).getroot()
            svg = "{http://www.w3.org/2000/svg}"
            heights = {box[1].text: float(box[0].get("y")) for box in root.iter(svg + "g")}
            self.assertLess(heights["recipes"], heights["text"])
            self.assertLess(heights["text"], heights["base"])
            arrows = [path for path in root.iter(svg + "path") if path.get("marker-end")]
            self.assertEqual(len(arrows), 2)

    def test_the_page_names_every_library(self):
        page = Path("docs/code.md").read_text(encoding="utf8")
        for folder in ("src/base", "src/text", "src/tensor", "src/io", "src/dist", "src/nn", "src/models", "src/decode", "src/eval",
                       "data", "losses", "trainer", "recipes", "tools", "tests", "configs", "cmake", "packaging", "examples"):
            self.assertIn(f"`{folder}/`", page)
        self.assertIn("(code.svg)", page)


if __name__ == "__main__":
    unittest.main()
