#!/usr/bin/env python3
"""Writes tests/golden/data: small models, and what transformers computes with them and with MiniLM.

    scripts/make_golden.py MINILM_DIR [OUTPUT_DIR]

Needs torch, transformers, tokenizers and safetensors; the tests do not. Expected values come from
transformers in double precision, rounded to f32, so that a test's bound is about bertrun alone.
Every one is compared with scripts/reference.py as well. tests/golden/data/README.md describes the
files; keep it in step with this program.
"""
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

import qat_demo
import reference

ROOT = Path(__file__).resolve().parent.parent
CHECK = 1e-5  # how far reference.py may be off

# ---------------------------------------------------------------------------------------- texts

TINY_VOCAB = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(".,!?-'")
              + [chr(ord("a") + i) for i in range(26)]
              + ["##" + chr(ord("a") + i) for i in range(26)]
              + "the man cat sat on mat is it not so and".split()
              + "##ing ##ed ##er un ##able play run 3".split())

TINY_TEXTS = [
    "The cat sat on the mat.",
    "",
    "A man, a play!",
    ("Is it so?", "It is not."),
    "playing 3 \u2603 runners unplayable",
    ("", "only the second"),
    "The quick brown fox jumps over the lazy dog, and so on, and so on.",
]

STATE_TEXTS = [
    "A man is playing a guitar.",
    "Someone strums an instrument.",
    "naïve café",
    "",
    "BERT reads 3.14 words!",
]

VARIED_TEXTS = [
    "a", "?", "I", "42", "...", "Hello, world!", "THE SHOUTING HEADLINE", "iPhone", "São Paulo",
    "The cat sat on the mat.", "Der schnelle braune Fuchs springt.", "Привет, как дела?",
    "東京は日本の首都です。", "今天天气很好", "서울은 한국의 수도이다", "مرحبا بالعالم", "שלום עולם",
    "ελληνικά γράμματα", "हिन्दी में एक वाक्य", "ประเทศไทย", "Zażółć gęślą jaźń", "İstanbul'da",
    "emoji \U0001f600 and \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "ﬁne ligature, full\u3000width ＡＢＣ",
    "x = y**2 + sqrt(z) / 3;", "if (a && !b) { return c[i]->next; }",
    "https://example.org/path?query=1&lang=en#top", "someone@example.com",
    "price: $1,299.99 (20% off)", "2024-02-29T12:34:56Z", "+49 (0)30 123-456", "1e-12 0x7fff",
    "don't can't won't it's", "state-of-the-art",
    "semi;colon:dash\u2014ellipsis\u2026", "“quoted” ‘text’",
    "  spaces   around  ", "a\u00a0b\u200bc", "antidisestablishmentarianism",
    "pneumonoultramicroscopicsilicovolcanoconiosis", "x" * 101, "ha " * 12,
    "[CLS] is a word here [SEP]", "two sentences. in one text.",
    "How do I reset the password of my online banking account?",
    "The committee postponed its decision on interest rates until the third quarter.",
    "A young girl in a red coat runs through the snow while her brother watches from the porch.",
    "Mitochondria convert nutrients into adenosine triphosphate, the energy currency of the cell.",
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age "
    "of foolishness, it was the epoch of belief, it was the epoch of incredulity.",
    "one two three four five six seven eight nine ten " * 8,
]

SHAPE_TEXTS = ["Good morning.", "A man is playing a guitar.",
               "The committee postponed its decision on rates.", "Why?"]


# ---------------------------------------------------------------------------------- computation

def as_pair(text):
    return (text,) if isinstance(text, str) else text


def run_transformers(model, encodings):
    """Each text alone, no padding: hidden states [layers + 1, T, H], the pooler's rows [N, H] and
    logits [N, labels], or None where the model has no such head."""
    states, poolers, logits = [], [], []
    model = model.double().eval()
    for encoding in encodings:
        inputs = {"input_ids": torch.tensor([encoding.ids]), "output_hidden_states": True}
        if model.config.model_type == "bert":
            inputs["token_type_ids"] = torch.tensor([encoding.type_ids])
        with torch.no_grad():
            output = model(**inputs)
        states.append(torch.cat(output.hidden_states).numpy())
        if output.get("pooler_output") is not None:
            poolers.append(output.pooler_output.numpy())
        if output.get("logits") is not None:
            logits.append(output.logits.numpy())
    return (np.concatenate(states, axis=1), np.concatenate(poolers) if poolers else None,
            np.concatenate(logits) if logits else None)


