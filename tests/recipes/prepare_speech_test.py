"""Preparation of the speech recipes on miniature copies of their downloads."""
from __future__ import annotations

import json
import os
import subprocess
import unittest

from miniature import TREE, RecipeTest, write_csv, write_flac, write_mp3, write_text, write_wav


class Librispeech(RecipeTest):
    recipe = "librispeech_asr"
    SUBSETS = ["train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other", "test-clean", "test-other"]

    def make(self) -> None:
        for number, subset in enumerate(self.SUBSETS, 100):
            chapter = self.folder / "LibriSpeech" / subset / str(number) / "7"
            lines = []
            for clip in range(2):
                write_flac(chapter / f"{number}-7-000{clip}.flac", 0.2 + 0.1 * clip)
                lines.append(f"{number}-7-000{clip} HELLO WORLD'S {subset.upper()} {clip}\n")
            write_text(chapter / f"{number}-7.trans.txt", "".join(lines))

    def test_layout(self) -> None:
        self.make()
        table = self.prepare(self.folder / "LibriSpeech")
        self.assertEqual(len(self.rows("train.jsonl")), 6)
        self.assertEqual(self.rows("train.jsonl")[1], {
            "key": "librispeech-100-7-0001", "wav": str(self.folder / "LibriSpeech/train-clean-100/100/7/100-7-0001.flac"),
            "label": "hello world's train-clean-100 1", "task": "ASR", "lang": "en", "spk": "100", "dur": 0.3})
        self.assertEqual(self.keys("valid.jsonl"), ["librispeech-103-7-0000", "librispeech-103-7-0001", "librispeech-104-7-0000", "librispeech-104-7-0001"])
        self.assertEqual(self.keys("test_clean.jsonl"), ["librispeech-105-7-0000", "librispeech-105-7-0001"])
        self.assertEqual(self.keys("test_other.jsonl"), ["librispeech-106-7-0000", "librispeech-106-7-0001"])
        self.assertEqual(self.rejected(), [])
        self.assertEqual(table.splitlines()[0].split(), ["manifest", "tasks", "clips", "hours", "rejected"])
        self.assertEqual(table.splitlines()[1].split(), ["train.jsonl", "ASR", "6", "0.00", "0"])

    def test_the_folder_above_and_some_subsets(self) -> None:
        self.make()
        self.prepare(self.folder, "--subsets", "train-clean-100,dev-clean,test-clean")
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["rejected.jsonl", "test_clean.jsonl", "train.jsonl", "valid.jsonl"])
        self.assertEqual(len(self.rows("train.jsonl")), 2)

    def test_what_is_left_out(self) -> None:
        self.make()
        root = self.folder / "LibriSpeech"
        write_text(root / "train-clean-100/100/7/100-7.trans.txt", "100-7-0000 ONE\n100-7-0001\n")
        (root / "train-clean-360/101/7/101-7.trans.txt").unlink()
        (root / "train-other-500/102/7/102-7-0000.flac").write_bytes(b"")
        (root / "train-other-500/102/7/102-7-0001.flac").write_bytes(b"<html>")
        table = self.prepare(root)
        self.assertEqual(self.keys("train.jsonl"), ["librispeech-100-7-0000"])
        self.assertEqual(self.rejected(), [
            ("100-7.trans.txt:2", "the line has no words behind the utterance's name"),
            ("librispeech-100-7-0001", "its chapter's .trans.txt has no line for it"),
            ("librispeech-101-7-0000", "its chapter has no .trans.txt"),
            ("librispeech-101-7-0001", "its chapter has no .trans.txt"),
            ("librispeech-102-7-0000", "the file is empty"),
            ("librispeech-102-7-0001", "the file is no flac file, whatever its name says")])
        self.assertIn("Rejected 6: its chapter has no .trans.txt (2); ", table)

    def test_refusals(self) -> None:
        advice = "LibriSpeech is downloaded from https://www.openslr.org/12; give the folder that it was unpacked into."
        self.assertEqual(self.refuse("nowhere"), f"The folder nowhere is missing: {self.folder} holds nothing. {advice}")
        self.make()
        (self.folder / "LibriSpeech/dev-other").rename(self.folder / "LibriSpeech/other")
        self.assertEqual(self.refuse(self.folder / "LibriSpeech"),
                         "The folder LibriSpeech/dev-other is missing: LibriSpeech holds dev-clean/, other/, test-clean/, test-other/, "
                         f"train-clean-100/, train-clean-360/ and 1 more. {advice}")
        self.assertEqual(self.refuse("LibriSpeech", "--subsets", "train-clean-10"),
                         "--subsets names train-clean-10; the subsets are " + ", ".join(self.SUBSETS) + ".")
        self.assertEqual(self.refuse("out"), f"The folder out is missing: {self.folder} holds LibriSpeech/. {advice}")
        self.assertFalse(self.out.exists())
        for clip in (self.folder / "LibriSpeech/test-clean").rglob("*.flac"):
            clip.write_bytes(b"")
        (self.folder / "LibriSpeech/other").rename(self.folder / "LibriSpeech/dev-other")
        self.assertEqual(self.refuse("LibriSpeech"), "No clip of test_clean.jsonl can be used. The first: librispeech-105-7-0000: the file is empty "
                         "(LibriSpeech/test-clean/105/7/105-7-0000.flac). All reasons are in out/rejected.jsonl.")
        self.assertFalse((self.out / "train.jsonl").exists())
        self.assertEqual(self.refuse("LibriSpeech", "--threads", 0), "--threads is 0; it must be at least 1.")


