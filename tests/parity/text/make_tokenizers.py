"""Tokenizers in the styles that published models have, and what Hugging Face's packages do with nasty strings.

    python tests/parity/text/make_tokenizers.py ORACLES [COUNT [SEED]]

writes ORACLES/tokenizers/STYLE/ with a tokenizer and golden.jsonl, lines {"text", "ids", "plain", "decoded",
"decoded_skip_special"}: `plain` are the ids where special tokens are not parsed. Also ORACLES/tokenizers/chat.jsonl:
chat templates rendered by jinja. COUNT strings for each style, drawn by SEED.
"""
import json
import os
import random
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FRAGMENTS = [
    "def f(x):\n    return x**2  # note\n", "for (int i=0;i<n;++i) {\n\t\tsum+=a[i];\n}\n", "\r\n\r\n", " \n \t\n", "    ", "a_b-c.d/e\\f",
    "I'm you'LL WE'VE they're 'tis 'S 'ſ", "don’t", "x'd'm're", "1234567 3.14 ٣٤٥ １２３ Ⅷ ½ ²³", "\U00011de0\U00011de1", "é e\u0301 n\u0303o\u0308",
    "a\u0301\u0302\u0323\u0334", "\u0344\u0958ﬁﬀÅΩ", "\u1100\u1161\u11a8 한글 ㄱ", "か\u3099 ﾊﾟ 漢字仮名交じり", "中文，没有空格。今天天气很好", "مرحبا بالعالم", "שָׁלוֹם", "नमस्ते क्ष",
    "สวัสดี", "👩‍👩‍👧‍👦👍🏽🇫🇷", "❤️ 1️⃣ 🏴\U000e0067\U000e007f", "\x00\x01\x1f\x7f\x80\x85\x9f", "\u00a0\u1680\u180e\u2003\u2028\u2029\u202f\u205f\u3000\ufeff\u200b", "\ufffd\ufffe\U0010ffff",
    "▁▁a ▁ b▁", "Ġa Ċ ĠĠ", "<0x0A> <0xE2>", "aaaaaaaaaaaaaaaaaaaaaa", "ababababababab", "!!!???...---", "   leading", "trailing   ", "The quick brown fox jumps over the lazy dog.",
    "transcribe this audio", "\U0002ebf0\U00031350\U00010d40\U0001e5f0", "\u07fd\u0898\u1ac0\U00010f46\u0334", "Ǆǅ ßẞ İi̇ıI", "<", "<|", "|>", "[", "</", "<s", ">",
]
RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xD7F), (0xE00, 0xE7F), (0x1100, 0x11FF),
          (0x2000, 0x206F), (0x20A0, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xFFFF), (0x1F000, 0x1FAFF), (0x10000, 0x10FFFF)]
SPACES = [" ", " ", "  ", "\n", "\t", "", "", "", "\r\n", "\u00a0", " \n", "\n\n"]


def strings(count, rng, specials):
    """Concatenated fragments, random code points and special tokens."""
    out = ["", " ", "\n", "a", " a", "  a"] + FRAGMENTS + specials
    while len(out) < count:
        kind = rng.random()
        if kind < 0.5:
            parts = [rng.choice(FRAGMENTS) if rng.random() < 0.8 or not specials else rng.choice(specials) for _ in range(rng.randint(2, 6))]
            out.append("".join(part + rng.choice(SPACES) for part in parts))
        elif kind < 0.7 and specials:
            out.append("".join(rng.choice(specials) + rng.choice(SPACES + ["x", "é", ".", "_"]) for _ in range(rng.randint(1, 5))))
        else:
            out.append("".join(chr(rng.randint(*rng.choice(RANGES))) + (rng.choice(SPACES) if rng.random() < 0.2 else "") for _ in range(rng.randint(1, 40))))
    return out


def long_strings(rng):
    yield "".join(rng.choice("abcdefgh") for _ in range(1 << 17))
    yield " ".join(rng.choice(FRAGMENTS) for _ in range(4000))


