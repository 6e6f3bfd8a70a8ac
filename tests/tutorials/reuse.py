#!/usr/bin/env python3
"""Builds a copy of the tree with the objects of a build of the tree itself: stands where ccache stands (-DCCACHE=...) and, for what no changed
file has a part in, hands out the object that the other build made from the same files by the same command. All else is compiled.
"""
from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

NOTES = "USAM_REUSE"  # names the file that prepare() writes for the compiler's commands
KEPT = ("CMAKE_BUILD_TYPE", "CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER", "CMAKE_CXX_FLAGS", "CMAKE_UNITY_BUILD", "CMAKE_UNITY_BUILD_BATCH_SIZE",
        "USAM_WERROR", "USAM_VENV", "USAM_TORCH", "USAM_CUDA", "USAM_CUDA_INCLUDES")


def read_cache(build: Path) -> dict[str, str]:
    lines = (line for line in (build / "CMakeCache.txt").read_text(encoding="utf8").splitlines() if "=" in line and line[0] not in "#/")
    return {name.split(":")[0]: value for name, value in (line.split("=", 1) for line in lines)}


def read_deps(root: Path, build: Path, ninja: str) -> dict[str, list[str]]:
    """By object, the files of the tree that it was made from."""
    listed = subprocess.run([ninja, "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    deps: dict[str, list[str]] = {}
    for line in listed.splitlines():
        if line.startswith("    "):
            path = os.path.normpath(build / line.strip())
            if path.startswith(f"{root}/") and not path.startswith(f"{root}/.venv"):
                mine.append(path)
        elif ": #deps" in line:
            mine = deps.setdefault(line.split(": #deps")[0], []) if line.endswith("(VALID)") else []
    return deps


def prepare(root: Path, build: Path, tree: Path, changed: set[str]) -> dict[str, str]:
    """Configures TREE/build as `build` is; returns the environment to build it in."""
    cache = read_cache(build)
    (tree / ".venv").symlink_to(cache["USAM_VENV"])
    settings = [f"-D{name}={cache[name]}" for name in KEPT if name in cache]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    if "Ninja" in cache["CMAKE_GENERATOR"]:
        commands = json.loads((build / "compile_commands.json").read_text(encoding="utf8"))
        notes = {"root": str(root), "build": str(build), "tree": str(tree), "changed": sorted(changed),
                 "deps": read_deps(root, build, cache["CMAKE_MAKE_PROGRAM"]),
                 "commands": {os.path.relpath(build / command["output"], build): command["command"] for command in commands if "output" in command}}
        (tree / "reuse.json").write_text(json.dumps(notes), encoding="utf8")
        environment[NOTES] = str(tree / "reuse.json")
        settings.append(f"-DCCACHE={Path(__file__).resolve()}")
    configured = subprocess.run([cache["CMAKE_COMMAND"], "-S", tree, "-B", tree / "build", "-G", cache["CMAKE_GENERATOR"], *settings],
                                capture_output=True, text=True, env=environment)
    if configured.returncode != 0:
        sys.exit(f"the copy in {tree} cannot be configured:\n{configured.stdout[-2000:]}\n{configured.stderr[-3000:]}")
    return environment


def in_copy(notes: dict, path: str) -> str:
    if path.startswith(notes["build"] + "/"):
        return notes["tree"] + "/build" + path[len(notes["build"]):]
    return notes["tree"] + path[len(notes["root"]):]


def is_same(notes: dict, path: str, made: float) -> bool:
    """Whether a file that an object was made from at a time is as it was, and the same in the copy."""
    file, ours = Path(path), in_copy(notes, path)
    if not file.exists() or not os.path.exists(ours):
        return False
    if not path.startswith(notes["build"] + "/"):
        return os.path.relpath(path, notes["root"]) not in notes["changed"] and file.stat().st_mtime <= made
    if file.suffix in (".pch", ".gch"):
        return True  # made of nothing that a tutorial changes
    return file.read_text(encoding="utf8") == theirs(notes, Path(ours).read_text(encoding="utf8"))  # what CMake writes names the tree


def theirs(notes: dict, text: str) -> str:
    """A text of the copy in the other build's words."""
    return text.replace(notes["tree"] + "/build", notes["build"]).replace(notes["tree"], notes["root"])


def relevant(command: list[str]) -> list[str]:
    """What of a command decides over the object."""
    return [word for word in command if word.startswith(("-D", "-f", "-O", "-std", "-m", "-g", "-W"))]


def reusable(notes: dict, command: list[str], output: str) -> Path | None:
    made_there = Path(notes["build"], output)
    deps = notes["deps"].get(output)
    if not deps or not made_there.exists():
        return None
    if known := notes["commands"].get(output):  # that of the precompiled header is not listed
        words = relevant([theirs(notes, word) for word in command])
        # A folder in a definition is one that the program works with: the other tree's would be the wrong one.
        if words != relevant(shlex.split(known)) or any(word.startswith("-D") and notes["root"] in word for word in words):
            return None
    made = made_there.stat().st_mtime
    return made_there if all(is_same(notes, path, made) for path in deps) else None


def main() -> int:
    command = sys.argv[1:]
    if os.environ.get(NOTES) and "-c" in command and "-o" in command:
        notes = json.loads(Path(os.environ[NOTES]).read_text(encoding="utf8"))
        output = command[command.index("-o") + 1]
        if made_there := reusable(notes, command, output):
            shutil.copyfile(made_there, output)
            if "-MF" in command:
                deps = " ".join(in_copy(notes, path) for path in notes["deps"][output])
                Path(command[command.index("-MF") + 1]).write_text(f"{output}: {deps}\n", encoding="utf8")
            return 0
    ccache = shutil.which("ccache")
    return subprocess.run(([ccache] if ccache else []) + command).returncode


if __name__ == "__main__":
    sys.exit(main())
