#!/usr/bin/env python3
"""The LSTM word language model in numpy: the executable twin of docs/LSTM.md.

    scripts/reference_lstm.py DIR "start words of a text" [--precision int8]

Prints the five likeliest next words after each word. DIR holds config.json, model.safetensors and
vocab.txt. T time steps, C columns (texts side by side), H hidden size.
"""
import argparse
from pathlib import Path

import numpy as np

from reference import Linear, f32, quantize_weight, read_json, read_safetensors, sigmoid, softmax

OTHER_NAMES = [("embedding.", "encoder."), ("lstm.", "rnn."), ("fc.", "decoder.")]


def read_weights(directory):
    weights = {}
    for name, tensor in read_safetensors(directory / "model.safetensors").items():
        for theirs, ours in OTHER_NAMES:
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
        weights[name] = tensor
    return weights


class LanguageModel:
    def __init__(self, directory, precision="f32", int8_words=False):
        directory = Path(directory)
        config = read_json(directory / "config.json")
        weights = read_weights(directory)
        lines = (directory / "vocab.txt").read_text(encoding="utf8").rstrip("\n").split("\n")
        self.words, self.ids = lines, {word: i for i, word in enumerate(lines)}
        self.embedding = weights["encoder.weight"]
        decoder = self.embedding if config.get("tie_weights") else weights["decoder.weight"]
        if int8_words:
            q, scale = quantize_weight(self.embedding)
            self.embedding = q * scale
        self.decoder = Linear(decoder, weights["decoder.bias"], precision)
        self.layers = [
            tuple(Linear(weights[f"rnn.weight_{which}_l{k}"], weights[f"rnn.bias_{which}_l{k}"],
                         precision) for which in ("ih", "hh"))
            for k in range(config["nlayers"])]
        self.hidden_size = config["nhid"]

    def zero_state(self, columns):
        """Each layer's last output h and its cell c, [C, H]."""
        return [[np.zeros((columns, self.hidden_size), f32) for _ in range(2)]
                for _ in self.layers]

    def logits(self, ids, state):
        """ids [T, C] to logits [T, C, words]; `state` is carried on."""
        x = self.embedding[ids]
        for (from_input, from_hidden), layer_state in zip(self.layers, state):
            steps, columns, width = x.shape
            gates = from_input(x.reshape(-1, width)).reshape(steps, columns, -1)
            x = np.zeros((steps, columns, self.hidden_size), f32)
            for t in range(steps):
                h, c = layer_state
                i, f, g, o = np.split(gates[t] + from_hidden(h), 4, axis=1)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                x[t] = sigmoid(o) * np.tanh(c)
                layer_state[:] = x[t], c
        return self.decoder(x.reshape(-1, self.hidden_size)).reshape(*ids.shape, -1)


def main():
    parser = argparse.ArgumentParser(description="An LSTM language model in numpy.")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("text", metavar="TEXT")
    parser.add_argument("--precision", choices=["f32", "int8"], default="f32")
    arguments = parser.parse_args()
    model = LanguageModel(arguments.directory, arguments.precision)
    ids = [model.ids.get(word, model.ids.get("<unk>")) for word in arguments.text.split()]
    logits = model.logits(np.array(ids)[:, None], model.zero_state(1))[:, 0]
    for id, row in zip(ids, softmax(logits)):
        best = np.argsort(-row)[:5]
        print(f"{model.words[id]:16}", *(f"{model.words[b]} {row[b]:.3f}" for b in best), sep="  ")


if __name__ == "__main__":
    main()