def train(tokenizer, texts, vocab, alphabet, specials=()):
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, special_tokens=list(specials), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level(texts, split, normalizer=None, ignore_merges=False, specials=(), before=()):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, texts, 1500, pre_tokenizers.ByteLevel.alphabet(), before)
    for token in specials:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def special(text, **flags):
    return AddedToken(text, special=True, normalized=False, **flags)


def make_gpt2(texts):
    return byte_level(texts, pre_tokenizers.ByteLevel(add_prefix_space=False), specials=[special("<|endoftext|>")])


def make_whisper(texts):
    times = [AddedToken(f"<|{i * 0.02:.2f}|>", special=False, normalized=False) for i in range(0, 1501, 50)]
    names = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    return byte_level(texts, pre_tokenizers.ByteLevel(add_prefix_space=False), specials=[special(n) for n in names] + times)


def make_smollm2(texts):
    split = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return byte_level(texts, split, before=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])


def make_prefix_space(texts):
    """ByteLevel with a space in front, whole numbers apart, tokens with every flag, one of them found in normalised text."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    tokens = [special("<mask>", lstrip=True), special("<right>", rstrip=True), special("<both>", lstrip=True, rstrip=True),
              special("[WORD]", single_word=True), AddedToken("fox", single_word=True, normalized=True), AddedToken("e\u0301", normalized=True),
              AddedToken("<|"), AddedToken("<|x|>", lstrip=True), special("<|x|>y"), AddedToken("   ", normalized=False)]
    return byte_level(texts, split, normalizers.Sequence([normalizers.NFC()]), specials=tokens)


def make_regex(texts):
    """Other expressions and behaviours, through the general path: a GPT-4o-like pattern, then scripts apart."""
    gpt4o = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(gpt4o), "removed", invert=True),
                                     pre_tokenizers.Split("_", "merged_with_previous"), pre_tokenizers.Split(Regex("[a-c]"), "merged_with_next"),
                                     pre_tokenizers.Split(Regex(r"[!?]"), "contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return byte_level(texts, split, ignore_merges=True, specials=[special("<|endoftext|>")])


def make_llama2(texts):
    """The tokenizer.json of Llama 2 and Mistral: sentencepiece's pieces as merges, bytes for unknown characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    words = [word for text in texts for word in text.split(" ")]
    train(tokenizer, words, 1500, list("▁abcdefghijklmnopqrstuvwxyz"), tokens)
    raw = json.loads(tokenizer.to_str())
    raw["added_tokens"] = [token for token in raw["added_tokens"] if token["content"] in tokens[:3]]
    tokenizer = Tokenizer.from_str(json.dumps(raw))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def from_oracle(name):
    return lambda folder: Tokenizer.from_file(os.path.join(folder, name, "tokenizer.json"))


STYLES = {"gpt2": make_gpt2, "whisper": make_whisper, "smollm2": make_smollm2, "prefix_space": make_prefix_space, "regex": make_regex,
          "llama2": make_llama2}


def write_goldens(folder, texts, encode, decode):
    """`encode(text, plain)` -> ids; `decode(ids, skip)` -> text."""
    with open(os.path.join(folder, "golden.jsonl"), "w", encoding="utf8") as out:
        for text in texts:
            ids = encode(text, False)
            line = {"text": text, "ids": ids, "plain": encode(text, True), "decoded": decode(ids, False), "decoded_skip_special": decode(ids, True)}
            out.write(json.dumps(line) + "\n")


def write_style(root, name, tokenizer, count, seed):
    rng = random.Random(f"{seed} {name}")
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    added = tokenizer.get_added_tokens_decoder()
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as out:
        json.dump({"eos_token": next(token.content for token in added.values() if token.special)}, out)

    def encode(text, plain):
        tokenizer.encode_special_tokens = plain
        return tokenizer.encode(text, add_special_tokens=False).ids

    texts = strings(count, rng, [token.content for token in added.values()]) + list(long_strings(rng))
    write_goldens(folder, texts, encode, lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip))


