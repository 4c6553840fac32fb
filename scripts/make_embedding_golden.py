#!/usr/bin/env python3
"""Writes what sentence-transformers makes of embeddings' options to tests/golden/data.

    scripts/make_embedding_golden.py [OUTPUT_DIR]

tiny/bert-prompts is a model in the old layout (0_Transformer), with prompts that are not pooled;
its arrays are embeddings by each pooling, prompt and dimension. embedding-codes is what
quantize_embeddings() makes of floats. Needs torch, transformers and sentence-transformers.
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import quantize_embeddings

import make_golden

PROMPTS = {"query": "is it so: ", "passage": "man ", "none": ""}
TEXTS = ["The cat sat on the mat.", "", "playing 3 runners, unplayable",
         "The quick brown fox jumps over the lazy dog, and so on, and so on."]
POOLINGS = {"mean": "mean", "cls": "cls", "max": "max", "weighted-mean": "weightedmean",
            "last-token": "lasttoken"}


def write_json(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def make_model(folder):
    config = transformers.BertConfig(**make_golden.BERT, hidden_act="gelu")
    inner = folder / "0_Transformer"
    model = make_golden.randomize(transformers.BertModel(config, add_pooling_layer=False), 99)
    model.half().save_pretrained(inner)
    (inner / "vocab.txt").write_text("\n".join(make_golden.TINY_VOCAB) + "\n", encoding="utf8")
    write_json(inner / "tokenizer_config.json",
               {"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    write_json(inner / "sentence_bert_config.json", {"max_seq_length": 20, "do_lower_case": False})
    kinds = ["Transformer", "Pooling", "Dense", "Normalize"]
    write_json(folder / "modules.json",
               [dict(idx=i, name=str(i), path=f"{i}_{kind}",
                     type=f"sentence_transformers.models.{kind}") for i, kind in enumerate(kinds)])
    write_json(folder / "config_sentence_transformers.json",
               {"prompts": PROMPTS, "default_prompt_name": "query"})
    write_json(folder / "1_Pooling" / "config.json",
               {"word_embedding_dimension": 36, "pooling_mode_mean_tokens": False,
                "pooling_mode_weightedmean_tokens": True, "include_prompt": False})
    write_json(folder / "2_Dense" / "config.json",
               {"in_features": 36, "out_features": 24, "bias": False,
                "activation_function": "torch.nn.modules.activation.GELU"})
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(24, 36, generator=generator) * 0.2
    torch.save({"linear.weight": weight}, folder / "2_Dense" / "pytorch_model.bin")


def make_embeddings(folder):
    shutil.rmtree(folder, ignore_errors=True)
    make_model(folder)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True,
                                model_kwargs={"dtype": torch.float64}).double()

    def encode(name, **how):
        rows = [model.encode(text, convert_to_numpy=True, **how) for text in TEXTS]
        make_golden.save(folder, **{name: np.stack(rows)})

    encode("default")
    encode("query", prompt_name="query")
    encode("passage", prompt_name="passage")
    encode("own", prompt="so. ")
    encode("no-prompt", prompt="")
    encode("cut", truncate_dim=10, normalize_embeddings=True)
    for name, mode in POOLINGS.items():
        model[1].pooling_mode = mode
        encode(f"pool-{name}")
    (folder / "texts.tsv").write_text("".join(text + "\n" for text in TEXTS), encoding="utf8")


def make_codes(folder):
    generator = np.random.default_rng(5)
    values = generator.standard_normal((40, 20)).astype(np.float32)
    values[3] = 0
    values[4, :4] = [-100, 100, 1e-30, -1e-30]
    ranges = np.stack([values[8:30].min(axis=0), values[8:30].max(axis=0)])
    ranges[:, 7] = 0.25  # a dimension without a width
    codes = {name: quantize_embeddings(values, name, ranges=ranges)
             for name in ("int8", "uint8", "binary", "ubinary")}
    make_golden.save(folder, values=values, ranges=ranges,
                     f16=values.astype(np.float16).view(np.uint16), **codes)


def main():
    default = make_golden.ROOT / "tests" / "golden" / "data"
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    make_embeddings(output / "tiny" / "bert-prompts")
    make_codes(output / "embedding-codes")


if __name__ == "__main__":
    main()
