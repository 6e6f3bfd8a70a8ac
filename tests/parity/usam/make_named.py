"""The whole-model oracle under usam's names: ORACLES/usam/NAME.safetensors -> ORACLES/usam/named/NAME.safetensors.

    python tests/parity/usam/make_named.py ORACLES
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "tools/parity"))
from from_peer import convert  # noqa: E402

folder = pathlib.Path(sys.argv[1]) / "usam"
(folder / "named").mkdir(exist_ok=True)
for file in folder.glob("trainables_*.safetensors"):
    convert(str(file), str(folder / "named" / file.name))
for file in folder.glob("golden_*_perclip.safetensors"):
    convert(str(file), str(folder / "named" / file.name), ("grad/", "after/"))
