#!/usr/bin/env python3
"""What jiwer, sacrebleu, scikit-learn, scipy, rouge_score and NLTK make of thousands of random lines; for metrics_test.

    python make_metrics.py ORACLES [--seed N]

ORACLES/metrics_packages/cases.jsonl: a small corpus a line, with the values of each metric over it ("expected") and over
its lines repeated as often as "weights" says ("repeated"), and the counts beside them ("details"). intervals.json: what
resampling with numpy finds. normalized.jsonl: random texts as Whisper's normalisers leave them; spelling.json: its table.
"""
import argparse
import importlib.metadata
import importlib.util
import json
import random
import warnings
from pathlib import Path

import jiwer
import numpy as np
import sacrebleu
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.significance import PairedTest
from scipy import stats
from sklearn import metrics as sk
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

WORDS = ("the cat sat on a mat while it's raining twenty five dogs bark at Mr. Smith's car and 3 birds sing loudly , . ! ? "
         "(hi) \"so\" e-mail 3.5 1,000 &amp; naïve café straße Ærø -- can't I'm").split()
CHINESE = "今天天气很好我们去公园敏捷的棕色狐狸音楽を聴く。，a1 "
PACKAGES = "jiwer sacrebleu scikit-learn scipy rouge_score nltk transformers".split()


class NoSynonyms:
    """In WordNet's place: METEOR of its exact stage alone."""

    def synsets(self, word):
        return []


class NoStems:
    def stem(self, word):
        return word


warnings.filterwarnings("ignore", message="A single label was found")
ROUGE = RougeScorer(["rougeL"])


def noisy(rng, words, vocabulary):
    kept = [rng.choice(vocabulary) if rng.random() < 0.2 else w for w in words if rng.random() > 0.1]
    return kept + [rng.choice(vocabulary) for _ in range(rng.choice([0, 0, 0, 1, 3]))]


def texts(rng):
    """Lines of one language with one or more references; some are empty."""
    is_chinese, many = rng.random() < 0.3, rng.random() < 0.4
    vocabulary, gap = (list(CHINESE), "") if is_chinese else (WORDS, " ")
    lines = []
    for i in range(rng.randint(2, 16)):
        words = [rng.choice(vocabulary) for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, 14))]
        references = [gap.join(noisy(rng, words, vocabulary)) for _ in range(rng.randint(1, 3) if many else 1)]
        hypothesis = "" if rng.random() < 0.05 else gap.join(noisy(rng, words, vocabulary))
        lines.append({"key": str(i), "refs": references, "hyp": hypothesis})
    return lines, "zh" if is_chinese and rng.random() < 0.6 else "char" if rng.random() < 0.2 else "13a"


def error_rates(lines):
    pairs = [(line["refs"][0], line["hyp"]) for line in lines if line["refs"][0].strip()]
    if not pairs or any(len(line["refs"]) > 1 for line in lines):
        return {}, {}  # jiwer knows one reference
    references, hypotheses = [list(side) for side in zip(*pairs)]
    words, characters = jiwer.process_words(references, hypotheses), jiwer.process_characters(references, hypotheses)
    details = {"wer_mean_of_utterances": np.mean([jiwer.wer(*p) for p in pairs]),
               "mer_mean_of_utterances": np.mean([jiwer.mer(*p) for p in pairs]),
               "cer_mean_of_utterances": np.mean([jiwer.cer(*p) for p in pairs]),
               "empty_references": len(lines) - len(pairs)}
    for name in ("hits", "substitutions", "deletions", "insertions"):
        details[name] = getattr(words, name)
        details["character_" + name] = getattr(characters, name)
    return {"wer": words.wer, "mer": words.mer, "cer": characters.cer}, details


