"""tools/convert on small configs of other tools, written here from their documentation's key names: what they become is what
usam-train accepts, and nothing goes missing. A projector of SLAM-LLM computes in usam what it computed there."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
import wave
from pathlib import Path

try:
    import torch
    import yaml
except ImportError as missing:
    print(f"needs {missing.name}")
    sys.exit(77)

TRAIN = os.environ["USAM_TRAIN"]

SLAM = """#!/bin/bash
# ++model_config.llm_name=commented_out
export OMP_NUM_THREADS=1
encoder=/models/whisper-large-v3
llm_path=/models/vicuna-7b-v1.5   # the base
data=/data
output_dir="/runs/asr"

hydra_args="
hydra.run.dir=$output_dir \\
++model_config.llm_name=vicuna-7b-v1.5 \\
++model_config.llm_path=$llm_path \\
++model_config.llm_dim=4096 \\
++model_config.encoder_name=whisper \\
++model_config.encoder_path=${encoder} \\
++model_config.encoder_projector=linear \\
++model_config.encoder_projector_ds_rate=4 \\
++dataset_config.train_data_path=$data/train.jsonl \\
++dataset_config.val_data_path=$data/dev.jsonl \\
++dataset_config.input_type=mel \\
++train_config.freeze_encoder=true \\
++train_config.freeze_llm=true \\
++train_config.use_peft=true \\
++train_config.peft_config.r=32 \\
++train_config.num_epochs=3 \\
++train_config.warmup_steps=1000 \\
++train_config.lr=5e-5 \\
++train_config.lr=1e-4 \\
++train_config.batch_size_training=6 \\
++train_config.gradient_accumulation_steps=2 \\
++train_config.use_fp16=true \\
++train_config.output_dir=$output_dir \\
++train_config.surprise=7 \\
++metric=acc \\
"
python finetune_asr.py --config-name prompt.yaml $hydra_args
"""
SLAM_PROMPT = 'dataset_config:\n  prompt: "Write it down. "\n'
SALMONN = """
model:
  llama_path: /models/vicuna
  whisper_path: /models/whisper-large-v2
  beats_path: /models/beats.pt
  freeze_whisper: True
  use_speech_Qformer: True
  window_level_Qformer: True
  num_speech_query_token: 1
  second_per_window: 0.333333
  second_stride: 0.333333
  freeze_speech_llama_proj: True
  lora: True
  lora_rank: 16
  prompt_template: "USER: {}\\nASSISTANT:"
  prompt_path: prompts/train_prompt.json
  end_sym: "</s>"
  something_new: 3
datasets:
  train_ann_path: /data/train.json
  valid_ann_path: /data/valid.json
run:
  seed: 7
  output_dir: /runs/salmonn
  epoch_based: False
  iters_per_epoch: 3000
  accum_grad_iters: 2
  batch_size_train: 8
  amp: True
  optims: {max_epoch: 30, warmup_steps: 3000, warmup_start_lr: 1e-6, init_lr: 3e-5, min_lr: 1e-5, weight_decay: 0.05, beta2: 0.99}
"""
U_SAM = """
dataset_conf: {max_len: 10, sample_rate: 16000, batch_size: 16, perturb: false, shuffle: true, shuffle_size: 2000, num_workers: 4}
encoder_conf:
  encoder_strategy: "lora"
decoder_conf:
  decoder_strategy: "frozen"
optim_args: {lr: !!float 5e-6, name: "adamw_torch", weight_decay: !!float 1e-6}
epochs: 30
warmup_radio: 0.13
acc_grad: 2
clip_grad: 1
total_samples_train: 1050000
"""
RUN = """
run: {dir: run}
data:
  train: [{path: train.jsonl, format: slam, task: ASR}]
  batch: {rows: 2}
  long_audio: truncate
recipe:
  type: usam
  encoders: {whisper: {type: whisper, init: random, layers: 1, width: 32, heads: 2, mels: 80}}
  fusion: {reference: whisper}
  bridge: {type: stack, frames: 4, tail: drop}
  projector: {type: mlp, hidden: 7, activation: relu}
  llm: {type: llama, init: random, layers: 1, hidden: 32, heads: 2, intermediate: 32, tokenizer: {train: {type: bpe, vocab_size: 40, byte_fallback: false}}}
