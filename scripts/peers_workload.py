#!/usr/bin/env python3
"""Times one engine on a stream of texts: {"seconds": fastest of the passes, "texts", "tokens"} as JSON.

    peers_workload.py ENGINE PREFIX THREADS TEXTS MAX_LENGTH sorted|as-they-come PASSES

The texts are embedded 32 a batch, padded to the batch's longest: sorted by length, or as they come.
A batch that is as long as any in the file goes first and does not count.
Tokenizing, mean pooling and normalizing count, opening does not. bench_workloads.py calls this.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from peers_engine import OPENERS

BATCH = 32


def embed(run, tokenizer, texts, longest_first):
    encoded = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    order = range(len(texts))
    if longest_first:
        order = sorted(order, key=lambda i: -len(encoded[i]))
    rows = [None] * len(texts)
    for first in range(0, len(order), BATCH):
        batch = order[first:first + BATCH]
        length = max(len(encoded[i]) for i in batch)
        ids = np.zeros((len(batch), length), np.int64)
        mask = np.zeros_like(ids)
        for row, i in enumerate(batch):
            ids[row, :len(encoded[i])] = encoded[i]
            mask[row, :len(encoded[i])] = 1
        hidden = np.asarray(run(ids, mask))
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        for row, i in enumerate(batch):
            rows[i] = pooled[row] / np.linalg.norm(pooled[row])
    return np.stack(rows), sum(map(len, encoded))


def main():
    engine, prefix, threads, file, max_length, order, passes = sys.argv[1:]
    library, kind = engine.split("-")
    run = OPENERS[library](kind, prefix, int(threads))
    tokenizer = Tokenizer.from_file(str(Path(prefix) / "tokenizer.json"))
    tokenizer.enable_truncation(int(max_length))
    tokenizer.no_padding()
    texts = Path(file).read_text().splitlines()
    embed(run, tokenizer, sorted(texts, key=len)[-BATCH:], False)
    seconds = []
    for _ in range(int(passes)):
        start = time.perf_counter()
        rows, tokens = embed(run, tokenizer, texts, order == "sorted")
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(seconds), "texts": len(rows), "tokens": tokens}))


if __name__ == "__main__":
    main()
