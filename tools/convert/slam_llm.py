"""SLAM-LLM: a shell script with hydra overrides, or the overrides alone, beside an optional YAML file."""
from __future__ import annotations

import re
from typing import Any

from table import Conversion, Key, Mistake, flag, number

ENCODERS = {"whisper": "whisper", "hubert": "hubert"}
LANGUAGE_MODELS = {"llama": "llama", "vicuna": "llama", "mistral": "mistral", "qwen3": "qwen3", "qwen2": "qwen2", "qwen": "qwen2"}
OVERRIDE = re.compile(r"(?:^|[\s\"'])\+{0,2}((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|(?<=\+\+)[A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\[[^\]]*\]|[^\s\"'\\]+)")
VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'#]*)\s*(?:#.*)?$", re.M)


def scalar(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [scalar(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return {"true": True, "false": False, "null": None, "none": None}.get(text.lower(), text)


def read_script(text: str) -> dict[str, Any]:
    """The overrides of a script with its variables put in; of a key that is given twice the last counts, as in hydra."""
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    variables = {name: str(scalar(value)) for name, value in VARIABLE.findall(text)}
    for _ in range(10):
        text = re.sub(r"\$\{?([A-Za-z_]\w*)\}?", lambda found: variables.get(found[1], found[0]), text)
    return {name: scalar(value) for name, value in OVERRIDE.findall(text)}


def encoder(value: Any, run: Conversion) -> None:
    name = str(value).lower()
    if name not in ENCODERS:
        raise Mistake(f"model_config.encoder_name is {value}; usam reads {' and '.join(ENCODERS)} of SLAM-LLM's encoders")
    run.set(f"recipe.encoders.{ENCODERS[name]}.type", ENCODERS[name])
    run.set("recipe.fusion.reference", ENCODERS[name])
    if name == "whisper":
        run.set("recipe.encoders.whisper.pad", "30s")
        run.note("SLAM-LLM hands the language model the states of 30 s for every clip, here only the clip's own states reach it.")
    if run.value("model_config.encoder_path") and not run.value("model_config.encoder_path_hf"):
        run.note("encoder_path names the original checkpoint there; usam reads a Hugging Face folder of the same model.")


def slot(run: Conversion) -> str:
    name = run.value("model_config.encoder_name")
    if name is None:
        raise Mistake("the config has no model_config.encoder_name")
    return ENCODERS.get(str(name).lower(), str(name))


def encoder_path(value: Any, run: Conversion) -> None:
    run.set(f"recipe.encoders.{slot(run)}.path", value)


def language_model(value: Any, run: Conversion) -> str:
    for part, kind in LANGUAGE_MODELS.items():
        if part in str(value).lower():
            return kind
    raise Mistake(f"model_config.llm_name is {value}; usam has llama (Vicuna and TinyLlama too), mistral, qwen2 and qwen3")


def projector(value: Any, run: Conversion) -> str | None:
    if value == "linear":
        run.set("recipe.projector", {"type": "mlp", "hidden": 2048, "activation": "relu"})
        run.set("recipe.bridge.tail", "drop")
        return "stack"
    raise Mistake(f"model_config.encoder_projector is {value}; usam has a counterpart of 'linear' alone")


def train_encoder(value: Any, run: Conversion) -> None:
    run.set(f"recipe.encoders.{slot(run)}.train", "frozen" if flag(value) else "full")


def train_llm(value: Any, run: Conversion) -> str:
    if flag(run.value("train_config.use_peft")):
        return "lora"
    return "frozen" if flag(value) else "full"


def lora(value: Any, run: Conversion) -> Any:
    return (number(value) if not isinstance(value, list) else value) if flag(run.value("train_config.use_peft")) else None


def method(value: Any, run: Conversion) -> None:
    if flag(run.value("train_config.use_peft")) and value != "lora":
        raise Mistake(f"train_config.peft_config.peft_method is {value}; usam has lora")


def precision(value: Any, run: Conversion) -> str | None:
    return "bf16" if flag(value) else None


def manifest(value: Any, run: Conversion) -> list:
    return [{"path": value, "format": "slam", "task": "ASR"}]


def prompt(value: Any, run: Conversion) -> str:
    return f"<audio>USER: {value}\n ASSISTANT:"


def strategy(value: Any, run: Conversion) -> str | None:
    return "fsdp" if flag(value) else None


def eight_bits(value: Any, run: Conversion) -> str | None:
    return "int8" if flag(value) else None


def whole(value: Any, run: Conversion) -> Any:
    return number(value)


def steps(value: Any, run: Conversion) -> int:
    return max(1, int(number(value)) // int(number(run.value("train_config.gradient_accumulation_steps") or 1)))


def run_folder(value: Any, run: Conversion) -> Any:
    if "$" not in str(value):
        return value
    run.note(f"train_config.output_dir is {value}, which only a shell can tell: run.dir is a name of our own.")
    return None


FOLDER = "read from the model's folder"
OWN = "of SLAM-LLM's own workings"
KEYS = [
    Key("model_config.file", "", "the model's Python code; here it is `recipe.type: usam`"),
    Key("model_config.llm_name", "recipe.llm.type", "llama, mistral, qwen2 or qwen3, by the name", language_model, "vicuna-13b-v1.5"),
    Key("model_config.llm_path", "recipe.llm.path, recipe.llm.tokenizer.path"),
    Key("model_config.llm_type", "", "language models here are decoders"),
    Key("model_config.llm_dim", "", FOLDER),
    Key("model_config.encoder_name", "recipe.encoders", "whisper and hubert; others are refused", encoder),
    Key("model_config.encoder_path", "recipe.encoders", "the Hugging Face folder of the same model, which is to be put there",
        encoder_path),
    Key("model_config.encoder_path_hf", "recipe.encoders", "takes precedence over `encoder_path`", encoder_path),
    Key("model_config.encoder_dim", "", FOLDER),
    Key("model_config.encoder_ds_rate", "", FOLDER),
    Key("model_config.encoder_type", "", FOLDER),
    Key("model_config.encoder_projector", "recipe.bridge.type",
        "`linear` is the bridge `stack` with the projector `mlp`; `cov1d-linear` and `q-former` are refused", projector, "linear"),
    Key("model_config.encoder_projector_ds_rate", "recipe.bridge.frames", "", whole, 5),
    Key("model_config.modal", "", "audio is all there is"),
    Key("model_config.normalize", "", FOLDER),
    Key("train_config.model_name", "", "a label"),
    Key("train_config.enable_ddp", "", "the number of processes that are started decides"),
    Key("train_config.enable_fsdp", "parallel.strategy", "true: fsdp", strategy),
    Key("train_config.enable_deepspeed", "", "`parallel.strategy: zero1` is closest"),
    Key("train_config.low_cpu_fsdp", "", OWN),
    Key("train_config.run_validation", "", "there is an evaluation where `data.valid` names rows"),
    Key("train_config.batch_size_training", "data.batch.rows", "of each process, before accumulation", whole, 4),
    Key("train_config.batching_strategy", "", "`data.batch` says what a micro-batch may hold"),
    Key("train_config.context_length", "", "`data.batch.tokens` bounds sequences"),
    Key("train_config.gradient_accumulation_steps", "trainer.accumulate", "losses are divided by the tokens of the whole step here",
        whole),
    Key("train_config.num_epochs", "trainer.epochs", "", whole, 3),
    Key("train_config.num_workers_dataloader", "data.threads", "threads, not processes", whole),
    Key("train_config.warmup_steps", "trainer.schedule.warmup", "then linear decay", whole, 1000),
    Key("train_config.total_steps", "", "the decay ends with the run here, there at this step"),
    Key("train_config.validation_interval", "trainer.eval_every, trainer.save_every", "in steps, not in micro-batches", steps, 1000),
    Key("train_config.lr", "trainer.optimizer.lr", "", whole, 1e-4),
    Key("train_config.weight_decay", "trainer.optimizer.weight_decay", "of matrices alone", whole, 0.0),
    Key("train_config.gamma", "", "unused there"),
    Key("train_config.seed", "seed", "other random numbers come of it", whole, 42),
    Key("train_config.use_fp16", "trainer.precision", "true: bf16, which needs no loss scaling", precision),
    Key("train_config.mixed_precision", "trainer.precision", "true: bf16", precision, True),
    Key("train_config.val_batch_size", "evaluate.batch_rows", "", whole),
    Key("train_config.use_peft", "recipe.llm.train", "true: lora; see freeze_llm", lambda value, run: None, False),
    Key("train_config.peft_config.peft_method", "recipe.llm.train", "lora; others are refused", method, "lora"),
    Key("train_config.peft_config.r", "recipe.llm.lora.rank", "with use_peft", lora, 8),
    Key("train_config.peft_config.lora_alpha", "recipe.llm.lora.alpha", "with use_peft", lora, 32),
    Key("train_config.peft_config.lora_dropout", "recipe.llm.lora.dropout", "with use_peft", lora, 0.05),
    Key("train_config.peft_config.target_modules", "recipe.llm.lora.targets", "with use_peft", lora, ["q_proj", "v_proj"]),
    Key("train_config.peft_config.bias", "", "biases are not trained with lora"),
    Key("train_config.peft_config.task_type", "", OWN),
    Key("train_config.peft_config.inference_mode", "", OWN),
    Key("train_config.output_dir", "run.dir", "a name of our own where the script makes it, as with `$(date)`", run_folder),
    Key("train_config.freeze_layers", "", "`recipe.freeze` takes patterns of parameters' paths"),
    Key("train_config.num_freeze_layers", "", "`recipe.freeze` takes patterns of parameters' paths"),
    Key("train_config.quantization", "recipe.llm.store", "true: int8", eight_bits),
    Key("train_config.one_gpu", "", "the number of processes that are started decides"),
    Key("train_config.save_model", "", "runs are always saved"),
    Key("train_config.dist_checkpoint_root_folder", "", "checkpoints lie in `run.dir`"),
    Key("train_config.dist_checkpoint_folder", "", "checkpoints lie in `run.dir`"),
    Key("train_config.save_optimizer", "", "checkpoints always hold what a run needs to go on"),
    Key("train_config.use_fast_kernels", "", OWN),
    Key("train_config.run_test_during_validation", "", "`run.samples` shows samples of `data.valid`"),
    Key("train_config.run_test_during_validation_file", "", "`run.samples` shows samples of `data.valid`"),
    Key("train_config.run_test_during_validation_prompt", "", "`run.samples` shows samples of `data.valid`"),
    Key("train_config.freeze_llm", "recipe.llm.train", "true: frozen, false: full; use_peft takes precedence over it", train_llm, False),
    Key("train_config.freeze_encoder", "recipe.encoders", "`train`: true: frozen, false: full", train_encoder, False),
    Key("dataset_config.dataset", "", "rows are read as they are: `format: slam`"),
    Key("dataset_config.file", "", "rows are read as they are: `format: slam`"),
    Key("dataset_config.train_data_path", "data.train", "with `format: slam`, `task: ASR` for rows that name none", manifest),
    Key("dataset_config.val_data_path", "data.valid", "likewise", manifest),
    Key("dataset_config.train_split", "", "a manifest is a split"),
    Key("dataset_config.test_split", "", "a manifest is a split"),
    Key("dataset_config.data_path", "", "`data.train.N.audio_root` places relative paths"),
    Key("dataset_config.prompt", "recipe.prompts.ASR", "within SLAM-LLM's own frame, behind the audio", prompt, "Transcribe speech to text. "),
    Key("dataset_config.max_words", "", "`data.batch.tokens` bounds sequences"),
    Key("dataset_config.max_mel", "", "`data.max_seconds` bounds clips"),
    Key("dataset_config.fix_length_audio", "", "a clip has as many tokens as its length gives"),
    Key("dataset_config.inference_mode", "", OWN),
    Key("dataset_config.input_type", "", "each encoder has its own front end"),
    Key("dataset_config.mel_size", "", FOLDER),
    Key("dataset_config.normalize", "", FOLDER),
    Key("fsdp_config.mixed_precision", "", "`trainer.precision` counts"),
    Key("fsdp_config.use_fp16", "", "`trainer.precision` counts"),
    Key("fsdp_config.sharding_strategy", "", "`parallel.strategy` counts"),
    Key("fsdp_config.checkpoint_type", "", OWN),
    Key("fsdp_config.fsdp_activation_checkpointing", "", "`trainer.recompute` is a share of the blocks, `trainer.recompute_to_gib` a budget"),
    Key("fsdp_config.fsdp_cpu_offload", "", "not there"),
    Key("fsdp_config.pure_bf16", "", "`recipe.llm.dtype: bfloat16` keeps weights so"),
    Key("fsdp_config.optimizer", "", "AdamW is the optimizer"),
    Key("log_config.log_interval", "trainer.log_every", "", whole, 5),
    Key("log_config.log_file", "", "`RUN/metrics.jsonl` holds every logged step"),
    Key("log_config.use_wandb", "", "`tools/wandb_sync RUN` copies scalars and images to W&B"),
    Key("log_config.wandb_dir", "", "`tools/wandb_sync RUN` copies scalars and images to W&B"),
    Key("log_config.wandb_entity_name", "", "`tools/wandb_sync RUN` copies scalars and images to W&B"),
    Key("log_config.wandb_project_name", "", "`tools/wandb_sync RUN` copies scalars and images to W&B"),
    Key("log_config.wandb_exp_name", "", "`tools/wandb_sync RUN` copies scalars and images to W&B"),
    Key("hydra.run.dir", "", "`train_config.output_dir` becomes `run.dir`"),
    Key("metric", "", "evaluations report loss and metrics of each task"),
    Key("ckpt_path", "init_from", "converted first: `projector`, below",
        lambda value, run: run.note(f"ckpt_path is {value}: convert its projector with tools/convert/convert and name the result in init_from.")),
    Key("peft_ckpt", "init_from", "a folder of peft's, read as it is", lambda value, run: [value]),
    Key("decode_log", "", "usam-eval --output names a folder"),
]


def finish(run: Conversion) -> None:
    run.need("dataset_config.train_data_path", "model_config.encoder_name")
    run.set("recipe.type", "usam")
    run.set("trainer.schedule.type", "linear")
    run.keep_in("train_config.output_dir", "runs/from_slam_llm")