class Aishell(RecipeTest):
    recipe = "aishell_asr"

    def make(self) -> None:
        lines = []
        for number, split in enumerate(["train", "dev", "test"], 2):
            for clip in range(2):
                name = f"BAC009S000{number}W012{clip}"
                write_wav(self.folder / f"data_aishell/wav/{split}/S000{number}/{name}.wav")
                lines.append(f"{name} 而 对 楼市  成交 {'一二'[clip]}\n")
        write_text(self.folder / "data_aishell/transcript/aishell_transcript_v0.8.txt", "".join(lines))

    def test_layout(self) -> None:
        self.make()
        write_wav(self.folder / "data_aishell/wav/train/S0002/BAC009S0002W9999.wav")
        self.prepare(self.folder)
        self.assertEqual(self.labels("train.jsonl"), {"aishell-BAC009S0002W0120": "而对楼市成交一", "aishell-BAC009S0002W0121": "而对楼市成交二"})
        self.assertEqual(self.keys("valid.jsonl"), ["aishell-BAC009S0003W0120", "aishell-BAC009S0003W0121"])
        self.assertEqual(self.rows("test.jsonl")[0]["spk"], "S0004")
        self.assertEqual(self.rejected(), [("aishell-BAC009S0002W9999", "the transcript has no line for it")])

    def test_refusals(self) -> None:
        self.make()
        root = self.folder / "data_aishell"
        write_text(root / "wav/S0002.tar.gz", "unpacked already")
        write_text(root / "wav/S0009.tar.gz", "not unpacked")
        advice = "AISHELL-1 is downloaded from https://www.openslr.org/33; give the folder that it was unpacked into."
        self.assertEqual(self.refuse("data_aishell"), "Speakers are still packed in data_aishell/wav: 1, S0009.tar.gz first. Unpack them there: "
                         f"cd data_aishell/wav && for f in *.tar.gz; do tar xzf $f; done. {advice}")
        (root / "transcript/aishell_transcript_v0.8.txt").rename(root / "transcript/moved.txt")
        self.assertEqual(self.refuse("data_aishell"), "The file data_aishell/transcript/aishell_transcript_v0.8.txt is missing: "
                         f"data_aishell/transcript holds moved.txt. {advice}")
        self.assertEqual(self.refuse(root / "transcript"),
                         f"There is no wav in data_aishell/transcript nor in data_aishell/: data_aishell/transcript holds moved.txt. {advice}")


