"""The published U-SAM code: a file of its conf/ folder."""
from __future__ import annotations

from typing import Any

from table import Conversion, Key, Mistake, flag, number


def whole(value: Any, run: Conversion) -> Any:
    return number(value)


def strategy(value: Any, run: Conversion) -> str:
    names = {"frozen": "frozen", "trainable": "full", "lora": "lora"}
    if value not in names:
        raise Mistake(f"a strategy is {value}; U-SAM knows {', '.join(names)}")
    return names[value]


def optimizer(value: Any, run: Conversion) -> None:
    if not str(value).startswith("adamw"):
        raise Mistake(f"optim_args.name is {value}; usam has AdamW")


COUNT = "the manifest's rows are counted"
KEYS = [
    Key("task", "", "each row names its task"),
    Key("dataset_conf.max_len", "data.max_seconds", "clips are cut at their end; there a random stretch is taken (`data.augment.crop`)", whole, 10),
    Key("dataset_conf.sample_rate", "", "each encoder hears its own rate"),
    Key("dataset_conf.batch_size", "data.batch.rows", "of each process, before accumulation", whole, 16),
    Key("dataset_conf.perturb", "data.augment.speed", "true: [0.9, 1.0, 1.1]", lambda value, run: [0.9, 1.0, 1.1] if flag(value) else None),
    Key("dataset_conf.shuffle", "data.shuffle", "", lambda value, run: flag(value)),
    Key("dataset_conf.shuffle_size", "", "all rows are shuffled"),
    Key("dataset_conf.num_workers", "data.threads", "threads, not processes", whole),
    Key("encoder_conf.encoder_strategy", "recipe.encoders.ced.train", "the code's `encoder` is CED; the other encoders are frozen", strategy),
    Key("decoder_conf.decoder_strategy", "recipe.llm.train", "", strategy),
    Key("optim_args.lr", "trainer.optimizer.lr", "", whole, 5e-5),
    Key("optim_args.name", "trainer.optimizer.type", "AdamW; others are refused", optimizer),
    Key("optim_args.weight_decay", "trainer.optimizer.weight_decay", "of matrices alone", whole, 1e-6),
    Key("epochs", "trainer.epochs", "", whole, 30),
    Key("warmup_radio", "trainer.schedule.warmup", "a share of the run; then cosine", whole, 0.13),
    Key("acc_grad", "trainer.accumulate", "losses are divided by the tokens of the whole step here", whole, 1),
    Key("clip_grad", "trainer.max_grad_norm", "", whole, 1),
    Key("total_samples", "", COUNT),
    Key("total_samples_train", "", COUNT),
    Key("total_samples_eval", "", COUNT),
]


def finish(run: Conversion) -> None:
    run.set("data.long_audio", "truncate")
    run.set("data.batch.seconds", None)
    run.set("trainer.schedule.type", "cosine")
    for part in ("encoders.ced", "llm"):
        place = run.config.get("recipe", {})
        for name in part.split("."):
            place = place.get(name, {})
        if place.get("train") == "lora":
            run.set(f"recipe.{part}.lora", {"rank": 8, "alpha": 32, "dropout": 0.1, "targets": ["q_proj", "v_proj"]})
    if run.config.get("recipe", {}).get("llm", {}).get("train") == "full":
        run.set("recipe.llm.dtype", "float32")  # configs/stage1.yaml keeps the frozen model in bfloat16
    run.set("recipe.loss", {"ce": {"weight": 1}, "saclm": {"weight": 1}})
    run.set("run.dir", "runs/from_u_sam")
    run.note("paths are arguments of its train.sh: MODELS, LLM and DATA in the environment name them here (configs/stage1.yaml); --out_dir is run.dir.")