def split(last, lengths):
    return np.split(last, np.cumsum(lengths)[:-1])


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        kind = np.float32 if array.dtype.kind == "f" else np.int32
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array, kind))


def save_inputs(folder, texts, encodings):
    save(folder, lengths=np.array([len(e.ids) for e in encodings]),
         truncated=np.array([e.truncated for e in encodings]),
         input_ids=np.concatenate([np.array(e.ids, np.int32) for e in encodings]),
         type_ids=np.concatenate([np.array(e.type_ids, np.int32) for e in encodings]))
    if texts:
        lines = ["\t".join(as_pair(text)) + "\n" for text in texts]
        (folder / "texts.tsv").write_text("".join(lines), encoding="utf8")


def check(what, ours, theirs):
    error = np.abs(ours - theirs).max()
    print(f"  {what:32} {str(theirs.shape):18} reference.py off by {error:.1e}")
    assert error < CHECK, what


def encode(tokenizer, texts, max_length):
    """Each text's ids, type_ids, and how many tokens are cut away."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    full = [len(tokenizer.encode(*as_pair(text)).ids) for text in texts]
    tokenizer.enable_truncation(max_length)
    encodings = [tokenizer.encode(*as_pair(text)) for text in texts]
    return [SimpleNamespace(ids=e.ids, type_ids=e.type_ids, truncated=n - len(e.ids))
            for e, n in zip(encodings, full)]


# ---------------------------------------------------------------------------------- tiny models

def randomize(model, seed):
    """Weights wide enough that every part of the network matters; LayerNorms around 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        norm = "norm" in name.lower()
        center = 1.0 if norm and name.endswith("weight") else 0.0
        parameter.data = center + noise * (0.1 if norm or name.endswith("bias") else 0.2)
    return model


BERT = dict(vocab_size=len(TINY_VOCAB), hidden_size=36, num_attention_heads=3, num_hidden_layers=2,
            intermediate_size=52, max_position_embeddings=33)
DISTILBERT = dict(vocab_size=len(TINY_VOCAB), dim=36, n_heads=3, n_layers=2, hidden_dim=52,
                  max_position_embeddings=33)


def labels(names):
    names = names.split()
    return dict(id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})


def rename_tensors(folder, rename, extra):
    tensors = load_file(folder / "model.safetensors")
    tensors = {rename(name): tensor for name, tensor in tensors.items()} | extra
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def old_names(folder):
    """As Google's first checkpoints were converted: prefix, gamma and beta, and unused tensors."""
    def rename(name):
        if "LayerNorm" in name:
            name = name.replace("weight", "gamma").replace("bias", "beta")
        return "bert." + name
    rename_tensors(folder, rename, {
        "bert.embeddings.position_ids": torch.arange(33)[None],
        "cls.predictions.bias": torch.zeros(len(TINY_VOCAB)),
        "cls.predictions.transform.LayerNorm.gamma": torch.ones(36),
    })


