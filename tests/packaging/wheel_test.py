"""The wheel of tools/package, installed into a folder beside LibTorch: the programs run from there, and from there alone."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

BUILD = Path(os.environ["USAM_BUILD"]).resolve()
TORCH = Path(os.environ["USAM_TORCH"]).resolve()


class Wheel(unittest.TestCase):
    def test_is_installed_and_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            made = [subprocess.run([sys.executable, "tools/package", "--build", BUILD, "--output", Path(folder, name)],
                                   capture_output=True, text=True) for name in ("dist", "again")]
            self.assertEqual(made[0].returncode, 0, made[0].stderr)
            wheel, again = (Path(done.stdout.strip()) for done in made)
            self.assertRegex(wheel.name, r"^usam-\d+\.\d+\.\d+-py3-none-linux_\w+\.whl$")
            self.assertEqual(wheel.read_bytes(), again.read_bytes(), "the same programs give the same bytes")

            site = Path(folder, "site")
            installed = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
                                        "--no-deps", "--target", site, wheel], capture_output=True, text=True)
            self.assertEqual(installed.returncode, 0, installed.stderr)
            program = site / "usam/bin/usam-train"
            rpath = re.findall(r"R(?:UN)?PATH\).*\[(.*)\]", subprocess.run(["readelf", "-d", program], capture_output=True, text=True).stdout)
            self.assertEqual([path.strip(":") for path in rpath], ["$ORIGIN/../../torch/lib"])
            self.assertTrue((site / "usam/configs/stage1.yaml").is_file())

            environment = {**os.environ, "PYTHONPATH": str(site)}
            command = [sys.executable, site / "bin/usam-train", "--version"]
            without = subprocess.run(command, capture_output=True, text=True, env=environment)
            self.assertIn("libtorch", without.stderr)  # nothing but the folder beside it is looked into
            (site / "torch").symlink_to(TORCH)
            told = subprocess.run(command, capture_output=True, text=True, env=environment)
            self.assertEqual(told.returncode, 0, told.stderr)
            expected = subprocess.run([BUILD / "bin/usam-train", "--version"], capture_output=True, text=True).stdout
            self.assertEqual(told.stdout, expected)
            # The torch that is asked for is the one that the programs were built with.
            with zipfile.ZipFile(wheel) as archive:
                metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
            release = re.search(r"^LibTorch ([0-9.]+)", expected, flags=re.M)[1]
            self.assertIn(f"Requires-Dist: torch=={release}\n", metadata)
            self.assertIn("libsndfile.so.1", metadata)

    def test_a_folder_without_a_build_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "tools/package", "--build", folder], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (1, f"package: {folder} is no build folder; run tools/build release programs first\n"))


if __name__ == "__main__":
    unittest.main()
