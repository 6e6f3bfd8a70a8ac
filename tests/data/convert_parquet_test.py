"""tools/convert_parquet.py on small files in the layout of Hugging Face's datasets, and what usam makes of the result."""
from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
import wave
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
CONVERTER = TREE / "tools/convert_parquet.py"

try:
    import pyarrow
    import pyarrow.parquet
except ImportError:
    print("skipped: needs pyarrow (tools/setup --oracles installs it)")
    sys.exit(int(os.environ.get("USAM_SKIP_CODE", "0")))


def wav(seconds: float, value: int = 1000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(int(seconds * 16000) * value.to_bytes(2, "little", signed=True))
    return out.getvalue()


class ConvertParquet(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.addCleanup(self.temporary.cleanup)

    def write(self, rows: list[dict], name: str = "train.parquet", schema: pyarrow.Schema | None = None, row_group_size: int = 3) -> Path:
        table = pyarrow.Table.from_pylist(rows, schema=schema)
        path = self.folder / name
        pyarrow.parquet.write_table(table, path, row_group_size=row_group_size)
        return path

    def rows(self, count: int) -> list[dict]:
        return [{"id": f"utt-{i}", "audio": {"bytes": wav(0.2 + 0.1 * i, i), "path": None}, "text": f"text {i}", "lang": "en"} for i in range(count)]

    def convert(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run([sys.executable, str(CONVERTER), *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def rejected(self, out: Path) -> list[tuple[int, str]]:
        return [(one["row"], one["reason"]) for one in map(json.loads, (out / "rejected.jsonl").read_text().splitlines())]

    def test_shards(self) -> None:
        path, out = self.write(self.rows(7)), self.folder / "out"
        self.convert(path, "--output", out, "--key", "id", "--task", "ASR", "--extra", "*", "--shard-rows", "4")
        self.assertEqual(sorted(one.name for one in out.glob("*.tar")), ["train-00000.tar", "train-00001.tar"])
        with tarfile.open(out / "train-00001.tar") as tar:
            self.assertEqual(tar.getnames(), [f"00000000{i}{ending}" for i in (4, 5, 6) for ending in (".wav", ".json")])
            self.assertEqual(tar.extractfile("000000005.wav").read(), wav(0.7, 5))
            self.assertEqual(json.load(tar.extractfile("000000005.json")), {"key": "utt-5", "label": "text 5", "task": "ASR", "lang": "en"})
        self.assertEqual(self.rejected(out), [])

    def test_further_columns_never_replace_what_usam_reads(self) -> None:
        rows = [{**row, "wav": "theirs.wav", "offset": 3, "dur": "long"} for row in self.rows(2)]
        path, out = self.write(rows), self.folder / "out"
        self.convert(path, "--output", out, "--to", "folder", "--task", "ASR", "--extra", "*")
        line = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
        self.assertEqual(line, {"key": "train-000000000", "wav": "audio/train-00000/000000000.wav", "label": "text 0", "task": "ASR",
                                "id": "utt-0", "lang": "en", "wav_": "theirs.wav", "offset_": 3, "dur_": "long"})

    def test_folder(self) -> None:
        path, out = self.write(self.rows(3)), self.folder / "out"
        self.convert(path, "--output", out, "--to", "folder", "--shard-rows", "2", "--task", "ASR")
        lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
        self.assertEqual(lines[2], {"key": "train-000000002", "wav": "audio/train-00001/000000002.wav", "label": "text 2", "task": "ASR"})
        self.assertEqual((out / lines[2]["wav"]).read_bytes(), wav(0.4, 2))

    def test_other_kinds_of_columns(self) -> None:
        (self.folder / "a.wav").write_bytes(wav(0.3))
        features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["dog", "cat"]}}}}
        schema = pyarrow.schema([("sound", pyarrow.string()), ("label", pyarrow.int64()), ("s", pyarrow.float64())],
                                metadata={"huggingface": json.dumps(features)})
        path, out = self.write([{"sound": "a.wav", "label": 1, "s": 0.3}], schema=schema), self.folder / "out"
        self.convert(path, "--output", out, "--to", "folder", "--audio", "sound", "--text", "label", "--duration", "s", "--task", "SEC")
        self.assertEqual(json.loads((out / "manifest.jsonl").read_text()), {
            "key": "train-000000000", "wav": "audio/train-00000/000000000.wav", "label": "cat", "task": "SEC", "dur": 0.3})

    def test_rows_that_cannot_be_used(self) -> None:
        rows = self.rows(7)
        rows[0]["audio"]["bytes"] = None
        rows[1]["audio"] = {"bytes": None, "path": "none.wav"}
        rows[2]["audio"]["bytes"] = b"<html>"
        rows[3]["text"] = " "
        rows[4]["audio"]["bytes"] = b""
        rows[5]["text"] = None
        path, out = self.write(rows), self.folder / "out"
        self.convert(path, "--output", out, "--shard-rows", "6")
        self.assertEqual(self.rejected(out), [
            (0, "it has no audio"), (1, "its audio file none.wav cannot be read: No such file or directory"),
            (2, "its audio is no wav, flac, ogg, opus, mp3, aiff, au, caf or w64"), (3, "its column 'text' is empty"), (4, "its audio is empty"),
            (5, "its column 'text' is empty")])
        self.assertEqual([one.name for one in out.glob("*.tar")], ["train-00001.tar"])  # no shard without a sample
        self.assertIn("0 rows converted, 6 rejected, 2 shards were there already", self.convert(path, "--output", out, "--shard-rows", "6"))

    def test_goes_on_where_it_stopped(self) -> None:
        path, out, whole = self.write(self.rows(7)), self.folder / "out", self.folder / "whole"
        for to in ("webdataset", "folder"):
            self.convert(path, "--output", whole / to, "--to", to, "--shard-rows", "2")
            self.convert(path, "--output", out / to, "--to", to, "--shard-rows", "2")
            ending = "tar" if to == "webdataset" else "jsonl"
            (out / to / f"train-00002.{ending}").unlink()  # as if it had been killed before
            (out / to / "train-00001.tar.part").write_bytes(b"torn")
            before = (out / to / f"train-00000.{ending}").stat().st_mtime_ns
            self.assertIn("2 rows converted, 0 rejected, 3 shards were there already", self.convert(path, "--output", out / to, "--to", to, "--shard-rows", "2"))
            self.assertEqual((out / to / f"train-00000.{ending}").stat().st_mtime_ns, before)
            for one in (whole / to).rglob("*"):
                if one.is_file():
                    self.assertEqual((out / to / one.relative_to(whole / to)).read_bytes(), one.read_bytes(), one)

    def test_refusals(self) -> None:
        path, out = self.write(self.rows(2)), self.folder / "out"
        self.assertIn("there is no column 'speech' (--audio); it has: id, audio, text, lang", self.convert(path, "--output", out, "--audio", "speech", code=2))
        other = self.folder / "other"
        self.convert(path, "--output", other)
        self.assertIn("this folder was begun with other options or files (shard_rows)", self.convert(path, "--output", other, "--shard-rows", "1", code=2))
        self.assertIn("the folder is not empty", self.convert(path, "--output", self.folder, code=2))
        (self.folder / "bad.parquet").write_bytes(b"no parquet")
        self.assertIn("cannot be read as Parquet", self.convert(self.folder / "bad.parquet", "--output", self.folder / "b", code=2))
        self.assertIn("there is no such file or folder", self.convert(self.folder / "none", "--output", self.folder / "n", code=2))

    @unittest.skipUnless("USAM_INSPECT" in os.environ, "needs USAM_INSPECT, the program")
    def test_usam_reads_it(self) -> None:
        path, out = self.write(self.rows(5)), self.folder / "out"
        self.convert(path, "--output", out, "--task", "ASR", "--key", "id", "--shard-rows", "2")
        self.convert(path, "--output", self.folder / "files", "--to", "folder", "--task", "ASR", "--key", "id")
        for source in (out, self.folder / "files/manifest.jsonl"):
            done = subprocess.run([os.environ["USAM_INSPECT"], "data", str(source)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("5", done.stdout)


if __name__ == "__main__":
    unittest.main()
