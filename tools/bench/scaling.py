"""Bytes sent and time of a step against the number of ranks: the model behind docs/scaling.md.

    tools/bench/scaling.py        the tables for Llama-3.1-8B with Whisper-large-v2, CED-base and MERT-330M

tools/bench/strategies.py holds bytes() against what usam counts and against the network's counter.
"""
import dataclasses


@dataclasses.dataclass
class Sizes:
    """Bytes, as they travel."""
    gradients: float  # of all that is trained, fp32
    blocks: float  # weights of blocks that gradients flow through: fetched twice a micro-batch under fsdp
    forward_blocks: float  # weights of frozen blocks that none flows through: once
    root: float  # all other weights: once a step
    block_gradients: float = 0  # the part of `gradients` that blocks have
    updated: float = 0  # of all that is trained, in the type of the parameters


def bytes_sent(strategy, ranks, accumulate, sizes, scatter_rounds=1):
    """What one rank sends in a step, by rings. scatter_rounds: 1 over NCCL; Gloo sums everything everywhere: 2."""
    share = (ranks - 1) / ranks
    if strategy == "ddp":
        return 2 * share * sizes.gradients
    if strategy == "zero1":
        return share * (2 * sizes.gradients + sizes.updated)
    fetched = accumulate * (2 * sizes.blocks + sizes.forward_blocks) + sizes.root
    reduced = accumulate * sizes.block_gradients + (sizes.gradients - sizes.block_gradients)
    return share * (fetched + scatter_rounds * reduced)


def step_seconds(strategy, ranks, accumulate, sizes, compute, bandwidth, latency, operations, hidden):
    """compute: seconds of a micro-batch; bandwidth: bytes a second that a rank's ring passes on; hidden: the part of the
    step's compute behind which communication can go on."""
    communication = bytes_sent(strategy, ranks, accumulate, sizes) / bandwidth + operations * (ranks - 1) * latency
    work = accumulate * compute
    return work + max(0.0, communication - hidden * work) if ranks > 1 else work


def llama_8b(train):
    """U-SAM's parts at published sizes; trained: LoRA of rank 8 on q_proj and v_proj, or everything of the language model."""
    block = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096
    vocabulary = 2 * 128256 * 4096
    encoders = {"blocks": 32 * 19.7e6 + 24 * 12.6e6, "rest": 86e6 + 20e6}  # Whisper and MERT; CED, embeddings, convolutions
    lora = 32 * 8 * (4096 + 4096 + 4096 + 1024)
    audio_side = 45e6  # Q-Former, experts, the contrastive loss
    if train == "lora":
        return Sizes(gradients=4 * (lora + audio_side), blocks=2 * 32 * block + 4 * lora, forward_blocks=2 * encoders["blocks"],
                     root=2 * (vocabulary + encoders["rest"]) + 4 * audio_side, block_gradients=4 * lora,
                     updated=4 * (lora + audio_side))
    trained = 32 * block + vocabulary + audio_side
    return Sizes(gradients=4 * trained, blocks=2 * 32 * block, forward_blocks=2 * encoders["blocks"],
                 root=4 * (vocabulary + audio_side) + 2 * encoders["rest"], block_gradients=4 * 32 * block, updated=4 * trained)


def main():
    # A micro-batch of 16 clips of 10 s: 1,600 positions of the language model and 160 s of audio.
    flops = {"lora": 4 * 8.03e9 * 1600 + 20e12, "full": 6 * 8.03e9 * 1600 + 20e12}
    rate = 400e12  # of one GPU: two fifths of an H100's dense bf16 peak
    # What the rings of a collective pass on together, in bytes a second: each enters and leaves a node once, so that the
    # node's adapters share the data, not its GPUs.
    inside = 300e9
    links = {"400 Gb/s for each of 8 GPUs": min(inside, 8 * 45e9), "400 Gb/s for each node": 45e9, "100 Gb/s for each node": 11e9}
    for train, title in (("lora", "LoRA of rank 8"), ("full", "Fully trained")):
        sizes, compute = llama_8b(train), flops[train] / rate
        print(f"\n{title}: {compute:.3f} s of compute a micro-batch, two micro-batches a step\n")
        nodes = (1, 2, 4, 8, 16, 30)
        print("| strategy | network between nodes | sent by a rank, GB | " + " | ".join(f"{n} node{'s' * (n > 1)}" for n in nodes) + " |")
        print("| --- | --- | ---: |" + " ---: |" * len(nodes))
        for strategy in ("ddp", "zero1", "fsdp"):
            for name, bandwidth in links.items():
                cells = []
                for n in nodes:
                    speed = inside if n == 1 else bandwidth
                    operations = {"ddp": 2 * sizes.gradients / 25e6 / 8, "zero1": 3 * sizes.gradients / 25e6 / 8, "fsdp": 300 / 8}[strategy]
                    hidden = 0.6 if strategy == "fsdp" else 0.3  # fsdp: behind any block; ddp: behind the last backward pass
                    seconds = step_seconds(strategy, 8 * n, 2, sizes, compute, speed, 5e-6, operations, hidden)
                    cells.append(f"{2 * compute / seconds:.0%}")
                sent = bytes_sent(strategy, 64, 2, sizes) / 1e9
                print(f"| {strategy} | {name} | {sent:.1f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
