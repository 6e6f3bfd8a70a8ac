"""Runs the Python peer as it is and says when its first forward pass begins: peer_driver.py PEER ARGUMENTS...

Prints `first_forward SECONDS` (since 1970) among the peer's own lines.
"""
import pathlib
import sys
import time

program = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(program.parent))
import usam_peer  # noqa: E402

forward = usam_peer.FrozenEncoders.forward


def first_forward(self, batch):
    print(f"first_forward {time.time():.3f}", flush=True)
    usam_peer.FrozenEncoders.forward = forward
    return forward(self, batch)


usam_peer.FrozenEncoders.forward = first_forward
usam_peer.train(usam_peer.parse(sys.argv[2:]))
