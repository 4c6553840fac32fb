#!/usr/bin/env python3
"""Writes checkpoints by torch.save() to tests/golden/data, good ones and ones to be refused.

    scripts/make_torch_golden.py [OUTPUT_DIR]

torch/ has small files for tests/unit/test_torch_file.c; tiny/bert-torch-sharded is
tiny/bert-old-names in two shards with an index. Needs torch and safetensors.
"""
import collections
import json
import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parent.parent


def good():
    table = torch.arange(12.0).reshape(3, 4)
    state = torch.nn.LayerNorm(2).state_dict()  # an OrderedDict with _metadata
    state["table"] = table
    state["row"] = table[1]
    state["transposed"] = table.t()
    state["columns"] = table[:, 1:3]
    state["half"] = torch.tensor([0.5, -2.0]).half()
    state["bfloat"] = torch.tensor([1.5, -4.0]).bfloat16()
    state["double"] = torch.tensor([0.25]).double()
    state["position_ids"] = torch.arange(3)[None]
    state["parameter"] = torch.nn.Parameter(torch.tensor([7.0]))
    state["scalar"] = torch.tensor(3.0)
    state["empty"] = torch.zeros(0, 5)
    state["cube"] = torch.arange(8.0).reshape(2, 2, 2).permute(2, 0, 1)
    state["epoch"] = 17
    state["loss"] = [0.5, None, -70000, 2**40, {"a": (1, 2, 3, 4)}]
    return state


class Call:
    """Pickles as a call of whatever is given."""

    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


def rewrite(source, target, change, compression=zipfile.ZIP_STORED):
    """Copies an archive entry by entry; change(name, bytes) gives the new bytes, None to drop it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(zipfile.ZipInfo(name), data, compression)


def make_files(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.save(good(), folder / "good.bin")
    small = folder / "small.bin"
    torch.save({"w": torch.tensor([1.0, 2.0])}, small)
    torch.save({"w": Call(os.system, "touch executed")}, folder / "system.bin")
    torch.save({"w": Call(eval, "1")}, folder / "eval.bin")
    torch.save([torch.ones(1)], folder / "list.bin")
    torch.save({"state_dict": {"w": torch.ones(1)}}, folder / "nested.bin")
    torch.save({"w": torch.ones(1).expand(1000)}, folder / "expanded.bin")
    torch.save({"w": torch.ones(1)}, folder / "protocol.bin", pickle_protocol=4)
    torch.save({"w": torch.ones(1)}, folder / "legacy.bin", _use_new_zipfile_serialization=False)

    def only(wanted, replace):
        return lambda name, data: replace(data) if name.endswith(wanted) else data

    rewrite(small, folder / "compressed.bin", lambda name, data: data, zipfile.ZIP_DEFLATED)
    rewrite(small, folder / "big-endian.bin", only("byteorder", lambda data: b"big"))
    rewrite(small, folder / "no-storage.bin", only("data/0", lambda data: None))
    rewrite(small, folder / "short-storage.bin", only("data/0", lambda data: data[:5]))
    rewrite(small, folder / "no-pickle.bin", only("data.pkl", lambda data: None))
    rewrite(small, folder / "obj.bin", only("data.pkl", lambda data: b"\x80\x02(o."))
    rewrite(small, folder / "after.bin", only("data.pkl", lambda data: data + b"x"))
    rewrite(small, folder / "long.bin",
            only("data.pkl", lambda data: b"\x80\x02" + pickle.LONG1 + b"\x09" + b"\x01" * 9 + b"."))


def make_shards(source, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        shutil.copy(source / name, folder)
    tensors = sorted(load_file(source / "model.safetensors").items())
    names = [f"pytorch_model-0000{i + 1}-of-00002.bin" for i in range(2)]
    parts = [tensors[::2], tensors[1::2]]
    for name, part in zip(names, parts):
        torch.save(collections.OrderedDict(part), folder / name)
    index = {"weight_map": {key: name for name, part in zip(names, parts) for key, _ in part}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    default = ROOT / "tests" / "golden" / "data"
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    make_files(output / "torch")
    make_shards(default / "tiny" / "bert-old-names", output / "tiny" / "bert-torch-sharded")


if __name__ == "__main__":
    main()
