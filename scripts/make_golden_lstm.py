#!/usr/bin/env python3
"""Writes tests/golden/data/tiny/lstm*: small LSTM language models and PyTorch's logits.

    scripts/make_golden_lstm.py [OUTPUT_DIR]

Needs torch and safetensors; the tests do not. Logits come from PyTorch in double precision, rounded
to f32, and are compared with scripts/reference_lstm.py, which also says what int8 gives.
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import reference_lstm

ROOT = Path(__file__).resolve().parent.parent
CHECK = 1e-5  # how far reference_lstm.py may be off
STEPS, COLUMNS = 7, 3
VOCAB = ["<unk>", "<eos>"] + "the man cat sat on mat is it not so and , . 3 naïve".split()

MODELS = {
    # name: (ninp, nhid, nlayers, tied, names of the modules, dtype of the file)
    "lstm": (20, 36, 2, False, ("encoder", "rnn", "decoder"), torch.float32),
    "lstm-tied-f16": (36, 36, 3, True, ("embedding", "lstm", "fc"), torch.float16),
}


class Model(torch.nn.Module):
    def __init__(self, ninp, nhid, nlayers, tied):
        super().__init__()
        self.encoder = torch.nn.Embedding(len(VOCAB), ninp)
        self.rnn = torch.nn.LSTM(ninp, nhid, nlayers)
        self.decoder = torch.nn.Linear(nhid, len(VOCAB))
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, ids):
        return self.decoder(self.rnn(self.encoder(ids))[0])


def make(folder, seed, ninp, nhid, nlayers, tied, names, dtype):
    generator = torch.Generator().manual_seed(seed)
    model = Model(ninp, nhid, nlayers, tied)
    for parameter in model.parameters():
        parameter.data = (torch.randn(parameter.shape, generator=generator) * 0.3).to(dtype)
    tensors = {}
    for name, tensor in model.state_dict().items():
        if not (tied and name == "decoder.weight"):
            for ours, theirs in zip(("encoder", "rnn", "decoder"), names):
                name = name.replace(ours + ".", theirs + ".")
            tensors[name] = tensor.contiguous()
    config = {"ntoken": len(VOCAB), "ninp": ninp, "nhid": nhid, "nlayers": nlayers}
    if tied:
        config["tie_weights"] = True
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf8")

    ids = torch.randint(len(VOCAB), (STEPS, COLUMNS), generator=generator)
    with torch.no_grad():
        logits = model.double()(ids).numpy()
    np.save(folder / "input_ids.npy", ids.numpy().astype(np.int32))
    np.save(folder / "logits.npy", logits.astype(np.float32))
    ours = reference_lstm.LanguageModel(folder)
    error = np.abs(ours.logits(ids.numpy(), ours.zero_state(COLUMNS)) - logits).max()
    print(f"{folder.name:16} reference_lstm.py off by {error:.1e}")
    assert error < CHECK
    for words in (False, True):
        ours = reference_lstm.LanguageModel(folder, "int8", int8_words=words)
        np.save(folder / ("int8_stored.npy" if words else "int8.npy"),
                ours.logits(ids.numpy(), ours.zero_state(COLUMNS)).astype(np.float32))


def main():
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "data"
    for seed, (name, recipe) in enumerate(MODELS.items()):
        folder = output / "tiny" / name
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, seed, *recipe)


if __name__ == "__main__":
    main()
