#!/usr/bin/env python3
"""BERT and DistilBERT in numpy: the executable twin of bertrun's forward pass.

    scripts/reference.py DIR "A man is playing a guitar." "Someone strums an instrument."
    scripts/reference.py DIR --precision int8 --activations batch --pair "one<TAB>other"

DIR is a Hugging Face directory. One JSON object a text goes to standard output: the embedding, or
logits and scores where the model has a classifier. docs/MODEL.md tells the same in words, with the
same names. This is written to be read and to be compared with; it needs nothing but numpy.

Shapes: T token rows of all texts one after another (no padding), H hidden_size,
I intermediate_size, A num_attention_heads, D = H / A, N texts.
"""
import argparse
import json
import math
import re
import unicodedata
from pathlib import Path

import numpy as np

f32 = np.float32


# ---------------------------------------------------------------------------------------- files

def read_json(path, default=None):
    return json.loads(path.read_text(encoding="utf8")) if path.exists() else default


NUMPY_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_safetensors(path):
    """Every floating-point tensor of one file, widened to f32. {name: array}"""
    raw = path.read_bytes()
    body = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:body])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (body + offset for offset in entry["data_offsets"])
        data = np.frombuffer(raw[begin:end], NUMPY_DTYPES.get(entry["dtype"], np.uint8))
        if entry["dtype"] == "BF16":  # the upper half of an f32
            data = (data.astype(np.uint32) << 16).view(f32)
        elif entry["dtype"] not in NUMPY_DTYPES:  # position_ids and the like
            continue
        tensors[name] = data.astype(f32).reshape(entry["shape"])
    return tensors


# DistilBERT's names for the parts that BERT has too.
DISTILBERT_NAMES = [
    ("transformer.layer.", "encoder.layer."),
    ("attention.q_lin", "attention.self.query"),
    ("attention.k_lin", "attention.self.key"),
    ("attention.v_lin", "attention.self.value"),
    ("attention.out_lin", "attention.output.dense"),
    ("sa_layer_norm", "attention.output.LayerNorm"),
    ("ffn.lin1", "intermediate.dense"),
    ("ffn.lin2", "output.dense"),
    ("output_layer_norm", "output.LayerNorm"),
]


def canonical_name(name):
    """A tensor's name as transformers' BertModel has it, whichever way the file spells it."""
    for prefix in ("bert.", "distilbert."):
        name = name.removeprefix(prefix)
    for theirs, ours in DISTILBERT_NAMES:
        name = name.replace(theirs, ours)
    return name.replace(".gamma", ".weight").replace(".beta", ".bias")


def read_weights(directory):
    index = read_json(directory / "model.safetensors.index.json")
    files = sorted(set(index["weight_map"].values())) if index else ["model.safetensors"]
    weights = {}
    for file in files:
        for name, tensor in read_safetensors(directory / file).items():
            weights[canonical_name(name)] = tensor
    return weights


# ------------------------------------------------------------------------------------ tokenizer

def is_punctuation(c):
    symbol = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
    return symbol or unicodedata.category(c).startswith("P")


