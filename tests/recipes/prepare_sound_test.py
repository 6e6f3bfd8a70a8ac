"""Preparation of the recipes for sounds and music, and of the mix, on miniature copies of their downloads."""
from __future__ import annotations

import json
import subprocess
import sys
import unittest

from miniature import TREE, RecipeTest, write_csv, write_mp3, write_text, write_wav


class AudioCapsClotho(RecipeTest):
    recipe = "audiocaps_clotho_aac"

    def make_audiocaps(self) -> list:
        tables, clips = self.folder / "audiocaps", self.folder / "clips"
        header = ["audiocap_id", "youtube_id", "start_time", "caption"]
        names = ["91139", "rqfQRErjfk8_30", "YabcdefghiJ0_10", "klmnopqrst-_20000_30000", "-vwxyzVWXYZ"]
        for name in names:
            write_wav(clips / "some/where" / f"{name}.wav")
        write_csv(tables / "train.csv", header, [
            [91139, "r1nicOVtvkQ", 130, "A woman talks,  then \"laughs\""], [58146, "rqfQRErjfk8", 30, "Rain falls"],
            [1, "abcdefghiJ0", 10, "Dogs bark"], [2, "klmnopqrst-", 20, "A bell"], [3, "-vwxyzVWXYZ", 0, "Wind"], [4, "gone", 0, "Nothing"]])
        for split, video, start in (("val", "klmnopqrst-", 20), ("test", "abcdefghiJ0", 10)):
            write_csv(tables / f"{split}.csv", header, [[100 + i, video, start, f"Caption {i}"] for i in range(5)]
                      + [[200 + i, "lost", 10, f"Caption {i}"] for i in range(5)])
        return ["--audiocaps", tables, "--audiocaps-clips", clips]

    def make_clotho(self) -> list:
        for split in ("development", "validation", "evaluation"):
            write_wav(self.folder / f"clotho/{split}/Distorted AM Radio noise.wav")
            write_csv(self.folder / f"clotho/clotho_captions_{split}.csv", ["file_name", *(f"caption_{i}" for i in range(1, 6))],
                      [["Distorted AM Radio noise.wav", *(f"A {split}, muddled {i}." for i in range(1, 6))]])
        return ["--clotho", self.folder / "clotho"]

    def test_both(self) -> None:
        self.prepare(*self.make_audiocaps(), *self.make_clotho())
        self.assertEqual(self.labels("audiocaps_train.jsonl"), {
            "audiocaps-91139": "A woman talks, then \"laughs\"", "audiocaps-58146": "Rain falls", "audiocaps-1": "Dogs bark",
            "audiocaps-2": "A bell", "audiocaps-3": "Wind"})
        self.assertEqual(self.labels("audiocaps_test.jsonl"), {"audiocaps-abcdefghiJ0_10": "\t".join(f"Caption {i}" for i in range(5))})
        self.assertEqual(self.keys("clotho_train.jsonl"), [f"clotho-train-Distorted AM Radio noise-{i}" for i in range(1, 6)])
        self.assertEqual(self.labels("clotho_test.jsonl"), {
            "clotho-test-Distorted AM Radio noise": "\t".join(f"A evaluation, muddled {i}." for i in range(1, 6))})
        self.assertEqual(self.rejected(), [("audiocaps-4", "no clip has its name"), ("audiocaps-lost_10", "no clip has its name"),
                                           ("audiocaps-lost_10", "no clip has its name")])

    def test_a_broken_line(self) -> None:
        arguments = self.make_clotho()
        with open(self.folder / "clotho/clotho_captions_evaluation.csv", "a", encoding="utf-8") as file:
            file.write("Distorted AM Radio noise.wav,one,two\nother.wav,\"broken\" quote,b,c,d,e\n")
        self.prepare(*arguments)
        self.assertEqual(self.rejected(), [
            ("clotho_captions_evaluation.csv:3", "the line has 3 fields where the header has 6"),
            ("clotho_captions_evaluation.csv:4", "the line is broken (',' expected after '\"')")])

    def test_refusals(self) -> None:
        self.assertEqual(self.refuse(), "Give --audiocaps DIR, --clotho DIR or both.")
        arguments = self.make_audiocaps()
        (self.folder / "audiocaps/val.csv").unlink()
        self.assertEqual(self.refuse(*arguments), "The file audiocaps/val.csv is missing: audiocaps holds test.csv, train.csv. AudioCaps is "
                         "downloaded from https://audiocaps.github.io; give the folder that it was unpacked into.")


