"""Which flavour of LibTorch a build takes: the one that is installed when it is configured, unless it is told."""
from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(flavour LANGUAGES C)
include({tree}/cmake/dependencies.cmake)
get_target_property(libraries usam_torch INTERFACE_LINK_LIBRARIES)
message(STATUS "links: ${{libraries}}")
"""


class Flavour(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.torch = self.folder / "site-packages/torch"
        self.touch("torch/include/torch/csrc/api/include/torch/torch.h")
        (self.folder / "CMakeLists.txt").write_text(PROJECT.format(tree=Path.cwd()))

    def touch(self, name: str) -> None:
        path = self.folder / "site-packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def is_cuda(self, *options: str) -> bool:
        done = subprocess.run(["cmake", "-S", self.folder, "-B", self.folder / "build", f"-DUSAM_TORCH={self.torch}", *options],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return "torch_cuda;c10_cuda" in done.stdout.partition("links: ")[2]

    def test_it_is_seen_anew_by_each_configure_run(self):
        self.assertFalse(self.is_cuda())
        self.touch("torch/lib/libtorch_cuda.so")  # as `USAM_CUDA=1 tools/setup` brings it
        self.touch("nvidia/cu13/include/crt/host_config.h")
        self.assertTrue(self.is_cuda())

    def test_what_is_said_stays(self):
        self.touch("torch/lib/libtorch_cuda.so")
        self.touch("nvidia/cu13/include/crt/host_config.h")
        self.assertFalse(self.is_cuda("-DUSAM_CUDA=OFF"))
        self.assertFalse(self.is_cuda())
        self.assertTrue(self.is_cuda("-DUSAM_CUDA=ON"))


if __name__ == "__main__":
    unittest.main()
