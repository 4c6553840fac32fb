#!/usr/bin/env python3
"""Writes tests/golden/data/pytorch-int8: what PyTorch's quantize_dynamic(model, {nn.Linear}, qint8)
computes on x86.

    scripts/make_pytorch_golden.py CLINC_MODEL_DIR CLINC_TEST.tsv [OUTPUT_DIR]

linear-K: one layer's input, weight, bias and output. clinc: 500 texts of the table (every eleventh),
each alone and so without padding: the label's index and every tenth logit.
"""
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.ao.quantization import quantize_dynamic

ROOT = Path(__file__).resolve().parent.parent
LINEARS = [  # rows, in, out, mean of the input, its size
    (7, 36, 52, 0.0, 1.0),
    (33, 64, 40, 1.5, 0.3),
    (5, 130, 70, -4.0, 0.5),
    (9, 48, 20, 0.0, 1e-4),
]


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        kind = np.float32 if array.dtype.kind == "f" else np.int32
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array, kind))


def make_linear(folder, seed, rows, width, out, mean, size):
    torch.manual_seed(seed)
    linear = torch.nn.Linear(width, out)
    with torch.no_grad():
        linear.weight.mul_(torch.rand(out, 1) * 4)
    x = (torch.randn(rows, width) * torch.rand(rows, 1) * 2 + mean) * size
    quantized = quantize_dynamic(torch.nn.Sequential(linear), {torch.nn.Linear}, torch.qint8)
    save(folder, input=x.numpy(), weight=linear.weight.detach().numpy(),
         bias=linear.bias.detach().numpy(), output=quantized(x).detach().numpy(),
         weight_q=quantized[0].weight().int_repr().numpy())


def make_clinc(folder, directory, table):
    rows = Path(table).read_text(encoding="utf8").splitlines()[1:][::11][:500]
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory,
                                                                            dtype=torch.float32)
    model = quantize_dynamic(model.eval(), {torch.nn.Linear}, torch.qint8)
    logits = []
    with torch.inference_mode():
        for row in rows:
            ids = tokenizer(row.rsplit("\t", 1)[0], return_tensors="pt")["input_ids"]
            logits.append(model(input_ids=ids).logits.numpy())
    logits = np.concatenate(logits)
    save(folder, labels=logits.argmax(axis=1), logits=logits[:, ::10],
         range=np.array([logits.min(), logits.max()]))


def main():
    output = Path(sys.argv[3]) if len(sys.argv) > 3 else ROOT / "tests" / "golden" / "data"
    torch.backends.quantized.engine = "x86"
    for i, recipe in enumerate(LINEARS):
        make_linear(output / "pytorch-int8" / f"linear-{i}", i, *recipe)
    make_clinc(output / "pytorch-int8" / "clinc", sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
