"""A prepare.py as a program: options that all have, exit codes as the other programs of usam."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Callable

from prepare.manifests import Manifests
from prepare.mistake import Mistake


def run(recipe: str, description: str, options: Callable[[argparse.ArgumentParser], None],
        prepare: Callable[[argparse.Namespace, Manifests], None]) -> None:
    """Parses the options, prepares, writes. Exit code 0 done, 1 failed, 2 a mistake in what was given."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options(parser)
    output = Path(__file__).resolve().parents[2] / "runs" / recipe / "data"
    parser.add_argument("--output", default=output, type=Path, metavar="DIR",
                        help=f"where the manifests go; default: runs/{recipe}/data, where the configs read them")
    parser.add_argument("--threads", default=8, type=int, metavar="N", help="files whose headers are read at a time; default: %(default)s")
    args = parser.parse_args()
    try:
        if args.threads < 1:
            raise Mistake(f"--threads is {args.threads}; it must be at least 1.")
        manifests = Manifests(args.output, args.threads)
        prepare(args, manifests)
        manifests.finish()
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        sys.exit(130)
