#!/usr/bin/env python3
"""Makes the seeds of fuzz_bin and fuzz_forward: every kind of model as a `.bin`, a few KB each.

    tests/fuzz/make_models.py build/bertrun tests/fuzz/bin

Needs numpy and safetensors.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] . ? a ##a the cat sat on mat dog ran to who".split()
LABELS = ["O", "B-cat", "I-cat"]
random = np.random.default_rng(1)


def tensor(*shape):
    return random.normal(0, 0.5, shape).astype(np.float32)


def linear(tensors, name, rows, columns):
    tensors[name + ".weight"] = tensor(rows, columns)
    tensors[name + ".bias"] = tensor(rows)


def norm(tensors, name, size):
    tensors[name + ".weight"] = 1 + tensor(size)
    tensors[name + ".bias"] = tensor(size)


def bert(architecture, head, hidden=32, heads=1, intermediate=16, positions=24, **more):
    t = {"embeddings.word_embeddings.weight": tensor(len(WORDS), hidden),
         "embeddings.position_embeddings.weight": tensor(positions, hidden),
         "embeddings.token_type_embeddings.weight": tensor(2, hidden)}
    norm(t, "embeddings.LayerNorm", hidden)
    layer = "encoder.layer.0."
    for name in ("self.query", "self.key", "self.value", "output.dense"):
        linear(t, layer + "attention." + name, hidden, hidden)
    norm(t, layer + "attention.output.LayerNorm", hidden)
    linear(t, layer + "intermediate.dense", intermediate, hidden)
    linear(t, layer + "output.dense", hidden, intermediate)
    norm(t, layer + "output.LayerNorm", hidden)
    head(t, hidden)
    config = {"architectures": [architecture], "model_type": "bert", "vocab_size": len(WORDS),
              "hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": 1,
              "intermediate_size": intermediate, "max_position_embeddings": positions,
              "type_vocab_size": 2, "hidden_act": "gelu", **more}
    return config, t, WORDS


def lstm(size=16):
    t = {"encoder.weight": tensor(len(WORDS), size), "decoder.weight": tensor(len(WORDS), size),
         "decoder.bias": tensor(len(WORDS))}
    for name in ("ih", "hh"):
        t[f"rnn.weight_{name}_l0"] = tensor(4 * size, size)
        t[f"rnn.bias_{name}_l0"] = tensor(4 * size)
    return ({"ntoken": len(WORDS), "ninp": size, "nhid": size, "nlayers": 1}, t,
            ["<eos>", "<unk>", *WORDS[2:]])


def pooler(t, hidden):
    linear(t, "pooler.dense", hidden, hidden)


def classifier(t, hidden):
    pooler(t, hidden)
    linear(t, "classifier", len(LABELS), hidden)


def token_classifier(t, hidden):
    linear(t, "classifier", len(LABELS), hidden)


def answers(t, hidden):
    linear(t, "qa_outputs", 2, hidden)


def masks(t, hidden):
    linear(t, "cls.predictions.transform.dense", hidden, hidden)
    norm(t, "cls.predictions.transform.LayerNorm", hidden)
    t["cls.predictions.bias"] = tensor(len(WORDS))


LABELLED = {"id2label": dict(enumerate(LABELS))}
MODELS = {
    "embed-int8": (bert("BertModel", pooler), "int8"),
    "embed-f32": (bert("BertModel", pooler, hidden=16, heads=2), "f32"),
    "embed-bf16": (bert("BertModel", pooler, hidden=16, heads=2), "bf16"),
    "classify-int8": (bert("BertForSequenceClassification", classifier, hidden=16, heads=1,
                           **LABELLED), "int8"),
    "ner-int8": (bert("BertForTokenClassification", token_classifier, **LABELLED), "int8"),
    "answer-int8": (bert("BertForQuestionAnswering", answers), "int8"),
    "fill-int8": (bert("BertForMaskedLM", masks), "int8"),
    "lstm-int8": (lstm(), "int8"),
    "lstm-f32": (lstm(), "f32"),
}


def main():
    bertrun, output = sys.argv[1], Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    for name, ((config, tensors, words), dtype) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "vocab.txt").write_text("\n".join(words) + "\n")
            save_file(tensors, folder / "model.safetensors")
            subprocess.run([bertrun, "convert", folder, "-o", output / name, "--dtype", dtype],
                           check=True)


if __name__ == "__main__":
    main()