class Esc50(RecipeTest):
    recipe = "esc50_classification"

    def make(self) -> None:
        rows = []
        for fold in range(1, 6):
            for target, category in enumerate(["dog", "door_wood_knock"]):
                for take in "AB":  # two clips of one recording
                    name = f"{fold}-{fold}00{target}-{take}-{target}.wav"
                    write_wav(self.folder / f"ESC-50-master/audio/{name}")
                    rows.append([name, fold, target, category, target == 0, f"{fold}00{target}", take])
        write_csv(self.folder / "ESC-50-master/meta/esc50.csv", ["filename", "fold", "target", "category", "esc10", "src_file", "take"], rows)

    def test_five_folds(self) -> None:
        self.make()
        self.prepare(self.folder)
        tested = []
        for fold in range(1, 6):
            parts = {split: self.rows(f"fold{fold}/{split}.jsonl") for split in ("train", "valid", "test")}
            self.assertEqual([len(rows) for rows in parts.values()], [12, 4, 4])
            self.assertEqual({row["fold"] for row in parts["test"]}, {fold})
            self.assertNotIn(fold, {row["fold"] for row in parts["train"] + parts["valid"]})
            recordings = [{row["key"].split("-")[2] for row in rows} for rows in parts.values()]
            self.assertEqual(sum(len(names) for names in recordings), len(set.union(*recordings)))  # in one part each
            self.assertEqual({row["label"] for row in parts["valid"]}, {"dog", "door wood knock"})
            tested += [row["key"] for row in parts["test"]]
        self.assertEqual((len(tested), len(set(tested))), (20, 20))
        self.assertEqual((self.out / "labels.txt").read_text(), "dog\ndoor wood knock\n")
        self.assertEqual(self.rejected(), [])

    def test_esc10_and_another_draw(self) -> None:
        self.make()
        self.prepare(self.folder, "--esc10")
        self.assertEqual((self.out / "labels.txt").read_text(), "dog\n")
        draws = set()
        for seed in range(6):
            self.assertEqual(self.run_prepare(self.folder, "--seed", seed).returncode, 0)
            draws.add((self.out / "fold1/valid.jsonl").read_text())
        self.assertGreater(len(draws), 1)

    def test_refusals(self) -> None:
        self.make()
        file = self.folder / "ESC-50-master/meta/esc50.csv"
        lines = file.read_text().splitlines()
        write_text(file, "\n".join(line for line in lines if ",3," not in line) + "\n")
        self.assertEqual(self.refuse(self.folder), "ESC-50-master/meta/esc50.csv has no clip of fold 3.")
        write_text(file, lines[0] + "\n")
        self.assertEqual(self.refuse(self.folder), "ESC-50-master/meta/esc50.csv: there is no row below its first line.")
        file.unlink()
        self.assertEqual(self.refuse("ESC-50-master"), "There is no meta/esc50.csv in ESC-50-master nor in ESC-50-master/ nor in ESC-50/: ESC-50-master "
                         "holds audio/, meta/. ESC-50 is downloaded from https://github.com/karolpiczak/ESC-50; give the folder that it was unpacked into.")


    def test_mean_of_folds(self) -> None:
        def run() -> subprocess.CompletedProcess:
            return subprocess.run([sys.executable, str(TREE / "recipes" / self.recipe / "mean_of_folds.py"), str(self.folder)], capture_output=True, text=True)
        for fold in range(1, 6):
            write_text(self.folder / f"fold{fold}/stage2/evaluation/metrics.json", json.dumps({"tasks": {"SEC": {"accuracy": 0.8 + fold / 100}}}))
        self.assertEqual(run().stdout.splitlines()[2:], [
            "| 1 | 81.0 % |", "| 2 | 82.0 % |", "| 3 | 83.0 % |", "| 4 | 84.0 % |", "| 5 | 85.0 % |", "| mean | 83.00 % |", "| standard deviation | 1.58 |"])
        (self.folder / "fold4/stage2/evaluation/metrics.json").unlink()
        self.assertEqual((run().returncode, run().stderr), (2, f"{self.folder}/fold4/stage2/evaluation/metrics.json is missing: evaluate this fold first.\n"))


