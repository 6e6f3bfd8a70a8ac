"""Runs every command of a Markdown file's ```sh blocks, in order, from the top of the tree; fails at the first that fails.

    python tests/readme/run_commands.py README.md
    python tests/readme/run_commands.py --check README.md docs/data.md     # whether these are all the files with commands to run

A command that ends in & runs until the last one of the file is done. `make` commands are what runs this test, or another test of this suite, and are only held against the Makefile. A command below a
line `# not run: REASON` is not run, nor is what follows `# none is run: REASON` in its block. A reason that names a file of the tree names one
that is there.
"""
from __future__ import annotations

import atexit
import re
import subprocess
import sys
from pathlib import Path

FENCE = re.compile(r"^ *```(\S*)")
REASON = re.compile(r"^# (not run|none is run): (\w.*)")
LANGUAGES = {"sh", "text", "json", "yaml", "diff", "cpp", "cmake", "python"}


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)
    found = []
    for block in blocks:
        is_run = True
        for line in (line for line in block.splitlines() if line.strip()):
            if line.startswith("#"):
                reason = REASON.match(line)
                if reason and reason[1] == "none is run":
                    break
                is_run = not reason
            elif is_run:
                found.append(line)
            else:
                is_run = True
    return found


def check(root: Path, listed: list[str]) -> list[str]:
    """Sentences about blocks that are neither run nor marked; `listed` are the files that a test runs."""
    problems = []
    paths = [path for path in root.rglob("*.md") if not re.match(r"build|\.|runs/|dist/", path.relative_to(root).as_posix())]
    for path in sorted(paths):
        name, text, is_open = path.relative_to(root).as_posix(), path.read_text(encoding="utf8"), False
        for number, line in enumerate(text.splitlines(), 1):
            if fence := FENCE.match(line):
                is_open = not is_open
                if is_open and (fence[1] not in LANGUAGES or line.startswith(" ")):
                    problems.append(f"{name}:{number}: a block begins with ``` and one of {', '.join(sorted(LANGUAGES))}; sh are commands")
            elif reason := REASON.match(line):
                problems += [f"{name}:{number}: there is no {file}" for file in re.findall(r"\b(?:tests|tools|docs|configs)/[\w/]+(?:\.\w+)?", reason[2])
                             if not (root / file).exists()]
        if commands(text) and name not in listed and not name.startswith("docs/extending/"):  # tests/tutorials runs those
            problems.append(f"{name}: no test runs its commands: list it in tests/readme/CMakeLists.txt, or mark them '# not run: REASON'")
        if name in listed and not commands(text):
            problems.append(f"{name}: it is listed in tests/readme/CMakeLists.txt, and has no command to run")
    return problems + [f"{name}: it is listed in tests/readme/CMakeLists.txt, and there is no such file" for name in listed if not (root / name).exists()]


def main() -> None:
    if sys.argv[1] == "--check":
        problems = check(Path.cwd(), sys.argv[2:])
        print("\n".join(problems) or f"{len(sys.argv) - 2} files have commands, which tests run")
        sys.exit(bool(problems))
    targets = set(re.findall(r"^([a-z-]+):", open("Makefile", encoding="utf8").read(), flags=re.M))
    found = commands(open(sys.argv[1], encoding="utf8").read())
    background: list[subprocess.Popen] = []
    atexit.register(lambda: [process.terminate() or process.wait() for process in background])
    if not found:
        sys.exit(f"{sys.argv[1]} has no ```sh block")
    for command in found:
        if command.endswith("&"):
            background.append(subprocess.Popen(["sh", "-c", "exec " + command.rstrip(" &")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            print(f"in the background: {command}")
            continue
        if command.startswith("make "):
            if command.split()[1] not in targets:
                sys.exit(f"the Makefile has no target for: {command}")
            print(f"a target of the Makefile: {command}")
            continue
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        print(f"exit {done.returncode}: {command}")
        is_training = "usam-train" in command and not re.search("--(print|validate)", command)  # tells on standard error
        if done.returncode != 0 or not (done.stdout or is_training):
            sys.exit(f"stdout:\n{done.stdout[-2000:]}\nstderr:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