def write_llama_model(root, name, model, config, count, seed):
    """A folder with tokenizer.model, opened by transformers' LlamaTokenizer."""
    from transformers import AutoTokenizer

    rng = random.Random(f"{seed} {name}")
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    with open(model, "rb") as source, open(os.path.join(folder, "tokenizer.model"), "wb") as out:
        out.write(source.read())
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as out:
        json.dump({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", **config}, out)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(text, plain):
        return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=plain)

    texts = strings(count, rng, ["<s>", "</s>", "<unk>", " </s> "]) + list(long_strings(rng))
    write_goldens(folder, texts, encode, lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip))


# The published templates, for what apply_chat_template makes of a system text and one user turn.
CHATS = {
    "llama2": ("llama_new", "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
               "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
               "{% if loop.index0 == 0 and system_message != false %}"
               "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}"
               "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% endif %}{% endfor %}"),
    "llama3": ("chat_llama3", "{% set loop_messages = messages %}{% for message in loop_messages %}"
               "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}"
               "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"),
    "qwen": ("qwen2", "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
             "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
             "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
             "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"),
    "vicuna": ("llama_new", "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
               "{% else %}{% set loop_messages = messages %}{% set system_message = 'A chat between a curious user and an artificial intelligence assistant. "
               "The assistant gives helpful, detailed, and polite answers to the user\\'s questions.' %}{% endif %}{{ bos_token + system_message }}"
               "{% for message in loop_messages %}{% if message['role'] == 'user' %}{{ ' USER: ' + message['content'] }}"
               "{% elif message['role'] == 'assistant' %}{{ ' ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
               "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"),
}
USERS = ["Transcribe this audio:<audio>\n---\nTranscription: ", "<audio>", "  What sound is this? <audio> \n", "Höre zu 今天:<audio>\n"]


def make_chats(root):
    from transformers import AutoTokenizer

    tokenizer = Tokenizer.from_file(os.path.join(root, "llama3", "tokenizer.json"))
    tokenizer.add_special_tokens([special("<|start_header_id|>"), special("<|end_header_id|>")])
    os.makedirs(os.path.join(root, "chat_llama3"), exist_ok=True)
    tokenizer.save(os.path.join(root, "chat_llama3", "tokenizer.json"))
    with open(os.path.join(root, "chat_llama3", "tokenizer_config.json"), "w") as out:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, out)
    with open(os.path.join(root, "chat.jsonl"), "w", encoding="utf8") as out:
        for name, (folder, template) in CHATS.items():
            tokenizer = AutoTokenizer.from_pretrained(os.path.join(root, folder))
            for system in (None, " You hear well.\nAnswer briefly. "):
                for user in USERS:
                    messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": user}]
                    text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)
                    left, right = (tokenizer.encode(side, add_special_tokens=False) for side in text.split("<audio>"))
                    out.write(json.dumps({"template": name, "folder": folder, "system": system, "user": user, "text": text, "left": left, "right": right}) + "\n")


def main(oracles, count=1500, seed=7):
    root = os.path.join(oracles, "tokenizers")
    with open(os.path.join(oracles, "tok-llama3", "golden_tokenizer.jsonl"), encoding="utf8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    for name, make in STYLES.items():
        write_style(root, name, make(texts), count, seed)
    for name in ("llama3", "qwen2"):
        write_style(root, name, from_oracle(f"tok-{name}")(oracles), count, seed)
    model = os.path.join(oracles, "sentencepiece", "llama2_bpe.model")
    for name, config in {"llama_new": {"legacy": False}, "llama_legacy": {"legacy": True}, "llama_no_prefix": {"add_prefix_space": False}}.items():
        write_llama_model(root, name, model, config, count, seed)
    make_chats(root)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