class Gtzan(RecipeTest):
    recipe = "gtzan_genre"
    GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]

    def make(self, count: int) -> None:
        for genre in self.GENRES:
            for i in range(count):
                write_wav(self.folder / f"Data/genres_original/{genre}/{genre}.{i:05d}.wav", 0.1)

    def test_lists(self) -> None:
        self.make(3)
        (self.folder / "Data/genres_original/jazz/jazz.00000.wav").write_bytes(bytes(1000))  # as jazz.00054 is
        for i, split in enumerate(["train", "valid", "test"]):
            write_text(self.folder / f"lists/{split}_filtered.txt", "".join(f"{genre}/{genre}.{i:05d}.wav\n" for genre in self.GENRES)
                       + ("rock/rock.00099.wav\n" if split == "test" else ""))
        self.prepare(self.folder, "--lists", self.folder / "lists")
        self.assertEqual([len(self.rows(f"{split}.jsonl")) for split in ("train", "valid", "test")], [9, 10, 10])
        self.assertEqual(self.labels("test.jsonl")["gtzan-hiphop.00002"], "hiphop")
        self.assertEqual(self.rejected(), [("test_filtered.txt:11", "no clip has its name"), ("gtzan-jazz.00000", "the file is no wav file, whatever its name says")])
        self.assertEqual((self.out / "labels.txt").read_text().split(), self.GENRES)
        (self.folder / "lists/valid_filtered.txt").unlink()
        self.assertEqual(self.refuse(self.folder, "--lists", "lists"), "The file lists/valid_filtered.txt is missing: "
                         f"{self.folder}/lists holds test_filtered.txt, train_filtered.txt. The fault-filtered split of GTZAN is downloaded from "
                         "https://github.com/jongpillee/music_dataset_split; give the folder that it was unpacked into.".replace(str(self.folder) + "/", ""))

    def test_drawn(self) -> None:
        self.make(10)
        done = self.run_prepare(self.folder / "Data")
        self.assertEqual(done.stderr, "Without --lists the same artists are in training and test: expect better figures than published ones.\n")
        self.prepare(self.folder / "Data")
        for split, count in (("train", 8), ("valid", 1), ("test", 1)):
            labels = list(self.labels(f"{split}.jsonl").values())
            self.assertEqual({genre: labels.count(genre) for genre in self.GENRES}, dict.fromkeys(self.GENRES, count))

    def test_refusals(self) -> None:
        self.make(1)
        for clip in (self.folder / "Data/genres_original/pop").iterdir():
            clip.unlink()
        (self.folder / "Data/genres_original/pop").rmdir()
        self.assertTrue(self.refuse("Data").startswith("The folder Data/genres_original/pop is missing: Data/genres_original holds blues/, classical/, "
                                                       "country/, disco/, hiphop/, jazz/ and 3 more. GTZAN is downloaded from https://"))
        self.assertTrue(self.refuse("Data/genres_original/rock").startswith(
            "There is no genres_original in Data/genres_original/rock nor in Data/: Data/genres_original/rock holds rock.00000.wav. "))