def sentence_transformers(folder):
    """Transformer (at most 16 tokens), Pooling by [CLS], Dense with tanh, Normalize."""
    generator = torch.Generator().manual_seed(77)
    dense = {"linear.weight": torch.randn(20, 36, generator=generator) * 0.2,
             "linear.bias": torch.randn(20, generator=generator) * 0.1}
    kinds = ["Transformer", "Pooling", "Dense", "Normalize"]
    modules = [dict(idx=i, name=str(i), path=f"{i}_{kind}" if i else "",
                    type=f"sentence_transformers.models.{kind}") for i, kind in enumerate(kinds)]
    for name in ("1_Pooling", "2_Dense"):
        (folder / name).mkdir()
    files = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": 16, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.2.2"}},
        "1_Pooling/config.json": {
            "word_embedding_dimension": 36, "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False},
        "2_Dense/config.json": {
            "in_features": 36, "out_features": 20, "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh"},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    save_file(dense, folder / "2_Dense" / "model.safetensors")


TINY_MODELS = {
    # name: (class, configuration, dtype of the file, what is done to the folder)
    "bert": ("BertModel", dict(**BERT, hidden_act="gelu"), torch.float32, None),
    "bert-old-names": ("BertModel", dict(**BERT | dict(num_hidden_layers=1), hidden_act="relu",
                                         layer_norm_eps=1e-5), torch.float32, old_names),
    "bert-classifier-f16": ("BertForSequenceClassification",
                            dict(**BERT, hidden_act="gelu_new",
                                 **labels("red green blue grey pink")), torch.float16, None),
    "bert-sentence": ("BertModel", dict(**BERT, hidden_act="gelu"), torch.float32,
                      sentence_transformers),
    "distilbert-sharded": ("DistilBertModel", dict(**DISTILBERT | dict(n_layers=3),
                                                   activation="gelu"), torch.float32, None),
    "distilbert-classifier-bf16": ("DistilBertForSequenceClassification",
                                   dict(**DISTILBERT, activation="relu",
                                        problem_type="multi_label_classification",
                                        **labels("sunny rainy windy")), torch.bfloat16, None),
    "distilbert-regression": ("DistilBertForSequenceClassification",
                              dict(**DISTILBERT, activation="gelu", **labels("score")),
                              torch.float32, None),
    "bert-cross-encoder": ("BertForSequenceClassification",
                           dict(**BERT, hidden_act="gelu", **labels("relevance"),
                                sentence_transformers={
                                    "activation_fn": "torch.nn.modules.linear.Identity"}),
                           torch.float32, None),
    "bert-next-sentence": ("BertForNextSentencePrediction", dict(**BERT, hidden_act="gelu"),
                           torch.float32, None),
}


def save_tiny(folder, seed, kind, config, dtype):
    model_class = getattr(transformers, kind)
    model = randomize(model_class(model_class.config_class(**config)), seed).to(dtype)
    sharded = folder.name.endswith("sharded")
    model.save_pretrained(folder, max_shard_size="40KB" if sharded else "1GB")
    (folder / "vocab.txt").write_text("\n".join(TINY_VOCAB) + "\n", encoding="utf8")
    tokenizer_config = {"do_lower_case": True, "model_max_length": 512,
                        "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config) + "\n")
    return model


def make_tiny(folder, seed, kind, config, dtype, finish):
    model = save_tiny(folder, seed, kind, config, dtype)
    if finish:
        finish(folder)
    print(folder.name)

    ours = reference.Model(folder)
    tokenizer = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    encodings = encode(tokenizer, TINY_TEXTS, ours.max_length)
    states, pooler, logits = run_transformers(model, encodings)
    save_inputs(folder, TINY_TEXTS, encodings)
    save(folder, hidden_states=states)
    *tokens, cu_seqlens = ours.pack(TINY_TEXTS)
    our_states = ours.hidden_states(*tokens, cu_seqlens)
    check("hidden_states", our_states, states)
    save_int8(folder, ours.pack(TINY_TEXTS))

    if logits is not None:
        scores = torch.tensor(logits)
        scores = scores.sigmoid() if ours.multi_label else scores.softmax(dim=1)
        if "sentence_transformers" in ours.config:  # its activation is the identity
            save(folder, logits=logits, scores=logits)
            return check("logits", ours.logits(our_states[-1], cu_seqlens), logits)
        save(folder, logits=logits, scores=scores.numpy())
        check("logits", ours.logits(our_states[-1], cu_seqlens), logits)
        check("scores", ours.scores(ours.logits(our_states[-1], cu_seqlens)), scores.numpy())
        return
    rows = split(states[-1], [len(e.ids) for e in encodings])
    pooled = {"mean": np.stack([r.mean(axis=0) for r in rows]),
              "cls": np.stack([r[0] for r in rows]), "max": np.stack([r.max(axis=0) for r in rows])}
    if pooler is not None:
        pooled["pooler"] = pooler
    if ours.dense:
        pooled = {"embeddings": sentence_embeddings(folder, TINY_TEXTS)}
    save(folder, **pooled)
    for name, expected in pooled.items():
        how = None if name == "embeddings" else name
        check(name, ours.embeddings(our_states[-1], cu_seqlens, how), expected)


# --------------------------------------------------------------------------------- other heads

NER_TEXTS = [
    "The cat sat on the mat.",
    "Playing un-able Runners and a man",
    "",
    "n\u00e4ive \u2603 caf\u00e9 3 runners unplayable",
    "The quick brown fox jumps over the lazy dog, and so on, and so on.",
]
QUESTIONS = [
    ("Is it so?", "It is not so on the mat, the man sat."),
    ("the cat?", "The quick brown fox jumps over the lazy dog, and so on, and so on."),
    ("", "a man"),
    ("Who sat on the mat?", "The Cat sat. the cat sat."),
]
MASK_TEXTS = [
    "The [MASK] sat on the mat.",
    "[MASK] [MASK]",
    ("Is it [MASK]?", "It is not [MASK]."),
]
TAGS = "O B-cat I-cat B-man I-man"

HEADS = {
    # name: (class, configuration, dtype of the file)
    "bert-ner": ("BertForTokenClassification", dict(**BERT, hidden_act="gelu", **labels(TAGS)),
                 torch.float32),
    "distilbert-ner": ("DistilBertForTokenClassification",
                       dict(**DISTILBERT, activation="gelu", **labels(TAGS)), torch.float32),
    "bert-answer": ("BertForQuestionAnswering", dict(**BERT, hidden_act="gelu"), torch.float32),
    "distilbert-answer": ("DistilBertForQuestionAnswering",
                          dict(**DISTILBERT, activation="gelu"), torch.float32),
    "bert-mlm": ("BertForMaskedLM", dict(**BERT, hidden_act="gelu"), torch.float32),
    "bert-mlm-untied": ("BertForMaskedLM", dict(**BERT, hidden_act="relu",
                                                tie_word_embeddings=False), torch.float32),
    "distilbert-mlm": ("DistilBertForMaskedLM", dict(**DISTILBERT, activation="gelu"),
                       torch.float32),
    "bert-pretraining": ("BertForPreTraining", dict(**BERT, hidden_act="gelu"), torch.float32),
}


def save_rows(folder, name, rows):
    lines = ["\t".join(f"{x:.9g}" if isinstance(x, float) else str(x) for x in row) + "\n"
             for row in rows]
    (folder / name).write_text("".join(lines), encoding="utf8")


def save_lines(folder, name, texts):
    lines = ["\t".join(as_pair(text)) + "\n" for text in texts]
    (folder / name).write_text("".join(lines), encoding="utf8")


def save_entities(folder, model, tokenizer):
    """strategy, max_length, text, label, begin, end (code points), score; max_length 12 with
    windows that share 4 tokens."""
    rows = []
    for max_length in (33, 12):
        tokenizer.model_max_length = max_length
        for strategy in ("none", "simple", "first", "average", "max"):
            stride = {"stride": 4} if max_length == 12 else {}
            if stride and strategy == "none":
                continue
            pipe = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer,
                                         aggregation_strategy=strategy, **stride)
            for index, text in enumerate(NER_TEXTS):
                for e in pipe(text) if text else []:
                    rows.append((strategy, max_length, index, e.get("entity_group") or e["entity"],
                                 e["start"], e["end"], float(e["score"])))
    save_lines(folder, "texts.tsv", NER_TEXTS)
    save_rows(folder, "entities.tsv", rows)


def save_fills(folder, model, tokenizer):
    """text, token index of the mask, id, score; the three best."""
    rows = []
    for index, text in enumerate(MASK_TEXTS):
        inputs = tokenizer(*as_pair(text), return_tensors="pt")
        if model.config.model_type != "bert":
            inputs.pop("token_type_ids", None)
        with torch.no_grad():
            output = model(**inputs)
        logits = output.prediction_logits if "prediction_logits" in output else output.logits
        for at in (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist():
            values, ids = logits[0, at].softmax(0).topk(3)
            rows += [(index, at, i, float(v)) for v, i in zip(values.tolist(), ids.tolist())]
    save_lines(folder, "texts.tsv", MASK_TEXTS)
    save_rows(folder, "fills.tsv", rows)


def make_head(folder, seed, kind, config, dtype):
    """A model whose results are lists: what transformers makes of texts, the pipeline's
    post-processing included, and int8 logits by reference.py."""
    model = save_tiny(folder, seed, kind, config, dtype).double().eval()
    print(folder.name)
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    texts = NER_TEXTS
    if "ner" in folder.name:
        save_entities(folder, model, tokenizer)
    elif "answer" in folder.name:
        save_lines(folder, "texts.tsv", QUESTIONS)  # make_answer_golden.py makes the answers
        texts = QUESTIONS
    else:
        save_fills(folder, model, tokenizer)
        texts = MASK_TEXTS
    ours = reference.Model(folder)
    packed = ours.pack(texts)
    last = ours.hidden_states(*packed)[-1]
    encodings = [SimpleNamespace(ids=packed[0][a:b].tolist(), type_ids=packed[1][a:b].tolist())
                 for a, b in zip(packed[2], packed[2][1:])]
    logits, relations = [], []
    for e in encodings:
        inputs = {"input_ids": torch.tensor([e.ids])}
        if model.config.model_type == "bert":
            inputs["token_type_ids"] = torch.tensor([e.type_ids])
        with torch.no_grad():
            output = model(**inputs)
        if "seq_relationship_logits" in output:
            relations.append(output.seq_relationship_logits[0].numpy())
        if "start_logits" in output:
            logits.append(torch.stack([output.start_logits[0], output.end_logits[0]], 1).numpy())
        elif "prediction_logits" in output:
            logits.append(output.prediction_logits[0].numpy())
        else:
            logits.append(output.logits[0].numpy())
    logits = np.concatenate(logits)
    check("logits", ours.token_logits(last), logits)
    if relations:
        save(folder, relation_logits=np.stack(relations))
    if "ner" in folder.name:
        int8 = reference.Model(folder, "int8", "token")
        save(folder, token_logits=logits,
             int8_token=int8.token_logits(int8.hidden_states(*packed)[-1]))


def save_int8(folder, packed):
    """transformers has nothing to compare int8 with: reference.py says what its results are."""
    every = folder.name in ("bert", "distilbert-classifier-bf16")
    for activations in reference.ACTIVATION_MODES if every else ("token", "batch"):
        model = reference.Model(folder, "int8", activations)
        last = model.hidden_states(*packed)[-1]
        head = model.logits if model.classifies else model.embeddings
        save(folder, **{f"int8_{activations}_state": last,
                        f"int8_{activations}": head(last, packed[2])})
    stored = reference.Model(folder, "int8", "token", int8_words=True)
    save(folder, int8_stored_state=stored.hidden_states(*packed)[-1])


def make_fake_quant(number):
    """Parameters of many kinds: 8 and 7 bits, s8 inputs, weights with one scale or one a channel."""
    input_kinds = (dict(quant_min=0, quant_max=255, dtype=torch.quint8),
                   dict(quant_min=0, quant_max=127, dtype=torch.quint8),
                   dict(quant_min=-127, quant_max=127, dtype=torch.qint8,
                        qscheme=torch.per_tensor_symmetric))
    input_fake_quant = qat_demo.FusedMovingAvgObsFakeQuantize.with_args(
        observer=qat_demo.MovingAverageMinMaxObserver, **input_kinds[number % 3])
    per_tensor = qat_demo.FusedMovingAvgObsFakeQuantize.with_args(
        observer=qat_demo.MovingAverageMinMaxObserver, quant_min=-127, quant_max=127,
        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)
    return input_fake_quant, qat_demo.WEIGHT if number % 4 else per_tensor


def make_qat(folder, seed):
    """A classifier with fake quantization, whose observers have seen some of the texts only, so that
    others saturate: hidden states and logits as PyTorch computes them."""
    print(folder.name)
    config = transformers.DistilBertConfig(**DISTILBERT, activation="gelu",
                                           architectures=["DistilBertForSequenceClassification"],
                                           **labels("red green blue"))
    model = randomize(transformers.DistilBertForSequenceClassification(config), seed)
    numbers = iter(range(100))
    qat_demo.prepare(model, lambda _, linear: qat_demo.FakeQuantLinear(
        linear, *make_fake_quant(next(numbers))))
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(TINY_VOCAB) + "\n", encoding="utf8")
    tokenizer = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    encodings = encode(tokenizer, TINY_TEXTS, 33)
    model.eval()
    with torch.no_grad():
        for encoding in encodings[:3]:
            model(torch.tensor([encoding.ids]))
    model.apply(qat_demo.disable_observer)
    qat_demo.export(model, folder)
    states, logits = [], []
    with torch.no_grad():
        for encoding in encodings:
            output = model(torch.tensor([encoding.ids]), output_hidden_states=True)
            states.append(torch.cat(output.hidden_states).numpy())
            logits.append(output.logits.numpy())
    save_inputs(folder, TINY_TEXTS, encodings)
    save(folder, hidden_states=np.concatenate(states, axis=1), logits=np.concatenate(logits))


def sentence_embeddings(folder, texts):
    """What sentence-transformers itself makes of the folder. Pairs stay pairs."""
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True).double()
    with torch.no_grad():
        return model.encode(texts, batch_size=1, convert_to_numpy=True)