trainer: {max_steps: 1, optimizer: {type: adamw, lr: 1e-12}}
"""


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)

    def write(self, name: str, text: str) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
        return str(path)

    def run_convert(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "tools/convert/convert", *map(str, arguments)], capture_output=True, text=True)


class Configs(Convert):
    def convert(self, what: str, *inputs: str) -> tuple[dict, str, str]:
        """The config, what was told, and its whole text; usam-train takes it."""
        output = self.root / "mine.yaml"
        done = self.run_convert(what, *inputs, "--output", output)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = output.read_text(encoding="utf8")
        for line in done.stderr.splitlines():
            self.assertIn(f"# {line}", text)  # told twice: to whoever runs it and to whoever reads the config
        environment = {**os.environ, "MODELS": "/models", "LLM": "/models/llm", "DATA": "/data"}
        checked = subprocess.run([TRAIN, output, "--validate=offline"], capture_output=True, text=True, env=environment)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        return yaml.safe_load(text), done.stderr, text

    def assert_refused(self, sentence: str, what: str, *inputs: str):
        output = self.root / "refused.yaml"
        done = self.run_convert(what, *inputs, "--output", output)
        self.assertEqual((done.returncode, done.stderr), (2, f"convert: {sentence}\n"))
        self.assertFalse(output.exists())

    def test_slam_llm(self):
        config, told, _ = self.convert("slam-llm", self.write("finetune.sh", SLAM), self.write("prompt.yaml", SLAM_PROMPT))
        recipe, trainer = config["recipe"], config["trainer"]
        self.assertEqual(recipe["encoders"], {"whisper": {"type": "whisper", "pad": "30s", "path": "/models/whisper-large-v3", "train": "frozen"}})
        self.assertEqual(recipe["bridge"], {"type": "stack", "tail": "drop", "frames": 4})
        self.assertEqual(recipe["projector"], {"type": "mlp", "hidden": 2048, "activation": "relu"})
        self.assertEqual(recipe["llm"]["type"], "llama")
        self.assertEqual(recipe["llm"]["tokenizer"]["path"], "/models/vicuna-7b-v1.5")
        self.assertEqual(recipe["llm"]["train"], "lora")
        self.assertEqual(recipe["llm"]["lora"], {"rank": 32, "alpha": 32, "dropout": 0.05, "targets": ["q_proj", "v_proj"]})
        self.assertEqual(recipe["prompts"], {"ASR": "<audio>USER: Write it down. \n ASSISTANT:"})
        self.assertEqual(config["data"]["train"], [{"path": "/data/train.jsonl", "format": "slam", "task": "ASR"}])
        self.assertEqual(config["data"]["batch"], {"rows": 6})
        self.assertEqual(config["run"], {"dir": "/runs/asr"})
        self.assertEqual(trainer["optimizer"], {"lr": 1e-4, "weight_decay": 0.0})  # the last of two counts
        self.assertEqual((trainer["epochs"], trainer["accumulate"], trainer["precision"]), (3, 2, "bf16"))
        self.assertEqual((trainer["eval_every"], trainer["save_every"]), (500, 500))  # there every 1000 micro-batches
        self.assertEqual(trainer["schedule"], {"warmup": 1000, "type": "linear"})
        self.assertIn("Keys that are not known:\n  train_config.surprise = '7'\n", told)
        self.assertIn("  model_config.llm_dim = '4096': read from the model's folder\n", told)
        self.assertNotIn("commented_out", told)

    def test_a_folder_that_the_shell_makes(self):
        for made in ("/runs/asr-$(date +\"%Y%m%d\")", "/runs/$name"):
            config, told, _ = self.convert("slam-llm", self.write("finetune.sh", SLAM.replace('"/runs/asr"', made)))
            self.assertEqual(config["run"], {"dir": "runs/from_slam_llm"})
            self.assertIn(", which only a shell can tell: run.dir is a name of our own.\n", told)
            (self.root / "mine.yaml").unlink()

    def test_salmonn(self):
        config_path = self.write("configs/config.yaml", SALMONN)
        self.write("prompts/train_prompt.json", '{"asr": ["<Speech><SpeechHere></Speech> Write it.", "another"]}')
        config, told, _ = self.convert("salmonn", config_path)
        recipe, trainer = config["recipe"], config["trainer"]
        self.assertEqual(recipe["bridge"], {"type": "window_qformer", "queries": 1, "window": 17})
        self.assertEqual(recipe["freeze"], ["projector.*"])
        self.assertEqual(recipe["llm"]["lora"], {"rank": 16, "alpha": 32, "dropout": 0.1})
        self.assertEqual(recipe["prompts"], {"asr": "USER: <audio> Write it.\nASSISTANT:"})
        self.assertEqual(config["data"]["valid"], [{"path": "/data/valid.json", "format": "salmonn"}])
        self.assertEqual((config["seed"], config["run"]["dir"]), (7, "/runs/salmonn"))
        self.assertEqual((trainer["max_steps"], trainer["eval_every"], trainer["accumulate"]), (45000, 1500, 2))
        self.assertEqual(trainer["schedule"]["warmup"], 1500)
        self.assertAlmostEqual(trainer["schedule"]["min_ratio"], 1 / 3)
        self.assertEqual(trainer["optimizer"], {"lr": 3e-5, "weight_decay": 0.05, "betas": [0.9, 0.99]})
        self.assertIn("BEATs has no counterpart", told)
        self.assertIn("Keys that are not known:\n  model.something_new = 3\n", told)

    def test_u_sam(self):
        config, told, _ = self.convert("u-sam", self.write("pretrain.yaml", U_SAM))
        self.assertEqual(config["recipe"]["encoders"]["ced"]["train"], "lora")
        self.assertEqual(config["recipe"]["encoders"]["ced"]["lora"]["targets"], ["q_proj", "v_proj"])
        self.assertEqual(config["recipe"]["llm"], {"train": "frozen"})
        self.assertEqual(config["trainer"]["optimizer"], {"lr": 5e-6, "weight_decay": 1e-6})
        self.assertEqual((config["trainer"]["epochs"], config["trainer"]["accumulate"]), (30, 2))
        self.assertEqual(config["data"]["batch"], {"rows": 16, "seconds": None})
        self.assertIn("  total_samples_train = 1050000: the manifest's rows are counted\n", told)

    def test_a_fully_trained_language_model_is_in_float32(self):
        config, _, _ = self.convert("u-sam", self.write("full.yaml", U_SAM.replace('decoder_strategy: "frozen"', 'decoder_strategy: "trainable"')))
        self.assertEqual(config["recipe"]["llm"], {"train": "full", "dtype": "float32"})  # configs/stage1.yaml has bfloat16

    def test_every_key_ends_somewhere(self):
        # Each key that is given is in the config, or told; here by its value, which no other key has.
        _, told, text = self.convert("slam-llm", self.write("finetune.sh", SLAM))
        for value in ("vicuna-7b-v1.5", "4096", "whisper-large-v3", "dev.jsonl", "mel", "32", "1000", "surprise", "acc"):
            self.assertIn(value, text + told)

    def test_what_usam_has_not_is_refused(self):
        self.assert_refused("model_config.encoder_name is wavlm; usam reads whisper and hubert of SLAM-LLM's encoders",
                            "slam-llm", self.write("a.sh", SLAM.replace("encoder_name=whisper", "encoder_name=wavlm")))
        self.assert_refused("model_config.encoder_projector is q-former; usam has a counterpart of 'linear' alone",
                            "slam-llm", self.write("b.sh", SLAM.replace("projector=linear", "projector=q-former")))
        self.assert_refused("model_config.llm_name is phi-3; usam has llama (Vicuna and TinyLlama too), mistral, qwen2 and qwen3",
                            "slam-llm", self.write("c.sh", SLAM.replace("llm_name=vicuna-7b-v1.5", "llm_name=phi-3")))
        self.assert_refused("model.second_per_window and model.second_stride differ; windows do not overlap in usam",
                            "salmonn", self.write("d.yaml", SALMONN.replace("second_stride: 0.333333", "second_stride: 0.2")))
        self.assert_refused("optim_args.name is sgd; usam has AdamW", "u-sam", self.write("e.yaml", U_SAM.replace("adamw_torch", "sgd")))
        self.assert_refused("the config has no dataset_config.train_data_path",
                            "slam-llm", self.write("f.sh", SLAM.replace("train_data_path", "other_data_path")))
        path = self.write("g.yaml", "- a\n")
        self.assert_refused(f"{path}: this is no map of keys", "salmonn", path)
        path = self.write("h.sh", "echo nothing\n")
        self.assert_refused(f"{path}: there is no key=value in it", "slam-llm", path)
        path = str(self.root / "absent.yaml")
        self.assert_refused(f"{path}: No such file or directory", "u-sam", path)

    def test_nothing_is_written_over(self):
        path = self.write("mine.yaml", "precious")
        done = self.run_convert("u-sam", self.write("u.yaml", U_SAM), "--output", path)
        self.assertEqual((done.returncode, done.stderr), (2, f"convert: {path}: it is there already and is not written over\n"))
        self.assertEqual(Path(path).read_text(), "precious")

    def test_the_page_has_the_tables(self):
        page = Path("docs/from_other_tools.md").read_text(encoding="utf8")
        for tool in ("slam-llm", "salmonn", "u-sam"):
            done = self.run_convert("table", tool)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(done.stdout, page, f"put the output of tools/convert/convert table {tool} into docs/from_other_tools.md")


class Projector(Convert):
    def state(self, width: int = 20, hidden: int = 7, out: int = 6) -> dict:
        torch.manual_seed(1)
        return {"encoder_projector.linear1.weight": torch.randn(hidden, width), "encoder_projector.linear1.bias": torch.randn(hidden),
                "encoder_projector.linear2.weight": torch.randn(out, hidden), "encoder_projector.linear2.bias": torch.randn(out)}

    def save(self, state: dict) -> str:
        path = str(self.root / "model.pt")
        torch.save(state, path)
        return path

    def test_keeps_every_value(self):
        from safetensors.torch import load_file
        state = self.state()
        for number, given in enumerate((state, {"module." + name: value for name, value in state.items()},
                                        {name.removeprefix("encoder_projector."): value.half() for name, value in state.items()})):
            output = self.root / f"projector{number}.safetensors"
            done = self.run_convert("projector", self.save({**given, "llm.lora_A.weight": torch.zeros(2)}), "--output", output)
            self.assertEqual(done.returncode, 0, done.stderr)
            read = load_file(output)
            for ours, theirs in (("first", "linear1"), ("second", "linear2")):
                for leaf in ("weight", "bias"):
                    expected = state[f"encoder_projector.{theirs}.{leaf}"]
                    self.assertTrue(torch.equal(read[f"projector.{ours}.{leaf}"], expected.half().float() if number == 2 else expected))
            self.assertEqual(len(read), 4)
            self.assertIn("recipe.projector: {type: mlp, hidden: 7, activation: relu}", done.stderr)
            self.assertIn("Not read: 1 other tensors, llm.lora_A.weight the first.", done.stderr)

    def test_a_run_begins_with_it(self):
        from safetensors.torch import load_file
        rows = []
        for number, text in enumerate(("one two three four", "seven two three nine eight")):
            with wave.open(str(self.root / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(bytes(range(256)) * 100)
            rows.append(f'{{"key": "{number}", "source": "{number}.wav", "target": "{text}"}}\n')
        self.write("train.jsonl", "".join(rows))
        state = self.state(width=4 * 32, hidden=7, out=32)
        projector = self.root / "projector.safetensors"
        self.assertEqual(self.run_convert("projector", self.save(state), "--output", projector).returncode, 0)
        config = self.write("run.yaml", RUN)
        done = subprocess.run([TRAIN, config, f"init_from=[{projector}]", f"run.dir={self.root}/run"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        kept = load_file(self.root / "run/last/model.safetensors")
        self.assertEqual(sorted(kept), ["projector.first.bias", "projector.first.weight", "projector.second.bias", "projector.second.weight"])
        for ours, theirs in (("first", "linear1"), ("second", "linear2")):
            for leaf in ("weight", "bias"):  # one step at a rate of next to nothing
                torch.testing.assert_close(kept[f"projector.{ours}.{leaf}"], state[f"encoder_projector.{theirs}.{leaf}"])

    def test_others_are_refused(self):
        output = self.root / "out.safetensors"
        short = {name: value for name, value in self.state().items() if not name.endswith("linear2.bias")}
        path = self.save(short)
        done = self.run_convert("projector", path, "--output", output)
        self.assertEqual((done.returncode, done.stderr), (2, f"convert: {path}: a linear projector of SLAM-LLM has linear1.weight, linear1.bias, "
                                                             "linear2.weight, linear2.bias; here is linear1.bias, linear1.weight, linear2.weight\n"))
        wrong = {**self.state(), "encoder_projector.linear2.weight": torch.zeros(6, 8)}
        done = self.run_convert("projector", self.save(wrong), "--output", output)
        self.assertEqual((done.returncode, done.stderr),
                         (2, f"convert: {path}: the shapes of linear1 (7, 20) and linear2 (6, 8) do not agree\n"))
        self.assertFalse(output.exists())


if __name__ == "__main__":
    unittest.main()
