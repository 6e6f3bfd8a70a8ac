"""SALMONN: its YAML config."""
from __future__ import annotations

import json
from typing import Any

from table import Conversion, Key, Mistake, flag, number

WANDB = "`tools/wandb_sync RUN` copies scalars and images to W&B"
STARTED = "the number of processes that are started decides"


def whole(value: Any, run: Conversion) -> Any:
    return number(value)


def trained(value: Any, run: Conversion) -> str:
    return "frozen" if flag(value) else "full"


def freezes(pattern: str):
    def convert(value: Any, run: Conversion) -> None:
        if flag(value):
            run.config.setdefault("recipe", {}).setdefault("freeze", []).append(pattern)
    return convert


def must_be(name: str, wanted: bool):
    def convert(value: Any, run: Conversion) -> None:
        if flag(value) != wanted:
            raise Mistake(f"{name} is {value}; usam has a counterpart of {str(wanted).lower()} alone")
    return convert


def window(value: Any, run: Conversion) -> int:
    if abs(number(value) - number(run.value("model.second_stride"))) > 1e-6:
        raise Mistake("model.second_per_window and model.second_stride differ; windows do not overlap in usam")
    return round(1500 * number(value) / 30)  # of Whisper's 1500 states of 30 s


def lora(value: Any, run: Conversion) -> Any:
    return number(value) if flag(run.value("model.lora")) else None


def manifest(value: Any, run: Conversion) -> list:
    return [{"path": value, "format": "salmonn"}]


def accumulation(run: Conversion) -> int:
    return int(number(run.value("run.accum_grad_iters")))


