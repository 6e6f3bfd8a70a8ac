"""How fast this machine multiplies fp32 matrices through torch: the roof over a step's work.

    .venv-oracle/bin/python tools/bench/roof.py PRODUCTS.json [--threads N] [--seconds 4] [--device cuda] [--dtype bfloat16]

PRODUCTS.json is what bench_step prints: `products`, [M, N, K, times] of a step's matrix products, the heaviest first. Of each
the fastest repetition counts, by the faster of the libraries that torch has for it: MKL, and oneDNN, whose kernels are the
faster ones on processors of other makers than Intel. Prints operations a second: `square` of two matrices of 2048 x 2048, `shapes` of the
products, each as often as a step has it.
"""
from __future__ import annotations

import argparse
import json
import time

import torch


def rate(m: int, n: int, k: int, seconds: float, **options) -> float:
    a, b = torch.rand(m, k, **options), torch.rand(n, k, **options)
    out, began, best, rounds = torch.empty(m, n, **options), time.perf_counter(), 0.0, 0
    products = [lambda: torch.mm(a, b.t(), out=out)]
    if not out.is_cuda:
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    while rounds < 3 or time.perf_counter() - began < seconds:
        for product in products:
            start = time.perf_counter()
            product()
            if out.is_cuda:
                torch.cuda.synchronize()
            best = max(best, 2 * m * n * k / (time.perf_counter() - start))
        rounds += 1
    return best


def measure(products: list[list[int]], seconds: float, **options) -> dict:
    share = seconds / (len(products) + 1)
    square = rate(2048, 2048, 2048, share, **options)
    work = [2 * m * n * k * times for m, n, k, times in products]
    spent = sum(part / rate(m, n, k, share, **options) for part, (m, n, k, _) in zip(work, products))
    return {"square": square, "shapes": sum(work) / spent if spent else square, "threads": torch.get_num_threads()}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("products")
    ap.add_argument("--threads", type=int, default=0)
    ap.add_argument("--seconds", type=float, default=4)
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--dtype", default="float32")
    args = ap.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    report = json.load(open(args.products, encoding="utf8"))
    print(json.dumps(measure(report["products"], args.seconds, device=args.device, dtype=getattr(torch, args.dtype))))


if __name__ == "__main__":
    main()
