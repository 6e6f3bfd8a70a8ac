"""Time to tokenize 10 MB: Hugging Face's tokenizers on one thread against usam-inspect tokens, in turns.

    .venv-oracle/bin/python tools/bench/tokenizer.py TOKENIZER_FOLDER [TEXT_FILE] [--repeats 5] [--megabytes 10] [--lines]

Both read the text from memory as one string (--lines: as many short ones). For usam the time of a run over an empty
text (start, opening the tokenizer) is taken off the time of the whole process; printing the ids counts against it.
Prints one JSON object: seconds of each, best and median, and whether the ids are the same.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer

WORDS = ("the of and a to in is was he for it with as his on be at by had not are but from or have an they which one you were all her she there would their "
         "we him been has when who will no more if out so said what up its about than into them can only other time new some could these two may first then do "
         "transcribe audio speech music piano background describe sound vehicle engine naïve façade Straße Größe 今天天气很好 東京で音楽を聴く музыка играет").split()


def text_of(megabytes, seed=0):
    """Prose-like: Zipf-drawn words, some of them made up, numbers, punctuation, line breaks."""
    rng = random.Random(seed)
    size, parts = 0, []
    while size < megabytes * 1_000_000:
        draw = rng.random()
        word = WORDS[min(int(rng.paretovariate(0.7)) - 1, len(WORDS) - 1)]
        if draw < 0.15:
            word = "".join(rng.choice("etaoinshrdlucmfwyp") for _ in range(rng.randint(3, 11)))
        elif draw < 0.18:
            word = str(rng.randint(0, 99999))
        word += ", " if draw > 0.95 else ".\n" if draw > 0.92 else " "
        parts.append(word)
        size += len(word.encode())
    return "".join(parts)


def run_usam(program, folder, texts):
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    begin = time.perf_counter()
    out = subprocess.run([program, "tokens", "--tokenizer", folder], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    return time.perf_counter() - begin, out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("text", nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--program", default="build/bin/usam-inspect")
    arguments = parser.parse_args()
    text = open(arguments.text, encoding="utf8").read() if arguments.text else text_of(arguments.megabytes)
    texts = text.splitlines(keepends=True) if arguments.lines else [text]
    tokenizer = Tokenizer.from_file(os.path.join(arguments.folder, "tokenizer.json"))
    tokenizer.encode("warm", add_special_tokens=False)
    theirs, ours = [], []
    for _ in range(arguments.repeats):
        begin = time.perf_counter()
        ids = [tokenizer.encode(part, add_special_tokens=False).ids for part in texts]
        theirs.append(time.perf_counter() - begin)
        start, _ = run_usam(arguments.program, arguments.folder, [""])
        whole, out = run_usam(arguments.program, arguments.folder, texts)
        ours.append(whole - start)
    equal = [json.loads(line)["ids"] for line in out.splitlines()] == ids
    figures = {"megabytes": len(text.encode()) / 1e6, "tokens": sum(map(len, ids)), "equal": equal}
    for name, seconds in (("tokenizers", theirs), ("usam", ours)):
        figures[name] = {"best": round(min(seconds), 3), "median": round(statistics.median(seconds), 3)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