def text_values(lines, bleu_tokens):
    values, details = error_rates(lines)
    hypotheses, width = [line["hyp"] for line in lines], max(len(line["refs"]) for line in lines)
    streams = [[line["refs"][i] if i < len(line["refs"]) else None for line in lines] for i in range(width)]
    bleu, chrf = sacrebleu.BLEU(tokenize=bleu_tokens), sacrebleu.CHRF()
    score = bleu.corpus_score(hypotheses, streams)
    values |= {"bleu": score.score / 100, "chrf": chrf.corpus_score(hypotheses, streams).score / 100}
    details |= {"bleu_precisions": [p / 100 for p in score.precisions], "bleu_brevity_penalty": score.bp,
                "bleu_hypothesis_words": score.sys_len, "bleu_reference_words": score.ref_len,
                "bleu_signature": str(bleu.get_signature()), "chrf_signature": str(chrf.get_signature())}
    values["rouge_l"] = np.mean([ROUGE.score_multi(line["refs"], line["hyp"])["rougeL"].fmeasure for line in lines])
    values["meteor_exact"] = np.mean([max(single_meteor_score(r.split(), line["hyp"].split(), stemmer=NoStems(), wordnet=NoSynonyms())
                                          for r in line["refs"]) for line in lines])
    return values, details


def label_lines(rng):
    names = ["dog", "rain", "piano", "speech", "siren"][: rng.randint(1, 5)]
    right = rng.random()
    return [{"key": str(i), "ref": (y := rng.choice(names)), "hyp": y if rng.random() < right else rng.choice(names + ["other"])}
            for i in range(rng.randint(1, 60))]


def label_values(lines):
    truth, answer = [line["ref"] for line in lines], [line["hyp"] for line in lines]
    labels = sorted(set(truth))
    known = labels + (["other labels"] if set(answer) - set(labels) else [])
    counts = sk.confusion_matrix([labels.index(y) for y in truth], [labels.index(p) if p in labels else len(labels) for p in answer],
                                 labels=range(len(known)))[: len(labels)]
    return ({"accuracy": sk.accuracy_score(truth, answer), "f1": sk.f1_score(truth, answer, average="macro", zero_division=0),
             "weighted_f1": sk.f1_score(truth, answer, average="weighted", zero_division=0)},
            {"confusion": {"labels": labels, "counts": counts.tolist()},
             "failures": {"empty": 0, "looping": 0, "unparsable": sum(p not in labels for p in answer)}})


def tag_lines(rng):
    shares = [0.5, 0.2, 0.05, 0.0, 0.9, 1.0][: rng.randint(1, 6)]
    coarse = rng.choice([1, 2, 6])  # digits kept: few make ties
    lines = []
    for i in range(rng.randint(2, 60)):
        tags = [f"tag{c}" for c, share in enumerate(shares) if rng.random() < share]
        lines.append({"key": str(i), "tags": tags, "scores": {f"tag{c}": round(rng.gauss(0.5 * (f"tag{c}" in tags), 0.5), coarse)
                                                                  for c in range(len(shares))}})
    return lines


def tag_values(lines):
    per_tag = {}
    for tag in lines[0]["scores"]:
        truth, scores = [tag in line["tags"] for line in lines], [line["scores"][tag] for line in lines]
        per_tag[tag] = {"positives": sum(truth), "map": None, "roc_auc": None, "pr_auc": None}
        if 0 < sum(truth) < len(truth):
            precision, recall, _ = sk.precision_recall_curve(truth, scores)
            per_tag[tag] |= {"map": sk.average_precision_score(truth, scores), "roc_auc": sk.roc_auc_score(truth, scores),
                             "pr_auc": sk.auc(recall, precision)}
    used = [areas for areas in per_tag.values() if areas["map"] is not None]
    values = {name: np.mean([areas[name] for areas in used]) if used else None for name in ("map", "roc_auc", "pr_auc")}
    empty = sum(areas["positives"] == 0 for areas in per_tag.values())
    return values, {"per_tag": per_tag, "tags": len(used), "tags_without_positive": empty,
                    "tags_without_negative": len(per_tag) - len(used) - empty}


def retrieval_lines(rng):
    candidates = [f"caption {c}" for c in range(rng.randint(12, 40))]
    lines = []
    for i in range(rng.randint(1, 40)):
        right = rng.randrange(len(candidates))
        scores = {name: rng.gauss(1.5 * (c == right), 1) for c, name in enumerate(candidates)}
        lines.append({"key": str(i), "tags": [candidates[right]], "scores": scores})
    return lines


