#!/usr/bin/env python3
"""Quantization-aware training: fine-tunes a classifier with fake quantization, exports it, and sets
bertrun's accuracy against the fake-quantized model's.

    scripts/qat_demo.py MODEL_DIR TRAIN.tsv TEST.tsv OUTPUT_DIR [--steps N] [--bertrun PROGRAM]

MODEL_DIR holds a DistilBERT (or BERT) classifier, the tables "text<TAB>label" with a header line.
OUTPUT_DIR receives the checkpoint that docs/FORMAT.md describes, and qat.bin. Needs torch,
transformers and safetensors. Some minutes on two cores.
"""
import argparse
import json
import random
import subprocess
import time
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from torch.ao.quantization import (FusedMovingAvgObsFakeQuantize, MovingAverageMinMaxObserver,
                                   MovingAveragePerChannelMinMaxObserver, disable_observer)

INPUT = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8)
WEIGHT = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver, quant_min=-128, quant_max=127,
    dtype=torch.qint8, qscheme=torch.per_channel_symmetric)


class FakeQuantLinear(torch.nn.Linear):
    """A linear layer that computes with what int8 makes of its input and its weight."""

    def __init__(self, linear, input_fake_quant=INPUT, weight_fake_quant=WEIGHT):
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None)
        self.weight, self.bias = linear.weight, linear.bias
        self.input_fake_quant, self.weight_fake_quant = input_fake_quant(), weight_fake_quant()

    def forward(self, x):
        return torch.nn.functional.linear(self.input_fake_quant(x),
                                          self.weight_fake_quant(self.weight), self.bias)


def prepare(module, make=lambda name, linear: FakeQuantLinear(linear), path=""):
    """Puts a FakeQuantLinear in place of every linear layer."""
    for name, child in module.named_children():
        full = f"{path}.{name}" if path else name
        if type(child) is torch.nn.Linear:
            setattr(module, name, make(full, child))
        else:
            prepare(child, make, full)
    return module


def export(model, folder):
    """Weights, and beside each linear NAME: NAME.{input,weight}_fake_quant.{scale,zero_point,
    quant_min,quant_max}."""
    modules = dict(model.named_modules())
    tensors = {}
    for name, tensor in model.state_dict().items():
        owner, _, last = name.rpartition(".")
        if "activation_post_process" in owner or last.endswith("_enabled"):
            continue
        tensors[name] = tensor.contiguous()
        if last == "scale":
            for bound in ("quant_min", "quant_max"):
                value = getattr(modules[owner].activation_post_process, bound)
                tensors[f"{owner}.{bound}"] = torch.tensor([value], dtype=torch.int32)
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# ------------------------------------------------------------------------------ training, testing

def read_table(path):
    lines = Path(path).read_text(encoding="utf8").splitlines()[1:]
    return [tuple(line.rsplit("\t", 1)) for line in lines]


def batches(tokenizer, rows, label2id, size):
    """Padded batches of rows; lengths are nearly equal where the rows are sorted."""
    for i in range(0, len(rows), size):
        texts, names = zip(*rows[i:i + size])
        inputs = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        yield inputs, torch.tensor([label2id[name] for name in names])


def by_length(rows, start, size=32):
    """Batches of like lengths, in random order."""
    groups = sorted(rows, key=lambda row: len(row[0]))
    groups = [groups[i:i + size] for i in range(0, len(groups), size)]
    random.Random(start).shuffle(groups)
    return [row for group in groups for row in group]


def train(model, tokenizer, rows, steps, rate=2e-5):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    step, begin = 0, time.time()
    while step < steps:
        for inputs, labels in batches(tokenizer, by_length(rows, step), model.config.label2id, 32):
            loss = model(**inputs, labels=labels).loss
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step % 50 == 0 or step == steps:
                print(f"step {step} of {steps}, loss {loss.item():.3f}, {time.time() - begin:.0f} s",
                      flush=True)
            if step == steps:
                break


def predict(model, tokenizer, rows):
    """The label of each row."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    names = [None] * len(rows)
    with torch.inference_mode():
        done = 0
        for inputs, _ in batches(tokenizer, [rows[i] for i in order], model.config.label2id, 64):
            for best in model(**inputs).logits.argmax(dim=1).tolist():
                names[order[done]] = model.config.id2label[best]
                done += 1
    return names


def predict_with_bertrun(program, model, rows, *options):
    texts = "".join(text + "\n" for text, _ in rows)
    command = [program, "--model", str(model), "--format", "jsonl", *options]
    output = subprocess.run(command, input=texts, capture_output=True, text=True, check=True).stdout
    return [json.loads(line)["label"] for line in output.splitlines()]


def count_right(names, rows):
    return sum(name == label for name, (_, label) in zip(names, rows, strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--bertrun", default="build/bertrun")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    rows = read_table(arguments.test)
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(arguments.model,
                                                                            dtype=torch.float32)
    results = {"f32, before": predict(model, tokenizer, rows)}
    prepare(model)
    train(model, tokenizer, read_table(arguments.train), arguments.steps)
    model.apply(disable_observer)
    results["fake-quantized, PyTorch"] = fake = predict(model, tokenizer, rows)
    export(model, arguments.output)
    tokenizer.save_pretrained(arguments.output)
    results["int8, bertrun, the directory"] = predict_with_bertrun(
        arguments.bertrun, arguments.output, rows, "--precision", "int8")
    subprocess.run([arguments.bertrun, "convert", str(arguments.output), "-o",
                    str(arguments.output / "qat.bin")], check=True)
    results["int8, bertrun, qat.bin"] = predict_with_bertrun(
        arguments.bertrun, arguments.output / "qat.bin", rows)
    for what, names in results.items():
        same = sum(a == b for a, b in zip(names, fake))
        print(f"{what:30} {count_right(names, rows)} of {len(rows)} right, "
              f"{len(rows) - same} labels unlike fake-quantized")


if __name__ == "__main__":
    main()