class Jamendo(RecipeTest):
    recipe = "mtg_jamendo_tagging"

    def make(self, low: bool = False, more: str = "") -> list:
        header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
        for i, split in enumerate(["train", "validation", "test"]):
            write_mp3(self.folder / f"audio/0{i}/10{i}{'.low' if low else ''}.mp3", 160)  # 4.18 s
            tags = ["genre---rock\tinstrument---guitar", "genre---rock", "mood/theme---film\tgenre---film"][i]
            write_text(self.folder / f"repository/data/splits/split-0/autotagging_top50tags-{split}.tsv",
                       f"{header}track_000010{i}\tartist_1\talbum_1\t0{i}/10{i}.mp3\t4.1\t{tags}\n" + (more if i == 2 else ""))
        return ["--repository", self.folder / "repository", "--audio", self.folder / "audio"]

    def test_whole_tracks(self) -> None:
        arguments = self.make(more="track_1\ta\tb\t02/102.mp3\tlong\tgenre---rock\ntrack_2\ta\tb\t02/102.mp3\t4.1\ntrack_3\ta\tb\t02/3.mp3\t4.1\tgenre---rock\n")
        self.prepare(*arguments)
        self.assertEqual(self.rows("train.jsonl"), [{
            "key": "mtg-jamendo-track_0000100", "wav": str(self.folder / "audio/00/100.mp3"), "label": "guitar, rock", "task": "TAG", "tags": ["guitar", "rock"]}])
        self.assertEqual(self.rows("test.jsonl")[0]["tags"], ["film (genre)", "film (mood/theme)"])
        self.assertEqual((self.out / "tags.txt").read_text().splitlines(), ["film (genre)", "film (mood/theme)", "guitar", "rock"])
        broken = "the line is broken (five fields and tags were expected)"
        self.assertEqual(self.rejected(), [("autotagging_top50tags-test.tsv:3", broken), ("autotagging_top50tags-test.tsv:4", broken),
                                           ("mtg-jamendo-track_3", "the file is missing")])

    def test_parts_of_low_quality_tracks(self) -> None:
        self.prepare(*self.make(low=True), "--seconds", "1.5")
        row = self.rows("valid.jsonl")[0]
        self.assertEqual((row["wav"], row["offset"], row["dur"]), (str(self.folder / "audio/01/101.low.mp3"), 1.3, 1.5))

    def test_refusals(self) -> None:
        arguments = self.make()
        advice = "MTG-Jamendo is downloaded from https://github.com/MTG/mtg-jamendo-dataset; give the folder that it was unpacked into."
        self.assertEqual(self.refuse(*arguments, "--tags", "genre"), "The file repository/data/splits/split-0/autotagging_genre-train.tsv is missing: "
                         "repository/data/splits/split-0 holds autotagging_top50tags-test.tsv, autotagging_top50tags-train.tsv, "
                         f"autotagging_top50tags-validation.tsv. {advice}")
        self.assertEqual(self.refuse(*arguments, "--seconds", -1), "--seconds is -1; it must be 0 or more.")
        write_text(self.folder / "repository/data/splits/split-0/autotagging_top50tags-test.tsv", "TRACK_ID\tPATH\n")
        self.assertEqual(self.refuse(*arguments), "repository/data/splits/split-0/autotagging_top50tags-test.tsv: the first line should be "
                         "TRACK_ID ARTIST_ID ALBUM_ID PATH DURATION TAGS.")


class MusicCaps(RecipeTest):
    recipe = "musiccaps"

    def make(self) -> list:
        rows = []
        for i in range(8):
            name = [f"video_{i:03d}", f"video_{i:03d}_30", f"video_{i:03d}_30_40", f"[video_{i:03d}]-[30-40]"][i % 4]
            write_wav(self.folder / f"clips/{name}.wav")
            rows.append([f"video_{i:03d}", 30, 40, "/m/0140xf", "['low quality', 'guitar']", f"A \"calm\"\nsong, number {i}", 4, False, i >= 6])
        rows.append(["removed", 0, 10, "", "[]", "Gone.", 4, False, True])
        header = ["ytid", "start_s", "end_s", "audioset_positive_labels", "aspect_list", "caption", "author_id", "is_balanced_subset", "is_audioset_eval"]
        write_csv(self.folder / "musiccaps-public.csv", header, rows)
        return ["--table", self.folder / "musiccaps-public.csv", "--clips", self.folder / "clips"]

    def test_layout(self) -> None:
        self.prepare(*self.make())
        self.assertEqual([len(self.rows(f"{split}.jsonl")) for split in ("train", "valid", "test")], [5, 1, 2])
        self.assertEqual(self.labels("test.jsonl"), {f"musiccaps-video_00{i}": f"A \"calm\" song, number {i}" for i in (6, 7)})
        self.assertEqual(self.rejected(), [("musiccaps-removed", "no clip has its name")])

    def test_refusals(self) -> None:
        arguments = self.make()
        self.assertEqual(self.refuse(*arguments[:3], "no"), f"The folder no is missing: {self.folder} holds clips/, musiccaps-public.csv. MusicCaps is downloaded "
                         "from https://www.kaggle.com/datasets/googleai/musiccaps; give the folder that it was unpacked into.")
        lines = (self.folder / "musiccaps-public.csv").read_text().replace("caption", "text", 1)
        write_text(self.folder / "musiccaps-public.csv", lines)
        self.assertTrue(self.refuse(*arguments).startswith("musiccaps-public.csv: the first line has no column 'caption'; its columns are: ytid, start_s, "))


