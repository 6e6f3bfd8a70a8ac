"""Follows a tutorial of docs/extending to the letter, in a copy of the tree, and fails where it leads nowhere.

    python tests/tutorials/tutorial.py docs/extending/loss.md --build build     # what the test does
    python tests/tutorials/tutorial.py docs/extending/loss.md --apply           # its files and changes into this tree, no command

A block below a line "`PATH` (new):" is that file, a ```diff block below "`PATH` (changed):" is applied to it, the lines of an ```sh
block are commands (tests/readme/run_commands.py), a ```text block is what they show. "`PATH` (changed) is written by ..." names a file that a
command must have changed. "Files: 2 new, 4 changed" must count them right.

The copy is configured as the build under test and compiles what the tutorial changes; all else is taken from that build (reuse.py).
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "readme"))
import reuse  # noqa: E402
from run_commands import commands  # noqa: E402

FENCE = re.compile(r"^```(\w*)$")
HEADING = re.compile(r"^`([^`]+)` \((new|changed)\):$")
WRITTEN = re.compile(r"^`([^`]+)` \((new|changed)\) is written by ", flags=re.M)
COUNTS = re.compile(r"\bFiles: (\d+) new, (\d+) changed\b")


class Wrong(Exception):
    """A sentence that names the tutorial and what is wrong in it."""


@dataclass
class Block:
    where: str  # "docs/extending/loss.md:34"
    kind: str  # new, changed or sh
    path: str = ""
    text: str = ""


@dataclass
class Tutorial:
    name: str
    blocks: list[Block] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)  # by commands: path, kind

    def paths(self, kind: str) -> set[str]:
        return {block.path for block in self.blocks if block.kind == kind} | {path for path, how in self.written if how == kind}


def read_blocks(name: str, text: str) -> list[Block]:
    blocks: list[Block] = []
    language, heading, begin, body = None, None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if language is not None:
            if line != "```":
                body.append(line)
                continue
            block = Block(f"{name}:{begin}", "sh", text="\n".join(body) + "\n")
            if language not in ("sh", "text"):
                if not heading:
                    raise Wrong(f"{block.where}: no line such as \"`losses/mine.h` (new):\" stands above this block and names its file")
                block.path, block.kind = heading
                if (block.kind == "changed") != (language == "diff"):
                    raise Wrong(f"{block.where}: a file that is changed has a ```diff block, and a new one has its whole text")
            if language != "text":
                blocks.append(block)
            language, heading, body = None, None, []
        elif fence := FENCE.match(line):
            language, begin = fence[1], number
        elif line.strip():
            found = HEADING.match(line)
            heading = (found[1], found[2]) if found else None
    if language is not None:
        raise Wrong(f"{name}:{begin}: the block has no end")
    return blocks


def read_tutorial(name: str, text: str) -> Tutorial:
    tutorial = Tutorial(name, read_blocks(name, text), WRITTEN.findall(text))
    told = COUNTS.search(text)
    is_so = len(tutorial.paths("new")), len(tutorial.paths("changed"))
    if not told or (int(told[1]), int(told[2])) != is_so:
        raise Wrong(f"{name}: it must say \"Files: {is_so[0]} new, {is_so[1]} changed\"" + (f", and says \"{told[0]}\"" if told else ""))
    return tutorial


def apply(block: Block, tree: Path) -> None:
    path = tree / block.path
    if block.kind == "new":
        if path.exists():
            raise Wrong(f"{block.where}: {block.path} is there already: the tutorial needs another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf8")
        return
    if not path.exists():
        raise Wrong(f"{block.where}: there is no {block.path} to change: mend the tutorial")
    named = set(re.findall(r"^(?:---|\+\+\+) [ab]/(.+)$", block.text, flags=re.M))
    if named != {block.path}:
        raise Wrong(f"{block.where}: the diff must be of {block.path}, as the line above it says")
    # A copy inside of another repository is no part of that.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.resolve().parent)}
    environment.pop("GIT_DIR", None)
    done = subprocess.run(["git", "apply", "--recount", "-"], cwd=tree, input=block.text, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise Wrong(f"{block.where}: the change of {block.path} no longer fits that file; mend the block: {done.stderr.strip()}")


def run(block: Block, tree: Path, environment: dict[str, str]) -> None:
    for command in commands(f"```sh\n{block.text}```\n"):
        began = time.monotonic()
        done = subprocess.run(command, shell=True, cwd=tree, env=environment, capture_output=True, text=True)
        print(f"{time.monotonic() - began:6.1f} s: {command}", flush=True)
        if done.returncode != 0:
            raise Wrong(f"{block.where}: exit code {done.returncode} of: {command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def follow(tutorial: Tutorial, tree: Path, environment: dict[str, str]) -> None:
    before = {path: content_of(tree / path) for path, _ in tutorial.written}
    for block in tutorial.blocks:
        run(block, tree, environment) if block.kind == "sh" else apply(block, tree)
    for path, content in before.items():
        if content_of(tree / path) == content:
            raise Wrong(f"{tutorial.name}: no command has changed {path}, which it says is written")


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def files_of(root: Path) -> list[str]:
    """What git tracks or would track; of an export everything but what the tree ignores."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "-z"], capture_output=True, text=True)
    if listed.returncode == 0 and (root / ".git").exists():
        return [path for path in listed.stdout.split("\0") if path and (root / path).is_file()]
    is_ours = [top for top in root.iterdir() if not re.match(r"build|\.venv|\.git$|runs$|dist$", top.name)]
    return [path.relative_to(root).as_posix() for top in is_ours for path in ([top] if top.is_file() else top.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts]


def copy_tree(root: Path, tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    for path in files_of(root):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, tree / path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tutorial")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--build", type=Path, help="the build folder of this tree; the copy goes into BUILD/tutorials")
    action.add_argument("--apply", action="store_true", help="write the tutorial's files and changes into this tree")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent.parent
    try:
        tutorial = read_tutorial(arguments.tutorial, Path(arguments.tutorial).read_text(encoding="utf8"))
        if arguments.apply:
            for block in tutorial.blocks:
                if block.kind != "sh":
                    apply(block, root)
            return 0
        tree = arguments.build.resolve() / "tutorials" / Path(arguments.tutorial).stem  # always the same: ccache knows the commands again
        began = time.monotonic()
        copy_tree(root, tree)
        environment = reuse.prepare(root, arguments.build.resolve(), tree, tutorial.paths("new") | tutorial.paths("changed"))
        print(f"{time.monotonic() - began:6.1f} s: a copy of the tree, configured", flush=True)
        follow(tutorial, tree, environment)
        shutil.rmtree(tree)
        return 0
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