def retrieval_values(lines):
    names = list(lines[0]["scores"])
    truth = [names.index(line["tags"][0]) for line in lines]
    scores = np.array([[line["scores"][name] for name in names] for line in lines])
    return {f"recall_at_{k}": sk.top_k_accuracy_score(truth, scores, k=k, labels=range(len(names))) for k in (1, 5, 10)}, {}


def number_lines(rng):
    digits, offset = rng.choice([0, 1, 9]), rng.choice([0, 0, 1e6])
    lines = []
    for i in range(rng.randint(2, 50)):
        truth = rng.gauss(3, 1)
        answer = "no idea" if rng.random() < 0.1 else str(round(truth + rng.gauss(0, 0.7) + offset, digits))
        lines.append({"key": str(i), "ref": str(round(truth + offset, digits)), "hyp": answer})
    return lines


def number_values(lines):
    pairs = np.array([(float(line["ref"]), float(line["hyp"])) for line in lines if line["hyp"] != "no idea"])
    details = {"numbers": len(pairs), "failures": {"empty": 0, "looping": 0, "unparsable": len(lines) - len(pairs)}}
    if len(pairs) == 0:
        return {"mae": None, "rmse": None, "pearson": None, "spearman": None}, details
    truth, answer = pairs.T
    values = {"mae": sk.mean_absolute_error(truth, answer), "rmse": sk.root_mean_squared_error(truth, answer), "pearson": None, "spearman": None}
    if len(set(truth)) > 1 and len(set(answer)) > 1:
        values |= {"pearson": stats.pearsonr(truth, answer).statistic, "spearman": stats.spearmanr(truth, answer).statistic}
    return values, details


def case(rng, kind):
    tokens = "13a"
    if kind == "text":
        lines, tokens = texts(rng)
    else:
        lines = {"label": label_lines, "tag": tag_lines, "retrieval": retrieval_lines, "number": number_lines}[kind](rng)
    of = {"text": lambda some: text_values(some, tokens), "label": label_values, "tag": tag_values, "retrieval": retrieval_values,
          "number": number_values}[kind]
    weights = [rng.choice([0, 1, 1, 2, 3]) for _ in lines]
    weights[rng.randrange(len(lines))] += 1
    expected, details = of(lines)
    repeated, _ = of([line for line, weight in zip(lines, weights) for _ in range(weight)])
    return {"kind": kind, "bleu_tokens": tokens, "lines": lines, "weights": weights, "expected": expected,
            "repeated": {name: value for name, value in repeated.items() if name in expected}, "details": details}


def intervals(rng):
    """Two systems on the same lines, one a little or much better: what resampling says of them."""
    found = []
    for closeness in (0.0, 0.02, 0.25):
        ours, theirs = [], []
        for i in range(150):
            words = [rng.choice(WORDS[:20]) for _ in range(rng.randint(3, 14))]
            reference = " ".join(words)
            worse = [w for w in noisy(rng, words, WORDS) if rng.random() > closeness]
            ours.append({"key": str(i), "ref": reference, "hyp": " ".join(noisy(rng, words, WORDS))})
            theirs.append({"key": str(i), "ref": reference, "hyp": " ".join(worse)})
        numbers = [np.array([[(o := jiwer.process_words(line["ref"], line["hyp"])).substitutions + o.deletions + o.insertions,
                              len(line["ref"].split())] for line in side]) for side in (ours, theirs)]
        draws = np.random.default_rng(0).integers(len(ours), size=(20000, len(ours)))
        mine, other = [(n[draws][:, :, 0].sum(1) / n[draws][:, :, 1].sum(1)) for n in numbers]
        difference = np.diff([n[:, 0].sum() / n[:, 1].sum() for n in reversed(numbers)])[0]
        shifted = np.abs(mine - other - difference) >= abs(difference)
        test = PairedTest(
            [("theirs", [line["hyp"] for line in theirs]), ("ours", [line["hyp"] for line in ours])],
            {"BLEU": sacrebleu.BLEU(references=[[line["ref"] for line in ours]])}, references=None, test_type="bs", n_samples=1000)
        sacre = test()[1]["BLEU"][1]
        found.append({"ours": ours, "theirs": theirs, "wer_ci": np.percentile(mine, [2.5, 97.5]).tolist(),
                      "difference_ci": np.percentile(mine - other, [2.5, 97.5]).tolist(), "p_value": float(shifted.mean()),
                      "better_in": float((mine < other).mean() + (mine == other).mean() / 2),
                      "sacrebleu": {"p_value": sacre.p_value, "mean": sacre.mean / 100, "half_width": sacre.ci / 100}})
    values = [rng.gauss(0, 1) for _ in range(rng.randint(1, 1000))]
    return {"systems": found, "values": values, "percentiles": np.percentile(values, [2.5, 97.5]).tolist()}