class Multitask(RecipeTest):
    recipe = "usam_multitask"

    def make(self) -> list:
        write_wav(self.folder / "clip.wav")
        for recipe, task in (("asr", "ASR"), ("music", "MC")):
            for split, count in (("train", 20), ("valid", 4)):
                write_text(self.folder / f"runs/{recipe}/data/{split}.jsonl", "".join(
                    json.dumps({"key": f"{recipe}-{split}-{i}", "wav": str(self.folder / "clip.wav"), "label": "x", "text": "a\u2028b", "task": task, "dur": 0.2},
                               ensure_ascii=False) + "\n"
                    for i in range(count)))
        self.mix("asr/data/train.jsonl\tASR\t5\tpaper\nmusic/data/train.jsonl\tMC\t30\tpaper\n")
        return ["--mix", self.folder / "mix.tsv", "--runs", self.folder / "runs"]

    def mix(self, rows: str) -> None:
        write_text(self.folder / "mix.tsv", "manifest\ttask\tclips\tsource\n" + rows)

    def test_counts(self) -> None:
        arguments = self.make()
        table = [line.split() for line in self.prepare(*arguments, "--valid", "3").splitlines()]
        self.assertEqual(table[:3], [["manifest", "task", "wanted", "there", "taken", "short"],
                                     ["asr/data/train.jsonl", "ASR", "5", "20", "5", "0"], ["music/data/train.jsonl", "MC", "30", "20", "20", "10"]])
        keys = self.keys("train.jsonl")
        drawn = [int(key.split("-")[2]) for key in keys[:5]]
        self.assertEqual(drawn, sorted(set(drawn)))  # five of them, in their own order
        self.assertEqual(keys[5:], [f"music-train-{i}" for i in range(20)])
        self.assertEqual([row["task"] for row in self.rows("valid.jsonl")], ["ASR"] * 3 + ["MC"] * 3)
        self.assertEqual(self.run_prepare(*arguments, "--seed", 21, output="other").returncode, 0)
        self.assertNotEqual((self.folder / "other/train.jsonl").read_bytes(), (self.out / "train.jsonl").read_bytes())
        self.prepare(*arguments, "--share", "0.2")
        self.assertEqual([row["task"] for row in self.rows("train.jsonl")], ["ASR"] + ["MC"] * 6)

    def test_refusals(self) -> None:
        arguments = self.make()
        self.mix("asr/data/train.jsonl\tASR\t5\tpaper\ngone/data/train.jsonl\tMC\t30\tpaper\n")
        self.assertEqual(self.refuse(*arguments), "The manifest runs/gone/data/train.jsonl is missing: run recipes/gone/prepare.py first, or leave it "
                         "out with --skip-missing.")
        self.prepare(*arguments, "--skip-missing")
        self.assertEqual(self.rejected(), [("gone/data/train.jsonl", "the manifest is missing")])
        self.mix("asr/data/train.jsonl\tMC\t5\tpaper\n")
        self.assertEqual(self.refuse(*arguments), "runs/asr/data/train.jsonl:1: the row's task is ASR, where the mix says MC.")
        self.mix("asr/data/train.jsonl\tASR\tmany\tpaper\n")
        self.assertEqual(self.refuse(*arguments), "mix.tsv:2: 'clips' is 'many'; it must be a whole number above 0.")
        self.assertEqual(self.refuse(*arguments, "--share", 2), "--share is 2; it must be above 0 and at most 1.")


if __name__ == "__main__":
    unittest.main()