# -------------------------------------------------------------------------------- all-MiniLM-L6

def make_minilm(directory, output):
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    model = transformers.BertModel.from_pretrained(directory)
    ours = reference.Model(directory)
    for name, texts in (("minilm-states", STATE_TEXTS), ("minilm-varied", VARIED_TEXTS)):
        print(name)
        folder = output / name
        encodings = encode(tokenizer, texts, ours.max_length)
        states, _, _ = run_transformers(model, encodings)
        save_inputs(folder, texts, encodings)
        rows = split(states[-1], [len(e.ids) for e in encodings])
        mean = np.stack([r.mean(axis=0) for r in rows])
        embeddings = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        packed = ours.pack(texts)
        our_states = ours.hidden_states(*packed)
        check("hidden_states", our_states, states)
        check("embeddings", ours.embeddings(our_states[-1], packed[2]), embeddings)
        if texts is STATE_TEXTS:
            save(folder, hidden_states=states)
        else:
            save(folder, last_state=states[-1])
        save(folder, embeddings=embeddings)


# ------------------------------------------------------------------- full shapes, hashed weights

def hash_weights(name, shape):
    """The weights of tests/golden/hash_weights.h, which explains them; the same bits."""
    seed = 0xCBF29CE484222325  # FNV-1a, 64 bits
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    count = int(np.prod(shape))
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)  # splitmix64
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    value = ((z >> np.uint64(40)).astype(np.int32) - (1 << 23)).astype(np.float32)
    value *= np.float32(2.0**-27)
    if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
        value += np.float32(1)
    return torch.from_numpy(value.reshape(shape))