class Covost(RecipeTest):
    recipe = "covost2_s2tt"

    def make(self, translations: str = "") -> list:
        english = self.folder / "cv/en"
        rows = "".join(f"speaker{i}\tcommon_voice_en_{i}.mp3\tSay \"{i}\".\t2\t0\t\t\t\n" for i in range(6))
        write_text(english / "validated.tsv", "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent\n" + rows)
        for i in range(7):
            write_mp3(english / f"clips/common_voice_en_{i}.mp3")
        splits = ["train", "train_covost", "dev", "test", "dev_covost", "train", "train"]
        write_text(self.folder / "covost_v2.en_zh-CN.tsv", "path\ttranslation\tsplit\n"
                   + "".join(f"common_voice_en_{i}.mp3\t说“{i}”。\t{split}\n" for i, split in enumerate(splits)) + translations)
        return ["--common-voice", english, "--covost", self.folder / "covost_v2.en_zh-CN.tsv"]

    def test_layout(self) -> None:
        arguments = self.make("common_voice_en_5.mp3\t没有\n" "common_voice_en_4.mp3\t\ttrain\n")
        self.prepare(*arguments)
        self.assertEqual(self.labels("train.jsonl"), {f"covost2-en-zh-CN-common_voice_en_{i}": f"说“{i}”。" for i in (0, 1, 5)})
        self.assertEqual(self.rows("train.jsonl")[0], {
            "key": "covost2-en-zh-CN-common_voice_en_0", "wav": str(self.folder / "cv/en/clips/common_voice_en_0.mp3"), "label": "说“0”。",
            "task": "S2TT", "lang": "en", "target": "zh-CN", "text": "Say \"0\".", "spk": "speaker0"})
        self.assertEqual(self.keys("valid.jsonl"), ["covost2-en-zh-CN-common_voice_en_2"])
        self.assertEqual(self.keys("test.jsonl"), ["covost2-en-zh-CN-common_voice_en_3"])
        self.assertEqual(self.rejected(), [
            ("covost2-en-zh-CN-common_voice_en_6", "validated.tsv does not have it"),
            ("covost_v2.en_zh-CN.tsv:9", "the line has 2 fields where the header has 3"),
            ("covost2-en-zh-CN-common_voice_en_4", "the label is empty")])

    def test_refusals(self) -> None:
        arguments = self.make()
        self.assertEqual(self.refuse(*arguments[:2], "--covost", "zh.tsv"),
                         "--covost zh.tsv: the languages are read from the name, which must be covost_v2.SOURCE_TARGET.tsv.")
        write_text(self.folder / "cv/en/validated.tsv", "client_id\tpath\tsentance\n")
        self.assertEqual(self.refuse(*arguments), "cv/en/validated.tsv: the first line has no column 'sentence'; its columns are: client_id, path, sentance.")
        write_text(self.folder / "cv/en/validated.tsv", "client_id\tpath\tsentence\n")
        self.assertEqual(self.refuse(*arguments), "cv/en/validated.tsv: there is no row below its first line.")
        (self.folder / "cv/en/validated.tsv").write_bytes(b"client_id\tpath\tsentence\na\tb\t\xff\n")
        self.assertEqual(self.refuse(*arguments), "cv/en/validated.tsv: it is not UTF-8 text (invalid start byte near line 1).")
        (self.folder / "cv/en/validated.tsv").unlink()
        self.assertEqual(self.refuse(*arguments), "There is no validated.tsv in cv/en: cv/en holds clips/. Common Voice Corpus 4 is downloaded from "
                         "https://commonvoice.mozilla.org/datasets; give the folder that it was unpacked into.")