def every(value: Any, run: Conversion) -> int | None:
    return None if flag(run.value("run.epoch_based")) else max(1, int(number(value)) // accumulation(run))


def length(value: Any, run: Conversion) -> None:
    epochs = int(number(value))
    if flag(run.value("run.epoch_based")):
        run.set("trainer.epochs", epochs)
    else:
        run.set("trainer.max_steps", max(1, epochs * int(number(run.value("run.iters_per_epoch"))) // accumulation(run)))


def warmup(value: Any, run: Conversion) -> int:
    return int(number(value)) // accumulation(run)


def least(value: Any, run: Conversion) -> float:
    return number(value) / number(run.value("run.optims.init_lr"))


def read_prompts(value: Any, run: Conversion) -> dict[str, str] | None:
    """SALMONN's prompts by task, with its place for the audio written as ours."""
    file = next((folder / value for folder in (run.folder, run.folder.parent) if (folder / value).is_file()), None)
    if file is None:
        run.note(f"model.prompt_path: there is no {value} to be found; give recipe.prompts a prompt for each task of the rows.")
        return None
    made = {}
    for task, texts in json.loads(file.read_text(encoding="utf8")).items():
        text = texts[0] if isinstance(texts, list) else texts
        for place in ("<Speech><SpeechHere></Speech>", "<SpeechHere>"):
            text = text.replace(place, "<audio>")
        made[task] = run.value("model.prompt_template").replace("{}", text)
    return made


KEYS = [
    Key("model.llama_path", "recipe.llm.path, recipe.llm.tokenizer.path"),
    Key("model.whisper_path", "recipe.encoders.whisper.path"),
    Key("model.beats_path", "recipe.encoders", "usam has no BEATs; CED hears sounds",
        lambda value, run: run.note("BEATs has no counterpart: Whisper alone is written. For sounds add recipe.encoders.ced.") if value else None),
    Key("model.ckpt", "", "a SALMONN checkpoint is of another model (BEATs) and is not read"),
    Key("model.freeze_whisper", "recipe.encoders.whisper.train", "true: frozen, false: full", trained, True),
    Key("model.freeze_beats", "", "usam has no BEATs"),
    Key("model.use_speech_Qformer", "recipe.bridge.type", "true; false is refused", must_be("model.use_speech_Qformer", True), True),
    Key("model.window_level_Qformer", "recipe.bridge.type", "true; false is refused", must_be("model.window_level_Qformer", True), True),
    Key("model.freeze_speech_QFormer", "recipe.freeze", "true: `bridge.*`", freezes("bridge.*")),
    Key("model.num_speech_query_token", "recipe.bridge.queries", "", whole, 1),
    Key("model.second_per_window", "recipe.bridge.window", "in frames of 20 ms: 17 for 0.333333", window, 0.333333),
    Key("model.second_stride", "recipe.bridge.window", "the same as second_per_window; others are refused", lambda value, run: None, 0.333333),
    Key("model.speech_llama_proj_model", "", "a projector's weights are part of `init_from`"),
    Key("model.freeze_speech_llama_proj", "recipe.freeze", "true: `projector.*`", freezes("projector.*")),
    Key("model.lora", "recipe.llm.train", "true: lora, false: frozen", lambda value, run: "lora" if flag(value) else "frozen", True),
    Key("model.lora_rank", "recipe.llm.lora.rank", "", lora, 8),
    Key("model.lora_alpha", "recipe.llm.lora.alpha", "", lora, 32),
    Key("model.lora_dropout", "recipe.llm.lora.dropout", "", lora, 0.1),
    Key("model.multi_prompt", "recipe.prompts", "a task has one prompt here; rows may have their own (`Q`)", lambda value, run: None),
    Key("model.prompt_template", "recipe.prompts", "around every prompt of `prompt_path`", lambda value, run: None, "USER: {}\nASSISTANT:"),
    Key("model.prompt_path", "recipe.prompts", "the first prompt of each task, where the file is there", read_prompts),
    Key("model.test_prompt_path", "", "evaluation asks as training does"),
    Key("model.max_txt_len", "", "`data.batch.tokens` bounds sequences"),
    Key("model.end_sym", "", "read from the language model's folder"),
    Key("model.low_resource", "recipe.llm.store", "true: int8", lambda value, run: "int8" if flag(value) else None),
    Key("datasets.train_ann_path", "data.train", "with `format: salmonn`", manifest),
    Key("datasets.valid_ann_path", "data.valid", "with `format: salmonn`", manifest),
    Key("datasets.test_ann_path", "data.test", "with `format: salmonn`", manifest),
    Key("datasets.whisper_path", "", "each encoder's folder has its front end"),
    Key("run.seed", "seed", "other random numbers come of it", whole, 42),
    Key("run.output_dir", "run.dir"),
    Key("run.evaluate", "", "usam-eval evaluates"),
    Key("run.log_freq", "trainer.log_every", "", whole, 5),
    Key("run.epoch_based", "trainer.epochs", "true: `max_epoch` are passes over the data, else epochs of `iters_per_epoch`", lambda value, run: None, False),
    Key("run.iters_per_epoch", "trainer.eval_every, trainer.save_every", "in steps: divided by the accumulation", every, 3000),
    Key("run.accum_grad_iters", "trainer.accumulate", "losses are divided by the tokens of the whole step here", whole, 1),
    Key("run.batch_size_train", "data.batch.rows", "of each process, before accumulation", whole, 8),
    Key("run.batch_size_eval", "evaluate.batch_rows", "", whole),
    Key("run.num_workers", "data.threads", "threads, not processes", whole),
    Key("run.device", "", "a GPU is taken where there is one"),
    Key("run.use_distributed", "", STARTED),
    Key("run.world_size", "", STARTED),
    Key("run.dist_url", "", STARTED),
    Key("run.amp", "trainer.precision", "true: bf16", lambda value, run: "bf16" if flag(value) else None),
    Key("run.optims.max_epoch", "trainer.epochs, trainer.max_steps", "one of them, see epoch_based", length, 30),
    Key("run.optims.warmup_steps", "trainer.schedule.warmup", "in steps: divided by the accumulation; then cosine", warmup, 3000),
    Key("run.optims.warmup_start_lr", "", "warm-up begins at 0"),
    Key("run.optims.init_lr", "trainer.optimizer.lr", "", whole, 3e-5),
    Key("run.optims.min_lr", "trainer.schedule.min_ratio", "divided by init_lr", least, 1e-5),
    Key("run.optims.weight_decay", "trainer.optimizer.weight_decay", "of matrices alone", whole, 0.05),
    Key("run.optims.beta2", "trainer.optimizer.betas", "[0.9, beta2]", lambda value, run: [0.9, number(value)], 0.999),
    Key("run.use_wandb", "", WANDB),
    Key("run.wandb_project", "", WANDB),
    Key("run.wandb_local_dir", "", WANDB),
    Key("run.wandb_name", "", WANDB),
    Key("run.wandb_entity", "", WANDB),
]


def finish(run: Conversion) -> None:
    run.need("model.llama_path", "model.whisper_path", "datasets.train_ann_path")
    run.set("recipe.type", "usam")
    run.set("recipe.llm.type", "llama")
    run.set("recipe.encoders.whisper.type", "whisper")
    run.set("recipe.encoders.whisper.pad", "30s")
    run.set("recipe.fusion.reference", "whisper")
    run.set("recipe.bridge.type", "window_qformer")
    run.set("recipe.projector", {"type": "moe", "experts": 1, "expert_hidden": None, "router_input": "frames"})
    run.set("trainer.schedule.type", "cosine")
    run.keep_in("run.output_dir", "runs/from_salmonn")