def make_shape(output, name, model, encodings):
    """Last hidden state of all texts, every state of the first."""
    print(name)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(hash_weights(key, tuple(parameter.shape)))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        (Path(folder) / "vocab.txt").write_text("[PAD]\n")
        ours = reference.Model(folder)
    states, pooler, _ = run_transformers(model, encodings)
    lengths = [len(e.ids) for e in encodings]
    cu_seqlens = np.cumsum([0] + lengths)
    our_states = ours.hidden_states(np.concatenate([e.ids for e in encodings]),
                                    np.concatenate([e.type_ids for e in encodings]), cu_seqlens)
    check("hidden_states", our_states, states)
    save_inputs(output / name, None, encodings)
    save(output / name, first_states=states[:, :lengths[0]], last_state=states[-1])
    if pooler is not None:
        check("pooler", ours.pooler(our_states[-1], cu_seqlens), pooler)
        save(output / name, pooler=pooler)


def make_shapes(directory, output):
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    encodings = encode(tokenizer, SHAPE_TEXTS, 512)
    distilbert = transformers.DistilBertModel(transformers.DistilBertConfig())
    make_shape(output, "distilbert-shape", distilbert, encodings)
    del distilbert
    make_shape(output, "bert-shape", transformers.BertModel(transformers.BertConfig()), encodings)


def main():
    minilm = Path(sys.argv[1])
    output = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "tests" / "golden" / "data"
    for seed, (name, recipe) in enumerate(TINY_MODELS.items()):
        folder = output / "tiny" / name
        shutil.rmtree(folder, ignore_errors=True)
        make_tiny(folder, seed, *recipe)
    for seed, (name, recipe) in enumerate(HEADS.items(), start=100):
        folder = output / "tiny" / name
        shutil.rmtree(folder, ignore_errors=True)
        make_head(folder, seed, *recipe)
    shutil.rmtree(output / "tiny" / "distilbert-qat", ignore_errors=True)
    make_qat(output / "tiny" / "distilbert-qat", 7)
    make_minilm(minilm, output)
    make_shapes(minilm, output)


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    main()