class Fsdd(RecipeTest):
    recipe = "fsdd"

    def make(self) -> None:
        for digit in range(10):
            for speaker in ("jackson", "lucas"):
                for index in (0, 4, 5, 9, 10, 49):
                    write_wav(self.folder / f"fsdd/recordings/{digit}_{speaker}_{index}.wav", 0.1)

    def test_official_split(self) -> None:
        self.make()
        write_wav(self.folder / "fsdd/recordings/noise.wav")
        self.prepare(self.folder / "fsdd")
        self.assertEqual([len(self.rows(f"{split}.jsonl")) for split in ("train", "valid", "test")], [40, 40, 40])
        self.assertEqual({row["key"].rsplit("_")[-1] for row in self.rows("test.jsonl")}, {"0", "4"})
        self.assertEqual(self.labels("train.jsonl")["fsdd-7_lucas_49"], "seven")
        self.assertEqual(self.rejected(), [("noise.wav", "the name is not DIGIT_SPEAKER_INDEX.wav")])

    def test_both_stages_and_the_evaluation(self) -> None:
        """The commands of the README, with two steps a stage."""
        self.make()
        self.prepare(self.folder / "fsdd")
        few = ["trainer.max_steps=2", "trainer.eval_every=2", "trainer.save_every=2", "data.batch.rows=4"]
        data = [f"data.{split}={self.out}/{split}.jsonl" for split in ("train", "valid", "test")]
        for program, config, more in [("USAM_TRAIN", "train_stage1", [f"run.dir={self.folder}/one", *few]),
                                      ("USAM_TRAIN", "train_stage2", [f"run.dir={self.folder}/two", f"init_from=[{self.folder}/one/best]", *few]),
                                      ("USAM_EVAL", "evaluate", [f"run.dir={self.folder}/two"])]:
            done = subprocess.run([os.environ[program], f"recipes/fsdd/{config}.yaml", *data, *more], cwd=TREE, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        metrics = json.loads((self.folder / "two/evaluation/metrics.json").read_text())["tasks"]["ASR"]
        self.assertEqual(metrics["n"], 40)
        self.assertGreaterEqual(metrics["wer"], 1 - metrics["accuracy"])

    def test_by_speaker(self) -> None:
        self.make()
        self.prepare(self.folder / "fsdd", "--test-speaker", "lucas")
        self.assertEqual([len(self.rows(f"{split}.jsonl")) for split in ("train", "valid", "test")], [40, 20, 60])
        self.assertEqual({row["spk"] for row in self.rows("test.jsonl")}, {"lucas"})
        self.assertEqual({row["spk"] for row in self.rows("train.jsonl") + self.rows("valid.jsonl")}, {"jackson"})
        self.assertEqual(self.refuse("fsdd", "--test-speaker", "bob"), "--test-speaker bob: the speakers are jackson, lucas.")

    def test_names_that_are_not_text(self) -> None:
        self.make()
        recordings = os.fsencode(self.folder / "fsdd/recordings/")
        os.rename(recordings + b"/3_lucas_4.wav", recordings + b"/3_lu\xe7as_4.wav")
        os.rename(self.folder / "fsdd", os.fsencode(self.folder) + b"/fs\xe4d")
        done = self.run_prepare(os.fsdecode(os.fsencode(self.folder) + b"/fs\xe4d"))
        self.assertEqual(done.returncode, 2)
        self.assertTrue(done.stderr.startswith("There was no clip to prepare. The first: fsdd-0_jackson_0: the file's name is not UTF-8 ("), done.stderr)
        os.rename(os.fsencode(self.folder) + b"/fs\xe4d", self.folder / "fsdd")
        self.prepare(self.folder / "fsdd")
        self.assertEqual(self.rejected(), [("3_lu\\udce7as_4.wav", "the name is not DIGIT_SPEAKER_INDEX.wav")])

    def test_an_output_that_cannot_be_written(self) -> None:
        self.make()
        write_text(self.folder / "file", "")
        done = self.run_prepare(self.folder / "fsdd", output="file/out")
        self.assertEqual((done.returncode, done.stderr), (1, f"{self.folder}/file/out: Not a directory.\n"))

    def test_an_empty_folder(self) -> None:
        (self.folder / "fsdd/recordings").mkdir(parents=True)
        self.assertEqual(self.refuse("fsdd"), "There was no clip to prepare.")


class Nisqa(RecipeTest):
    recipe = "nisqa"
    PARTS = ["NISQA_TRAIN_SIM", "NISQA_TRAIN_LIVE", "NISQA_VAL_SIM", "NISQA_TEST_P501"]
    HEADER = ["db", "con", "file", "lang", "votes", "mos", "noi", "dis", "col", "loud", "filepath_deg"]

    def make(self, *more: list) -> None:
        rows = []
        for number, part in enumerate(self.PARTS):
            write_wav(self.folder / f"NISQA_Corpus/{part}/deg/c{number}.wav")
            rows.append([part, 1, 1, "en", 5, 3.4567, 4.04, 1.96, 2, 5, f"{part}/deg/c{number}.wav"])
        write_csv(self.folder / "NISQA_Corpus/NISQA_corpus_file.csv", self.HEADER, [*rows, *more])

    def test_layout(self) -> None:
        write_wav(self.folder / "NISQA_Corpus/NISQA_TRAIN_SIM/deg/c9.wav")
        self.make(["NISQA_TRAIN_SIM", 1, 1, "en", 5, "", 1, 1, 1, 1, "NISQA_TRAIN_SIM/deg/c9.wav"],
                  ["OTHER", 1, 1, "en", 5, 3, 1, 1, 1, 1, "OTHER/deg/c9.wav"],
                  ["NISQA_TRAIN_SIM", 1, 1, "en", 5, 3, 1, 1, 1, 1, "NISQA_TRAIN_SIM/deg/lost.wav"])
        self.prepare(self.folder)
        self.assertEqual(self.labels("train.jsonl"), {"nisqa-NISQA_TRAIN_SIM-c0": "3.5", "nisqa-NISQA_TRAIN_LIVE-c1": "3.5"})
        self.assertEqual(self.labels("valid.jsonl"), {"nisqa-NISQA_VAL_SIM-c2": "3.5"})
        self.assertEqual(self.labels("test_p501.jsonl"), {"nisqa-NISQA_TEST_P501-c3": "3.4567"})
        self.assertEqual({row["task"] for row in self.rows("train.jsonl")}, {"QUA"})
        self.assertEqual(self.rejected(), [
            ("nisqa-NISQA_TRAIN_SIM-c9", "its mos is no number from 1 to 5"), ("NISQA_corpus_file.csv:7", "there is no part 'OTHER'"),
            ("nisqa-NISQA_TRAIN_SIM-lost", "the file is missing")])

    def test_dimensions(self) -> None:
        self.make()
        self.prepare(self.folder / "NISQA_Corpus", "--scores", "mos,noi,dis,col,loud")
        self.assertEqual([(row["task"], row["label"]) for row in self.rows("valid.jsonl")],
                         [("QUA", "3.5"), ("QUA_NOI", "4.0"), ("QUA_DIS", "2.0"), ("QUA_COL", "2.0"), ("QUA_LOUD", "5.0")])
        self.assertEqual(self.refuse("NISQA_Corpus", "--scores", "mos,pesq"), "--scores names 'pesq'; the scores are mos, noi, dis, col, loud.")


if __name__ == "__main__":
    unittest.main()
