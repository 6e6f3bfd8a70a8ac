"""Small random encoders beyond those of peer/make_oracles.py, and what transformers computes with them.

    python tests/parity/encoders/make_variants.py ORACLES        writes ORACLES/variants/NAME; needs ORACLES/ced

Each folder gets golden.safetensors: `clip/{features,hidden.N,last_hidden}`; that of CED is ORACLES/ced's own. Folders
without safetensors go through tools/convert_bin.py.
"""
import json
import os
import shutil
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.join(os.environ.get("USAM_SHARED", "../shared"), "peer"))

import torch
import transformers
from audio_dsp import synth_clip
from make_oracles import Golden, randomize
from safetensors.torch import load_file

transformers.logging.set_verbosity_error()

SPEECH = dict(vocab_size=32, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=160,
              conv_dim=(32,) * 7, num_codevectors_per_group=8, codevector_dim=16, proj_codevector_dim=16)
LAYER = dict(feat_extract_norm="layer", do_stable_layer_norm=True)


def convert(*arguments: str) -> None:
    subprocess.run([sys.executable, "tools/convert_bin.py", *arguments], check=True)


def speech(root: str, name: str, kind: str, head: str, seed: int, normalize: bool = True, rate: int = 16000, **options):
    """A HuBERT or wav2vec 2.0 folder of the class KIND + HEAD; its golden is that of the encoder alone."""
    folder = os.path.join(root, name)
    config = getattr(transformers, kind + "Config")(**(SPEECH | options))
    torch.manual_seed(seed)
    randomize(getattr(transformers, kind + head)(config), seed).save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=normalize)
    extractor.save_pretrained(folder)
    model = getattr(transformers, kind + "Model").from_pretrained(folder).eval()
    wave = extractor(synth_clip(1.3, seed, rate), sampling_rate=rate, return_tensors="pt").input_values
    with torch.no_grad():
        out = model(wave, output_hidden_states=True)
    golden = Golden(folder)
    golden.add("clip", "1.3 s", features=wave, hidden=out.hidden_states, last_hidden=out.last_hidden_state)
    golden.save()
    return folder


def mert_330m(root: str) -> None:
    """What sets MERT-v1-330M apart: layer norms in and before all layers, attention_relax; the names of MERT's class."""
    folder = speech(root, "mert-330m", "Hubert", "Model", 4, rate=24000, **LAYER)
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf8") as file:
        config = json.load(file)
    config.update(model_type="mert_model", feature_extractor_cqt=False, feature_extractor_cqt_bins=336, deepnorm=False,
                  attention_relax=32.0)
    with open(path, "w", encoding="utf8") as file:
        json.dump(config, file, indent=1)
    weights = os.path.join(folder, "model.safetensors")
    state = load_file(weights)
    for new, old in ((".parametrizations.weight.original0", ".weight_g"), (".parametrizations.weight.original1", ".weight_v")):
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    torch.save(state, os.path.join(folder, "pytorch_model.bin"))
    os.remove(weights)
    convert(folder)


def whisper_bf16(root: str) -> None:
    folder = os.path.join(root, "whisper-bf16")
    config = transformers.WhisperConfig(
        vocab_size=100, num_mel_bins=80, d_model=64, encoder_layers=3, encoder_attention_heads=4, encoder_ffn_dim=160,
        decoder_layers=1, decoder_attention_heads=4, decoder_ffn_dim=96, max_target_positions=32, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3, suppress_tokens=None, begin_suppress_tokens=None)
    torch.manual_seed(5)
    randomize(transformers.WhisperForConditionalGeneration(config), 5).bfloat16().save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor()
    extractor.save_pretrained(folder)
    encoder = transformers.WhisperModel.from_pretrained(folder, dtype=torch.float32).encoder.eval()
    features = extractor(synth_clip(2.1, 5), sampling_rate=16000, return_tensors="pt").input_features
    golden = Golden(folder)
    with torch.no_grad():
        out = encoder(features, output_hidden_states=True)
        low = encoder.bfloat16()(features.bfloat16()).last_hidden_state.float()
    golden.add("clip", "2.1 s in 30 s; last_hidden_low: bf16 throughout", features=features, hidden=out.hidden_states,
               last_hidden=out.last_hidden_state, last_hidden_low=low)
    golden.save()


def ced_upstream(oracles: str, root: str) -> None:
    """The checkpoint as published with the paper: a .pt file, no config.json."""
    folder = os.path.join(root, "ced-upstream")
    os.makedirs(folder, exist_ok=True)
    source = os.path.join(oracles, "ced")
    shutil.copy(os.path.join(source, "upstream_checkpoint.pt"), os.path.join(folder, "ced.pt"))
    convert(os.path.join(folder, "ced.pt"), "--heads", "4")


def main(oracles: str) -> None:
    torch.set_num_threads(1)
    root = os.path.join(oracles, "variants")
    for name in ("mert-330m", "ced-upstream"):
        shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    speech(root, "wav2vec2-ctc", "Wav2Vec2", "ForCTC", 1, normalize=False)
    speech(root, "wav2vec2-layer", "Wav2Vec2", "ForPreTraining", 2, conv_bias=True, **LAYER)
    speech(root, "hubert-ctc", "Hubert", "ForCTC", 3, feat_proj_layer_norm=False)
    mert_330m(root)
    whisper_bf16(root)
    ced_upstream(oracles, root)


if __name__ == "__main__":
    main(sys.argv[1])