def whisper_spelling():
    """The table that the openai-whisper package brings; a small one where it is not installed."""
    package = importlib.util.find_spec("whisper")
    if package:
        return json.loads((Path(package.origin).parent / "normalizers" / "english.json").read_text())
    return {"colour": "color", "grey": "gray", "theatre": "theater", "mobilisation": "mobilization"}


def random_text(rng, spelling):
    parts = (WORDS + list(spelling) + "won't can't let's ain't y'all wanna gotta gonna i'ma imma woulda coulda shoulda ma'am mr mrs st dr prof capt gov ald gen sen rep "
             "pres rev hon asst assoc lt col jr sr esq she'd been who's been we'd gone it's gone he'd done she's got don't they're I'd we'll "
             "'t you've I'm uh um hmm mm mhm mmm one two three nine ten eleven nineteen twenty thirty ninety hundred thousand million "
             "billion and a half point oh zero double triple minus plus percent dollars cents first third hundredth twenties 5 12 3.5 1,000 $7 20% £5 €3.50 ¢9 "
             "pounds euro per cent 21st 2nd 1990s [noise] (cough) <unk> ... ½ ² ① ﬁ ß œ Þ đ Ł É ÅNGSTRÖM “x” – — 日本語 हिन्दी ไทย".split())
    letters = [chr(rng.choice([rng.randrange(32, 127), rng.randrange(160, 0x250), rng.randrange(0x300, 0x370), rng.randrange(0x2000, 0x2070),
                               rng.randrange(0x3040, 0x30ff), rng.randrange(0x1f300, 0x1f600)])) for _ in range(rng.randint(0, 6))]
    words = [rng.choice(parts) for _ in range(rng.randint(0, 12))] + ["".join(letters)]
    rng.shuffle(words)
    text = rng.choice([" ", " ", " ", "  ", "-", ", "]).join(words)
    return rng.choice([str, str, str.upper, str.title])(text)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("oracles", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    rng = random.Random(chosen.seed)
    out = chosen.oracles / "metrics_packages"
    out.mkdir(parents=True, exist_ok=True)
    counts = {"text": 400, "label": 200, "tag": 200, "retrieval": 60, "number": 200}
    with open(out / "cases.jsonl", "w", encoding="utf8") as file:
        for kind, count in counts.items():
            file.writelines(json.dumps(case(rng, kind), ensure_ascii=False) + "\n" for _ in range(count))
    (out / "intervals.json").write_text(json.dumps(intervals(rng)))
    spelling = whisper_spelling()
    (out / "spelling.json").write_text(json.dumps(spelling))
    plain, american, basic, letters = (EnglishTextNormalizer({}), EnglishTextNormalizer(spelling), BasicTextNormalizer(),
                                       BasicTextNormalizer(remove_diacritics=True, split_letters=True))
    with open(out / "normalized.jsonl", "w", encoding="utf8") as file:
        for _ in range(6000):
            text = random_text(rng, spelling)
            row = {"text": text, "whisper_en": plain(text), "spelled": american(text), "basic": basic(text), "basic_letters": letters(text)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    (out / "golden.json").write_text(json.dumps({"versions": versions}))


if __name__ == "__main__":
    main()
