"""What peft and transformers compute with folders that usam wrote.

    python open_ours.py JOBS.json

A job is {"kind": "adapter" | "merged" | "encoder", "base", "folder", "input", "output"}, the last two safetensors files with
`ids` or `features` in, `logits` or `states` out.
"""
import json
import sys
import warnings

warnings.simplefilter("error", UserWarning)  # peft warns of adapter keys that are missing

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSpeechSeq2Seq

for job in json.load(open(sys.argv[1])):
    inputs = load_file(job["input"])
    with torch.no_grad():
        if job["kind"] == "encoder":
            kind = AutoModelForSpeechSeq2Seq if job["base"].endswith("/whisper") else AutoModel  # as its tensors are named
            base = kind.from_pretrained(job["base"], dtype=torch.float32).eval()
            model = PeftModel.from_pretrained(base, job["folder"]).eval().base_model.model
            encoder = model.get_encoder() if "whisper" in model.config.model_type else model
            out = {"states": encoder(inputs["features"]).last_hidden_state}
        else:
            merged, loading = AutoModelForCausalLM.from_pretrained(job["base"], dtype=torch.float32, output_loading_info=True)
            assert not any(loading.values()), loading
            model = merged.eval() if job["kind"] == "merged" else PeftModel.from_pretrained(merged, job["folder"]).eval()
            out = {"logits": model(inputs["ids"]).logits}
    save_file({name: value.contiguous() for name, value in out.items()}, job["output"])
