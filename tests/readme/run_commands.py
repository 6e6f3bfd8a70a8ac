"""Runs every command of a Markdown file's ```sh blocks, in order, from the top of the tree; fails at the first that fails.

    python tests/readme/run_commands.py README.md

`make` commands are what runs this test, or another test of this suite, and are only held against the Makefile. A command below a
line `# not run: REASON` is not run either.
"""
from __future__ import annotations

import re
import subprocess
import sys


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)
    found, is_run = [], True
    for line in (line for block in blocks for line in block.splitlines() if line.strip()):
        if line.startswith("#"):
            is_run = not re.match(r"# not run: \w", line)
        elif is_run:
            found.append(line)
        else:
            is_run = True
    return found


def main() -> None:
    targets = set(re.findall(r"^([a-z-]+):", open("Makefile", encoding="utf8").read(), flags=re.M))
    found = commands(open(sys.argv[1], encoding="utf8").read())
    if not found:
        sys.exit(f"{sys.argv[1]} has no ```sh block")
    for command in found:
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
