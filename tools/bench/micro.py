"""The parts around the matrix products, one by one, on one thread (google-benchmark).

    tools/bench/run micro [--filter REGEX] [--seconds 0.3]
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import common


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--filter", default=".")
    ap.add_argument("--seconds", type=float, default=0.3, help="least time for each")
    ap.add_argument("--tokenizer", default="", help="folder with a tokenizer; without one it is left out")
    args = ap.parse_args()
    program = common.PROGRAMS / "bench_micro"
    if not program.exists():
        sys.exit(f"bench: there is no {program}: it is built where google-benchmark is installed (Debian: libbenchmark-dev; tools/setup installs it)")
    common.OUT.mkdir(parents=True, exist_ok=True)
    out = common.OUT / "micro.json"
    command = [str(program), f"--benchmark_filter={args.filter}", f"--benchmark_min_time={args.seconds}", f"--benchmark_out={out}", "--benchmark_out_format=json"]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"OMP_NUM_THREADS": "1", "USAM_BENCH_TOKENIZER": args.tokenizer})
    measured = json.loads(out.read_text(encoding="utf8"))
    common.save("micro", {"machine": common.machine(()), "settings": vars(args), "benchmarks": measured["benchmarks"]})


if __name__ == "__main__":
    main()
