"""Token ids of every text of the whole-model oracle, from the tokenizers that the Python peer uses.

    python tests/parity/usam/make_ids.py ORACLES        writes ORACLES/usam/ids_{qwen2,llama}.json

The C++ test reads them in place of a tokenizer: {"bos": id or null, "eos": id, "vocab_size": n, "ids": {text: [...]}}.
"""
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from transformers import AutoTokenizer

# The peer's prompts, as peer/usam_peer.py has them; the test compares the ids with those that the peer dumped.
PROMPTS = {
    "AAC": ["Describe the detail of this audio:", "\n---\nDetailed: "],
    "ASR": ["Transcribe this audio:", "\n---\nTranscription: "],
    "S2TT": ["Translate this audio into Chinese text: ", "\n---\nTranslation:"],
    "MC": ["Provide a short description of this music: ", "\n---\nDescription: "],
    "SEC": ["What sound is this?", "\n---\nSound: "],
}


def main(oracles: str) -> None:
    folder = os.path.join(oracles, "usam")
    with open(os.path.join(folder, "manifest.jsonl"), encoding="utf8") as lines:
        texts = [json.loads(line)["label"] for line in lines if line.strip()]
    texts += [side for sides in PROMPTS.values() for side in sides]
    for name in ("qwen2", "llama"):
        tokenizer = AutoTokenizer.from_pretrained(os.path.join(oracles, name))
        ids = {text: tokenizer(text, add_special_tokens=False).input_ids for text in texts}
        dump = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "vocab_size": len(tokenizer), "ids": ids}
        with open(os.path.join(folder, f"ids_{name}.json"), "w", encoding="utf8") as out:
            json.dump(dump, out, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
