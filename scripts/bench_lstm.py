#!/usr/bin/env python3
"""Times an LSTM language model in int8 beside the dynamic int8 of others, and PyTorch's f32.

    scripts/bench_lstm.py MODEL_DIR [--bertrun build/bertrun] [--rounds 3] [--threads 1]

MODEL_DIR is what `bertrun convert` takes (docs/LSTM.md). A call reads 35 words of one or of ten
columns and gives their logits; state is carried. Each round has 100 calls of every engine and
shape, one engine after another. Needs torch, onnxruntime, onnx and safetensors. Exit code 1: a
bar is missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
STEPS, CALLS, WARM_UP = 35, 100, 3
BARS = {"ONNX Runtime int8": 0.85, "PyTorch int8": 0.6}  # our time over theirs, one thread


class LanguageModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.encoder = nn.Embedding(config["ntoken"], config["ninp"])
        self.rnn = nn.LSTM(config["ninp"], config["nhid"], config["nlayers"])
        self.decoder = nn.Linear(config["nhid"], config["ntoken"])

    def forward(self, ids, hidden, cell):
        out, (hidden, cell) = self.rnn(self.encoder(ids), (hidden, cell))
        return self.decoder(out), hidden, cell


def torch_engine(model):
    def run(*arrays):
        with torch.inference_mode():
            return [x.numpy() for x in model(*(torch.from_numpy(x) for x in arrays))]
    return run


def torch_int8_engine(model):
    return torch_engine(torch.ao.quantization.quantize_dynamic(model, {nn.LSTM, nn.Linear},
                                                               dtype=torch.qint8))


def onnx_engine(model, config, directory, threads):
    state = torch.zeros(config["nlayers"], 2, config["nhid"])
    plain, quantized = f"{directory}/f32.onnx", f"{directory}/int8.onnx"
    torch.onnx.export(
        model, (torch.zeros(STEPS, 2, dtype=torch.long), state, state), plain,
        input_names=["ids", "h", "c"], output_names=["logits", "h_out", "c_out"],
        dynamic_axes={"ids": {0: "t", 1: "b"}, "h": {1: "b"}, "c": {1: "b"},
                      "logits": {0: "t", 1: "b"}, "h_out": {1: "b"}, "c_out": {1: "b"}},
        opset_version=17, dynamo=False)
    quantize_dynamic(plain, quantized, weight_type=QuantType.QInt8,
                     op_types_to_quantize=["LSTM", "MatMul", "Gemm", "Attention"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(quantized, options, providers=["CPUExecutionProvider"])
    return lambda ids, h, c: session.run(None, {"ids": ids, "h": h, "c": c})


def time_peer(run, config, columns):
    """Median milliseconds of a call."""
    ids = np.random.default_rng(1).integers(0, config["ntoken"], (STEPS, columns))
    hidden = cell = np.zeros((config["nlayers"], columns, config["nhid"]), np.float32)
    times = []
    for _ in range(WARM_UP + CALLS):
        start = time.perf_counter()
        _, hidden, cell = run(ids, hidden, cell)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:])


def time_bertrun(program, model, threads, columns, seconds):
    """The same, of 100 calls or more; `seconds` are what 100 calls of a peer took."""
    done = subprocess.run(
        [program, "bench", "--model", model, "--shapes", f"{columns}x{STEPS}", "--threads",
         str(threads), "--seconds", f"{seconds:.2f}", "--json"],
        stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)["results"][0]
    if result["calls"] < CALLS:
        sys.exit(f"bertrun: only {result['calls']} calls in {seconds:.2f} s")
    return result["ms"]["median"]


def measure(options, config, engines, model):
    times = {name: {columns: [] for columns in (1, 10)} for name in ("bertrun int8", *engines)}
    for _ in range(options.rounds):
        for columns in (1, 10):
            for name, run in engines.items():
                times[name][columns].append(time_peer(run, config, columns))
            slowest = max(times[name][columns][-1] for name in BARS)
            times["bertrun int8"][columns].append(
                time_bertrun(options.bertrun, model, options.threads, columns,
                             slowest * 1e-3 * CALLS))
    return {name: {columns: statistics.median(medians) for columns, medians in of.items()}
            for name, of in times.items()}


def print_table(times, threads):
    """Prints it; whether all bars hold."""
    good = True
    plural = "s" if threads > 1 else ""
    print(f"| median ms, {threads} thread{plural} | 1x{STEPS} | 10x{STEPS} |\n|---|---|---|")
    for name, of in times.items():
        print(f"| {name} | {of[1]:.2f} | {of[10]:.2f} |")
    for name, bar in BARS.items():
        ratios = [times["bertrun int8"][columns] / times[name][columns] for columns in (1, 10)]
        verdicts = [f"{r:.2f} ≤ {bar:.2f} {'pass' if r <= bar else '**FAIL**'}" for r in ratios]
        good = good and all(r <= bar for r in ratios)
        print(f"| bertrun ÷ {name} | {' | '.join(verdicts)} |")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="config.json, model.safetensors, vocab.txt")
    parser.add_argument("--bertrun", type=Path, default=ROOT / "build" / "bertrun")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.quantized.engine = "x86"
    config = json.loads((options.model / "config.json").read_text())
    model = LanguageModel(config).eval()
    model.load_state_dict(load_file(options.model / "model.safetensors"))
    with tempfile.TemporaryDirectory() as directory:
        engines = {"ONNX Runtime int8": onnx_engine(model, config, directory, options.threads),
                   "PyTorch int8": torch_int8_engine(model),
                   "PyTorch f32": torch_engine(model)}
        converted = f"{directory}/model.bin"
        subprocess.run([options.bertrun, "convert", options.model, "-o", converted], check=True,
                       stdout=subprocess.DEVNULL)
        times = measure(options, config, engines, converted)
    if not print_table(times, options.threads):
        sys.exit(1)


if __name__ == "__main__":
    main()
