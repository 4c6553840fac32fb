#!/usr/bin/env python3
"""Times one engine in this process: median and minimum milliseconds of a forward pass, as JSON.

    peers_engine.py ENGINE PREFIX THREADS SHAPES SECONDS

PREFIX is the path of a model that peers_export.py wrote, without suffix; SHAPES is like 1x8,32x128;
each shape runs for SECONDS, at least 5 times. bench_peers.py calls this.
"""
import json
import sys
import time

import numpy as np

WARM_UP_PASSES = 3
MIN_SAMPLES = 5

# Each function below opens an engine and returns its forward pass: ids and mask, int64
# [batch, sequence], to last hidden states, float32 [batch, sequence, hidden].


def open_torch(kind, prefix, threads):
    import torch
    from transformers import AutoModel
    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(prefix, attn_implementation="sdpa").eval()
    if kind == "int8":
        torch.backends.quantized.engine = "x86"
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    elif kind == "bf16":
        model = model.to(torch.bfloat16)

    def run(ids, mask):
        with torch.inference_mode():
            out = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
            return out.last_hidden_state.float().numpy()
    return run


def open_ort(kind, prefix, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    suffix = {"f32": ".opt.onnx", "int8": ".opt.q.onnx"}[kind]
    session = onnxruntime.InferenceSession(prefix + suffix, options,
                                           providers=["CPUExecutionProvider"])
    integer = np.int32 if session.get_inputs()[0].type == "tensor(int32)" else np.int64

    def run(ids, mask):
        inputs = {"input_ids": ids.astype(integer), "attention_mask": mask.astype(integer)}
        return session.run(None, inputs)[0]
    return run


def open_ov(kind, prefix, threads):
    import openvino
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if kind == "f32":
        config["INFERENCE_PRECISION_HINT"] = "f32"
    elif kind == "bf16":
        config["INFERENCE_PRECISION_HINT"] = "bf16"
    elif kind == "int8":
        config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "768"
    suffix = {"f32": ".xml", "bf16": ".xml", "int8": ".i8.xml", "ptq": ".ptq.xml"}[kind]
    model = openvino.Core().compile_model(prefix + suffix, "CPU", config)
    request = model.create_infer_request()
    names = [node.get_any_name() for node in model.inputs]

    def run(ids, mask):
        return request.infer({name: ids if "ids" in name else mask for name in names})[
            model.output(0)]
    return run


def open_ct2(kind, prefix, threads):
    import ctranslate2
    compute = {"int8": "int8_float32", "f32": "float32"}[kind]
    encoder = ctranslate2.Encoder(prefix + ".ct2", compute_type=compute, intra_threads=threads)

    def run(ids, mask):
        lists = [row[:length].tolist() for row, length in zip(ids, mask.sum(1))]
        return np.array(encoder.forward_batch(lists).last_hidden_state)
    return run


OPENERS = {"torch": open_torch, "ort": open_ort, "ov": open_ov, "ct2": open_ct2}


def milliseconds(run, batch, length, seconds):
    random = np.random.default_rng(0)
    ids = random.integers(1000, 30000, (batch, length))
    mask = np.ones((batch, length), np.int64)
    for _ in range(WARM_UP_PASSES):
        run(ids, mask)
    taken = []
    start = time.perf_counter()
    while len(taken) < MIN_SAMPLES or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        run(ids, mask)
        taken.append(1e3 * (time.perf_counter() - begin))
    return {"median": float(np.median(taken)), "min": min(taken)}


def main():
    engine, prefix, threads, shapes, seconds = sys.argv[1:]
    library, kind = engine.split("-")
    run = OPENERS[library](kind, prefix, int(threads))
    results = {shape: milliseconds(run, *map(int, shape.split("x")), float(seconds))
               for shape in shapes.split(",")}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