def is_cjk(c):
    ranges = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
              (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
    return any(low <= ord(c) <= high for low, high in ranges)


class Tokenizer:
    """BERT's basic tokenizer and WordPiece, longest match first (Devlin et al. 2018)."""

    def __init__(self, directory):
        vocab = directory / "vocab.txt"
        if vocab.exists():
            lines = vocab.read_text(encoding="utf8").rstrip("\n").split("\n")
            self.ids = {token: i for i, token in enumerate(lines)}
        else:
            self.ids = read_json(directory / "tokenizer.json")["model"]["vocab"]
        config = read_json(directory / "tokenizer_config.json", {})
        self.lower = config.get("do_lower_case", True)
        strip = config.get("strip_accents")
        self.strip_accents = self.lower if strip is None else strip
        self.max_length = min(config.get("model_max_length") or 10**9, 10**9)

    def normalize(self, text):
        kept = []
        for c in text:
            if c in "\t\n\r" or unicodedata.category(c) == "Zs":
                kept.append(" ")
            elif c not in "\0\ufffd" and not unicodedata.category(c).startswith("C"):
                kept.append(f" {c} " if is_cjk(c) else c)
        text = "".join(kept)
        if self.strip_accents:
            text = "".join(c for c in unicodedata.normalize("NFD", text)
                           if unicodedata.category(c) != "Mn")
        return text.lower() if self.lower else text

    def words(self, text):
        words = []
        for i, part in enumerate(re.split(r"(\[(?:PAD|UNK|CLS|SEP|MASK)\])", text)):
            if i % 2:  # a special token in the text keeps its meaning
                words.append(part)
            else:
                words += "".join(f" {c} " if is_punctuation(c) else c
                                 for c in self.normalize(part)).split()
        return words

    def pieces(self, word):
        ids, begin = [], 0
        while begin < len(word) <= 100:
            for end in range(len(word), begin, -1):
                piece = ("##" if begin else "") + word[begin:end]
                if piece in self.ids:
                    break
            else:
                return [self.ids["[UNK]"]]
            ids.append(self.ids[piece])
            begin = end
        return ids or [self.ids["[UNK]"]]

    def encode(self, text, pair=None, max_length=512):
        """Ids and token-type ids of [CLS] text [SEP], or of [CLS] text [SEP] pair [SEP]."""
        cls, sep = [self.ids["[CLS]"]], [self.ids["[SEP]"]]
        first = [i for word in self.words(text) for i in self.pieces(word)]
        if pair is None:
            ids = cls + first[:max_length - 2] + sep
            return ids, [0] * len(ids)
        second = [i for word in self.words(pair) for i in self.pieces(word)]
        room = max_length - 3
        if len(first) + len(second) > room:  # the longer one is cut first
            shorter = min(len(first), len(second), room // 2)
            longer = room - shorter
            swap = len(first) > len(second)
            first, second = first[:longer if swap else shorter], second[:shorter if swap else longer]
        first, second = cls + first + sep, second + sep
        return first + second, [0] * len(first) + [1] * len(second)


# --------------------------------------------------------------------------------- quantization

ACTIVATION_MODES = ["token", "token-symmetric", "batch", "batch-symmetric", "pytorch"]


def quantize_weight(weight, per_tensor=False):
    """Symmetric s8: W ~ scale * q, scale [out, 1] per output channel, or [1, 1], as in PyTorch."""
    if per_tensor:
        scale = np.maximum(np.abs(weight).max(keepdims=True) / f32(127.5), f32(2**-23))
        return np.clip(np.rint(weight * (1 / scale)), -128, 127), scale
    scale = np.abs(weight).max(axis=1, keepdims=True) / f32(127)
    return np.rint(weight / np.where(scale > 0, scale, f32(1))), scale


def choose_pytorch(lo, hi):
    """PyTorch's parameters for quantized::linear_dynamic: 7 bits, 0 exactly representable."""
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    scale = (hi - lo) / 127 or 0.1
    return f32(scale), f32(np.rint(-lo / scale))


def quantize_activations(x, mode):
    """x ~ scale * q + lo, q 0..255, with scale and lo [rows, 1] per token, or [1, 1] per batch."""
    axis = 1 if mode.startswith("token") else None
    lo, hi = x.min(axis=axis, keepdims=True), x.max(axis=axis, keepdims=True)
    if mode in ("token", "batch"):
        width = hi - lo
        factor = np.divide(f32(255), width, where=width > 0, out=np.zeros_like(width))
        return np.clip(np.rint((x - lo) * factor), 0, 255), width / f32(255), lo
    if mode == "pytorch":
        scale, zero_point = choose_pytorch(lo[0, 0], hi[0, 0])
        least = 0
    else:
        scale, zero_point, least = np.maximum(-lo, hi) / f32(127), f32(128), 1
    inverse = np.divide(f32(1), scale, where=scale > 0, out=np.zeros_like(scale))
    q = np.clip(np.rint(x * inverse) + zero_point, least, 255)
    return q, scale, -scale * zero_point


class Linear:
    """y = x W^T + b, x [rows, in], W [out, in], b [out], in f32 or with both sides quantized."""

    def __init__(self, weight, bias, precision="f32", activations="token"):
        self.weight, self.bias = weight, f32(0) if bias is None else bias
        self.int8, self.activations = precision == "int8", activations
        if self.int8:
            self.q, self.scale = quantize_weight(weight, activations == "pytorch")
            self.q = self.q.astype(np.float64)
            self.offset = self.scale[:, 0] * self.q.sum(axis=1).astype(f32)

    def __call__(self, x):
        if not self.int8:
            return x @ self.weight.T + self.bias
        q, scale, lo = quantize_activations(x, self.activations)
        acc = (q.astype(np.float64) @ self.q.T).astype(f32)  # u8 x s8 sums; doubles hold them exactly
        return scale * acc * self.scale.T + (lo * self.offset + self.bias)


# ---------------------------------------------------------------------------------- the network

erf = np.vectorize(math.erf, otypes=[np.float64])

ACTIVATIONS = {
    "gelu": lambda x: (x * 0.5 * (1 + erf(x * math.sqrt(0.5)))).astype(f32),
    "gelu_new": lambda x: x * f32(0.5) * (1 + np.tanh(f32(math.sqrt(2 / math.pi))
                                                     * (x + f32(0.044715) * x * x * x))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "identity": lambda x: x,
}


def layer_norm(x, weight, bias, eps):
    """Ba et al. 2016, over the last axis; variance without Bessel's correction."""
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = (centered * centered).mean(axis=-1, keepdims=True)
    return centered / np.sqrt(variance + f32(eps)) * weight + bias


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Model:
    """A Hugging Face directory. precision: what the linear layers compute in; activations: how int8
    ones get their scales; int8_words: word embeddings as `bertrun convert --dtype int8` stores them.
    """

    def __init__(self, directory, precision="f32", activations="token", int8_words=False):
        self.directory = Path(directory)
        self.config = read_json(self.directory / "config.json")
        self.weights = read_weights(self.directory)
        self.tokenizer = Tokenizer(self.directory)
        self.scheme = precision, activations
        self.linears = {}
        self.read_config()
        self.read_modules()
        if int8_words:  # a row of the word embeddings is quantized like a weight's channel
            q, scale = quantize_weight(self.weights["embeddings.word_embeddings.weight"])
            self.weights["embeddings.word_embeddings.weight"] = (q * scale).astype(f32)

    def read_config(self):
        c = self.config
        distilbert = c["model_type"] == "distilbert"
        self.distilbert = distilbert
        self.architecture = c["architectures"][0]
        self.layers = c["n_layers" if distilbert else "num_hidden_layers"]
        self.heads = c["n_heads" if distilbert else "num_attention_heads"]
        self.activation = ACTIVATIONS[c["activation" if distilbert else "hidden_act"]]
        self.eps = 1e-12 if distilbert else c.get("layer_norm_eps", 1e-12)
        labels = c.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
        self.labels = [labels[str(i)] for i in range(len(labels))]
        self.classifies = self.architecture.endswith(("ForSequenceClassification",
                                                      "ForNextSentencePrediction"))
        self.multi_label = (c.get("problem_type") == "multi_label_classification"
                            or len(self.labels) == 1)
        sentence = read_json(self.directory / "sentence_bert_config.json", {})
        self.max_length = min(sentence.get("max_seq_length") or self.tokenizer.max_length,
                              c["max_position_embeddings"])

    def read_modules(self):
        """What sentence-transformers puts after the encoder: Pooling, Dense ..., Normalize."""
        self.pooling, self.dense, self.normalize = "mean", [], False
        for module in read_json(self.directory / "modules.json", []):
            kind = module["type"].rpartition(".")[2]
            folder = self.directory / module["path"]
            if kind == "Pooling":
                modes = read_json(folder / "config.json")
                keys = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max"}
                self.pooling = next(ours for theirs, ours in keys.items()
                                    if modes.get("pooling_mode_" + theirs))
            elif kind == "Dense":
                config = read_json(folder / "config.json")
                tensors = read_safetensors(folder / "model.safetensors")
                activation = config["activation_function"].rpartition(".")[2].lower()
                self.dense.append((Linear(tensors["linear.weight"], tensors.get("linear.bias"),
                                          *self.scheme), ACTIVATIONS[activation]))
            elif kind == "Normalize":
                self.normalize = True

    def linear(self, name, x):
        if name not in self.linears:
            self.linears[name] = Linear(self.weights[name + ".weight"],
                                        self.weights[name + ".bias"], *self.scheme)
        return self.linears[name](x)

    def norm(self, name, x):
        return layer_norm(x, self.weights[name + ".weight"], self.weights[name + ".bias"], self.eps)

    def embed_tokens(self, ids, type_ids, cu_seqlens):
        """LayerNorm(word + position + token type), ids [T] -> [T, H]; positions count from 0 in
        every text. DistilBERT has no token types."""
        positions = np.concatenate([np.arange(end - begin) for begin, end
                                    in zip(cu_seqlens, cu_seqlens[1:])])
        x = (self.weights["embeddings.word_embeddings.weight"][ids]
             + self.weights["embeddings.position_embeddings.weight"][positions])
        if not self.distilbert:
            x = x + self.weights["embeddings.token_type_embeddings.weight"][type_ids]
        return self.norm("embeddings.LayerNorm", x)

    def attention(self, layer, x, cu_seqlens):
        """Multi-head self-attention (Vaswani et al. 2017), x [T, H] -> [T, H]; the only step that
        looks from one token at another, and only inside its own text."""
        q, k, v = (self.linear(f"{layer}.attention.self.{which}", x)
                   .reshape(len(x), self.heads, -1).transpose(1, 0, 2)  # [A, T, D]
                   for which in ("query", "key", "value"))
        out = np.empty_like(q)
        for begin, end in zip(cu_seqlens, cu_seqlens[1:]):
            rows = slice(begin, end)
            scores = q[:, rows] @ k[:, rows].transpose(0, 2, 1) / f32(math.sqrt(q.shape[2]))
            out[:, rows] = softmax(scores) @ v[:, rows]  # scores [A, length, length]
        context = out.transpose(1, 0, 2).reshape(x.shape)
        return self.linear(f"{layer}.attention.output.dense", context)

    def encode(self, layer, x, cu_seqlens):
        """One encoder layer, post-norm as in the first Transformer: [T, H] -> [T, H]."""
        x = self.norm(f"{layer}.attention.output.LayerNorm",
                      self.attention(layer, x, cu_seqlens) + x)
        inner = self.activation(self.linear(f"{layer}.intermediate.dense", x))  # [T, I]
        return self.norm(f"{layer}.output.LayerNorm",
                         self.linear(f"{layer}.output.dense", inner) + x)

    def hidden_states(self, ids, type_ids, cu_seqlens):
        """The embedding layer's output and that of every encoder layer: [layers + 1, T, H]."""
        states = [self.embed_tokens(ids, type_ids, cu_seqlens)]
        for i in range(self.layers):
            states.append(self.encode(f"encoder.layer.{i}", states[-1], cu_seqlens))
        return np.stack(states)

    def pooler(self, last, cu_seqlens):
        return np.tanh(self.linear("pooler.dense", last[cu_seqlens[:-1]]))

    def pool(self, last, cu_seqlens, pooling=None):
        """last [T, H] -> [N, H]"""
        pooling = pooling or self.pooling
        if pooling == "pooler":
            return self.pooler(last, cu_seqlens)
        if pooling == "cls":
            return last[cu_seqlens[:-1]]
        rows = [last[begin:end] for begin, end in zip(cu_seqlens, cu_seqlens[1:])]
        return np.stack([r.mean(axis=0) if pooling == "mean" else r.max(axis=0) for r in rows])

    def embeddings(self, last, cu_seqlens, pooling=None, normalize=None):
        x = self.pool(last, cu_seqlens, pooling)
        for linear, activation in self.dense:
            x = activation(linear(x))
        if self.normalize if normalize is None else normalize:
            x = x / np.maximum(np.sqrt((x * x).sum(axis=1, keepdims=True)), f32(1e-12))
        return x

    def logits(self, last, cu_seqlens):
        """[N, num_labels]"""
        if self.distilbert:
            x = np.maximum(self.linear("pre_classifier", last[cu_seqlens[:-1]]), 0)
        else:
            x = self.pooler(last, cu_seqlens)
        return self.linear("cls.seq_relationship" if "cls.seq_relationship.bias" in self.weights
                           else "classifier", x)

    def token_logits(self, last):
        """Token classification [T, num_labels], question answering [T, 2], or masked language
        modelling [T, V], whose decoder mostly has the word embeddings' weight."""
        for name in ("classifier", "qa_outputs"):
            if name + ".weight" in self.weights:
                return self.linear(name, last)
        names = (("vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector")
                 if self.distilbert else
                 ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                  "cls.predictions.decoder", "cls.predictions"))
        dense, norm, decoder, bias = names
        if self.config.get("tie_word_embeddings", True):
            decoder = "embeddings.word_embeddings"
        elif decoder + ".bias" in self.weights:
            bias = decoder
        x = self.norm(norm, self.activation(self.linear(dense, last)))
        return Linear(self.weights[decoder + ".weight"], self.weights[bias + ".bias"],
                      *self.scheme)(x)

    def scores(self, logits):
        return sigmoid(logits) if self.multi_label else softmax(logits)

    def pack(self, texts):
        """Texts, or pairs as tuples, to ids [T], type_ids [T], cu_seqlens [N + 1]."""
        encoded = [self.tokenizer.encode(*((text,) if isinstance(text, str) else text),
                                         max_length=self.max_length) for text in texts]
        ids, type_ids = (np.concatenate([np.array(e[i], np.int64) for e in encoded])
                         for i in range(2))
        return ids, type_ids, np.cumsum([0] + [len(e[0]) for e in encoded])


def main():
    parser = argparse.ArgumentParser(description="BERT and DistilBERT in numpy.")
    parser.add_argument("directory", metavar="DIR", help="Hugging Face model directory")
    parser.add_argument("texts", metavar="TEXT", nargs="+")
    parser.add_argument("--pair", action="store_true", help="each TEXT is two, tab-separated")
    parser.add_argument("--precision", choices=["f32", "int8"], default="f32")
    parser.add_argument("--activations", choices=ACTIVATION_MODES, default="token")
    parser.add_argument("--int8-words", action="store_true",
                        help="word embeddings as `bertrun convert --dtype int8` stores them")
    parser.add_argument("--pooling", choices=["mean", "cls", "max", "pooler"])
    arguments = parser.parse_args()

    model = Model(arguments.directory, arguments.precision, arguments.activations,
                  arguments.int8_words)
    texts = [tuple(t.split("\t", 1)) if arguments.pair else t for t in arguments.texts]
    ids, type_ids, cu_seqlens = model.pack(texts)
    last = model.hidden_states(ids, type_ids, cu_seqlens)[-1]
    if model.classifies:
        logits = model.logits(last, cu_seqlens)
        rows = [{"label": model.labels[row.argmax()], "scores": model.scores(row).tolist(),
                 "logits": row.tolist()} for row in logits]
    else:
        rows = [{"embedding": row.tolist()}
                for row in model.embeddings(last, cu_seqlens, arguments.pooling)]
    for index, row in enumerate(rows):
        tokens = int(cu_seqlens[index + 1] - cu_seqlens[index])
        print(json.dumps({"index": index, "tokens": tokens, **row}))


if __name__ == "__main__":
    main()
