"""What the prepare.py of every recipe shares. Python 3.9 and its standard library are enough.

    download = Download("ESC-50", "https://github.com/karolpiczak/ESC-50")   # places.py: what must be there, or a sentence
    for line, row in read_table(file, ["filename", "fold"], manifests.reject): # tables.py: rows; broken lines are listed
    manifests.add("train.jsonl", key=..., wav=..., label=..., task="SEC")      # manifests.py: measured, checked, written
"""
from prepare.clips import Clips
from prepare.manifests import Manifests
from prepare.mistake import Mistake
from prepare.places import Download
from prepare.program import run
from prepare.split import held_out, order, rank
from prepare.tables import read_table

__all__ = ["Clips", "Download", "Manifests", "Mistake", "held_out", "order", "rank", "read_table", "run"]
