"""The Dockerfiles, by rules of our own (there need be neither docker nor a linter here): what they name is in the tree, what
they install is what the programs are linked with, and images are small and run as a user without rights."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

FILES = sorted(Path("packaging").glob("Dockerfile.*"))
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "ARG", "USER", "CMD"}


def instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]


def run_problems(command: str, copied: set[str]) -> list[str]:
    problems = []
    for part in re.split(r"&&|;", command):
        words = part.split()
        script = words[0]
        if script.startswith("tools/"):
            if not os.access(script, os.X_OK):
                problems.append(f"RUN {script}: there is no such program in the tree")
            elif script not in copied and "." not in copied:
                problems.append(f"RUN {script}: it is not copied before")
            elif script == "tools/build":
                presets = {preset["name"] for preset in json.loads(Path("CMakePresets.json").read_text())["configurePresets"]}
                if words[1] not in presets:
                    problems.append(f"RUN tools/build {words[1]}: there is no such preset")
            elif script == "tools/setup" and not set(words[1:]) <= {"--packages", "--oracles", "--coverage"}:
                problems.append(f"RUN {part.strip()}: there is no such option")
        elif words[:2] == ["apt-get", "install"] and not {"-y", "--no-install-recommends"} <= set(words):
            problems.append("RUN apt-get install without -y or without --no-install-recommends")
    if "apt-get install" in command and not ("apt-get update" in command and "rm -rf /var/lib/apt/lists/*" in command):
        problems.append("RUN apt-get install: update its lists before and remove them after, in the same layer")
    return problems


def problems_of(text: str) -> list[str]:
    problems, copied, stages, user = [], set(), set(), ""
    for name, rest in instructions(text):
        if name not in KNOWN:
            problems.append(f"{name}: an instruction that this test does not know")
        elif name == "FROM":
            image, _, stage = rest.partition(" AS ")
            if image not in stages and (":" not in image or image.endswith(":latest")):
                problems.append(f"FROM {image}: name a release")
            stages.add(stage)
            copied, user = set(), ""
        elif name == "WORKDIR" and not rest.startswith("/"):
            problems.append(f"WORKDIR {rest}: write it from the root")
        elif name == "COPY" and rest.startswith("--from="):
            if rest.split()[0].removeprefix("--from=") not in stages:
                problems.append(f"COPY {rest.split()[0]}: there is no such stage")
        elif name == "COPY":
            for source in rest.split()[:-1]:
                copied.add(source)
                if not Path(source).exists():
                    problems.append(f"COPY {source}: there is no such file in the tree")
        elif name == "RUN":
            problems += run_problems(rest, copied)
        elif name == "USER":
            user = rest
        elif name == "CMD" and not rest.startswith("["):
            problems.append("CMD: write it as a list, so that signals reach the program")
    if user in ("", "root"):
        problems.append("the image runs as root")
    return problems


def installed(text: str) -> set[str]:
    """Packages of the last stage."""
    words = instructions("FROM" + text.rsplit("\nFROM", 1)[1])
    install = next(rest for name, rest in words if name == "RUN" and "apt-get install" in rest)
    return set(re.search(r"apt-get install([^&]*)", install)[1].split()) - {"-y", "--no-install-recommends"}


class Dockerfile(unittest.TestCase):
    def test_ours_are_fine(self):
        self.assertEqual([path.name for path in FILES], ["Dockerfile.cpu", "Dockerfile.cuda"])
        for path in FILES:
            self.assertEqual(problems_of(path.read_text()), [], path)

    def test_what_is_wrong_is_found(self):
        self.assertEqual(problems_of("FROM debian\nWORKDIR usam\nCOPY nothing.here .\nRUN tools/nothing && tools/setup --all\n"
                                     "RUN apt-get install -y cmake\nADD x y\nCMD usam-train\n"), [
            "FROM debian: name a release",
            "WORKDIR usam: write it from the root",
            "COPY nothing.here: there is no such file in the tree",
            "RUN tools/nothing: there is no such program in the tree",
            "RUN tools/setup: it is not copied before",
            "RUN apt-get install without -y or without --no-install-recommends",
            "RUN apt-get install: update its lists before and remove them after, in the same layer",
            "ADD: an instruction that this test does not know",
            "CMD: write it as a list, so that signals reach the program",
            "the image runs as root",
        ])
        self.assertEqual(problems_of("FROM debian:12 AS a\nCOPY . .\nRUN tools/setup --all\nRUN tools/build speedy\nCOPY --from=b x y\nUSER me\n"), [
            "RUN tools/setup --all: there is no such option",
            "RUN tools/build speedy: there is no such preset",
            "COPY --from=b: there is no such stage",
        ])

    @unittest.skipUnless(shutil.which("dpkg-query") and 'VERSION_ID="12"' in Path("/etc/os-release").read_text(), "this is not Debian 12")
    def test_the_images_hold_what_the_programs_are_linked_with(self):
        needed = set()
        for program in Path(os.environ["USAM_BUILD"], "bin").glob("usam-*"):
            for path in re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True).stdout):
                direct = subprocess.run(["readelf", "-d", program], capture_output=True, text=True).stdout
                if f"[{Path(path).name}]" in direct and "/torch/lib/" not in path:
                    needed.add(str(Path(path).resolve()))
        packages = set()
        for path in sorted(needed):
            # /lib is a link to /usr/lib, and dpkg knows a file by one of the two names.
            for name in (path, path.removeprefix("/usr")):
                done = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
                if done.returncode == 0:
                    packages.add(done.stdout.split(":")[0])
                    break
        self.assertGreater(len(packages), 8)
        for path in FILES:
            self.assertEqual(packages - {"libc6"} - installed(path.read_text()), set(), path)


if __name__ == "__main__":
    unittest.main()
