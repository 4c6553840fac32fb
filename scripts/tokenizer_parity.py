#!/usr/bin/env python3
"""Compares bertrun's tokenizer with the PyPI package `tokenizers`: ids, offsets, word ids, type ids,
special masks and windows, on every code point, on real texts, and on random strings and options.

    scripts/tokenizer_parity.py --library build/engine/libbertrun.so --shared ../shared --random 50000

Random strings go through each vocabulary twice, with lower-casing as it comes and the other way.
Prints a line for each check and exits with 1 if anything differs.
"""
import argparse
import ctypes as c
import itertools
import json
import os
import random
import sys
import tempfile

from tokenizers import Tokenizer

VOCABULARIES = ["bert-base-uncased", "bert-base-cased", "bert-base-chinese",
                "bert-base-multilingual-cased"]
TEXTS = ["wikitext2-test.txt", "wikitext2-valid.txt", "multilingual.txt", "stsb.tsv",
         "clinc150-train.tsv", "clinc150-test.tsv", "sst2-calibration.tsv", "sst2-test.tsv",
         "wnut17-test.conll"]
TRUNCATIONS = ["longest_first", "only_first", "only_second"]


# ------------------------------------------------------------------- the library, as in bertrun.h
class Error(c.Structure):
    _fields_ = [("message", c.c_char * 512), ("input", c.c_size_t)]


class Input(c.Structure):
    _fields_ = [("text", c.c_char_p), ("length", c.c_size_t), ("pair", c.c_char_p),
                ("pair_length", c.c_size_t), ("ids", c.c_void_p), ("num_ids", c.c_size_t),
                ("type_ids", c.c_void_p)]


class Options(c.Structure):
    _fields_ = [("max_length", c.c_size_t), ("truncation", c.c_int), ("truncate_left", c.c_bool),
                ("truncate_middle", c.c_bool), ("overflow", c.c_bool), ("stride", c.c_size_t),
                ("no_special", c.c_bool), ("offsets", c.c_bool), ("reserved", c.c_uint64 * 4)]


class Span(c.Structure):
    _fields_ = [("byte_begin", c.c_size_t), ("byte_end", c.c_size_t), ("char_begin", c.c_size_t),
                ("char_end", c.c_size_t)]


class Tokens(c.Structure):
    _fields_ = [("count", c.c_size_t), ("ids", c.POINTER(c.c_int32)),
                ("type_ids", c.POINTER(c.c_uint8)), ("spans", c.POINTER(Span)),
                ("word_ids", c.POINTER(c.c_int32)), ("special_mask", c.POINTER(c.c_uint8)),
                ("num_windows", c.c_size_t), ("window_offsets", c.POINTER(c.c_size_t)),
                ("truncated", c.c_size_t)]


class Bertrun:
    def __init__(self, library, path):
        self.library, self.error = library, Error()
        self.tokenizer, self.encoder = c.c_void_p(), c.c_void_p()
        self.check(library.bertrun_tokenizer_open(c.byref(self.tokenizer), path.encode(),
                                                  c.byref(self.error)))
        self.check(library.bertrun_encoder_open(c.byref(self.encoder), self.tokenizer,
                                                c.byref(self.error)))

    def check(self, status):
        if status:
            raise ValueError(self.error.message.decode())

    def encode(self, text, pair=None, **options):
        """Windows as lists of (id, type id, character span, byte span, word id, special)."""
        inputs = Input(text, len(text), pair, len(pair or b""))
        options, out = Options(**options), Tokens()
        self.check(self.library.bertrun_tokenizer_encode(
            self.encoder, c.byref(inputs), c.byref(options), c.byref(out), c.byref(self.error)))
        if not options.offsets:
            return out.ids[:out.count]
        spans = [(s.char_begin, s.char_end, s.byte_begin, s.byte_end)
                 for s in out.spans[:out.count]]
        rows = list(zip(out.ids[:out.count], out.type_ids[:out.count], spans,
                        out.word_ids[:out.count], out.special_mask[:out.count]))
        edges = out.window_offsets[:out.num_windows + 1]
        return [rows[a:b] for a, b in zip(edges, edges[1:])]


# ----------------------------------------------------------------------------- what is compared
def replaced(text):
    return text.decode("utf-8", "replace")


def byte_offsets(text):
    """Byte offset of each code point of replaced(text), ill-formed bytes counted as they stand."""
    offsets, at, whole = [], 0, replaced(text)
    for char in whole:
        offsets.append(at)
        encoded = char.encode()
        if char != "\ufffd" or text.startswith(encoded, at):
            at += len(encoded)
        else:  # the codec tells how many bytes it gave up on
            try:
                text[at:].decode("utf-8")
            except UnicodeDecodeError as problem:
                at += problem.end - problem.start
    return offsets + [len(text)]


def reference(tokenizer, text, pair=None, special=True):
    first = tokenizer.encode(replaced(text), None if pair is None else replaced(pair),
                             add_special_tokens=special)
    places = [byte_offsets(text), byte_offsets(pair or b"")]
    windows = []
    for window in [first] + first.overflowing:
        rows = []
        columns = zip(window.ids, window.type_ids, window.offsets, window.word_ids,
                      window.special_tokens_mask, window.sequence_ids)
        for token, kind, (begin, end), word, mask, sequence in columns:
            place = places[sequence or 0]
            span = (0, 0, 0, 0) if mask else (begin, end, place[begin], place[end])
            rows.append((token, kind, span, -1 if word is None else word, mask))
        windows.append(rows)
    return windows


class Check:
    """Counts comparisons and prints the first differences."""

    def __init__(self, name):
        self.name, self.count, self.failures = name, 0, 0

    def compare(self, ours, theirs, *what):
        self.count += 1
        if ours == theirs:
            return
        self.failures += 1
        if self.failures <= 3:
            print(f"  differs: {what!r}\n    bertrun    {ours!r:.500}\n    tokenizers {theirs!r:.500}")

    def end(self):
        print(f"{'FAIL' if self.failures else 'ok'}: {self.name}: {self.count} compared, "
              f"{self.failures} differ", flush=True)
        return self.failures


def compare_text(check, ours, theirs, text):
    expected = reference(theirs, text)
    check.compare(ours.encode(text, offsets=True), expected, text)
    check.compare(ours.encode(text), [row[0] for row in expected[0]], text, "ids alone")


def every_code_point(ours, theirs, name):
    check = Check(f"{name}: every code point, alone and between letters")
    for point in itertools.chain(range(0xd800), range(0xe000, 0x110000)):
        for text in (chr(point).encode(), b"a" + chr(point).encode() + b"b"):
            compare_text(check, ours, theirs, text)
    return check.end()


def real_texts(ours, theirs, name, directory):
    check = Check(f"{name}: real texts, line by line and whole")
    for file in TEXTS:
        with open(os.path.join(directory, file), "rb") as stream:
            whole = stream.read()
        for text in whole.splitlines(keepends=True) + [whole]:
            compare_text(check, ours, theirs, text)
    return check.end()


# --------------------------------------------------------------------------------- random strings
BLOCKS = [(0x20, 0x7e)] * 6 + [
    (0, 0x1f), (0x7f, 0xa0), (0xa0, 0x24f), (0x250, 0x2ff), (0x300, 0x36f), (0x370, 0x52f),
    (0x530, 0x6ff), (0x700, 0x8ff), (0x900, 0xdff), (0xe00, 0x10ff), (0x1100, 0x11ff),
    (0x1200, 0x1cff), (0x1ab0, 0x1aff), (0x1d00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x2bff),
    (0x2c00, 0x2fff), (0x3000, 0x30ff), (0x3100, 0x33ff), (0x3400, 0x9fff), (0xa000, 0xabff),
    (0xac00, 0xd7a3), (0xe000, 0xf8ff), (0xf900, 0xfaff), (0xfb00, 0xfffd), (0x10000, 0x10fff),
    (0x11000, 0x11fff), (0x12000, 0x1bfff), (0x1d000, 0x1d7ff), (0x1e000, 0x1efff),
    (0x1f000, 0x1faff), (0x20000, 0x323af), (0xe0000, 0xe01ef), (0x100000, 0x10ffff)]
MARKS = [chr(point) for point in [
    0x300, 0x301, 0x323, 0x327, 0x334, 0x345, 0x302e, 0x302f, 0x1d165, 0x1d16d, 0x93c, 0x94d, 0xf71,
    0xf72, 0xf73, 0xf74, 0x1b44, 0xa953, 0x344, 0x340, 0x20d0, 0xfe0f, 0x200d, 0x200b, 0xad, 0xfeff,
    0x5b0, 0x64b, 0x651, 0xe38, 0xeb8, 0x3099]]
SPECIAL = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[cls]", "[MASK", "##", "##ing",
           "[unused1]"]
LONG = ["a", "й", "字", "é", "A", "Я", "ü", "0", "e\u0301"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\x0b", "\x0c", "\x1c", "\x85"]


class Strings:
    """Random strings: scripts mixed, combining marks, emoji, zero-width and control characters, long
    words, special tokens, ill-formed UTF-8."""

    def __init__(self, seed, words):
        self.random, self.words = random.Random(seed), words

    def piece(self):
        r, kind = self.random, self.random.random()
        if kind < .3:
            return r.choice(self.words)
        if kind < .38:
            return r.choice(SPECIAL)
        if kind < .42:
            return r.choice(LONG) * r.choice([33, 50, 99, 100, 101, 102])
        if kind < .54:
            return "".join(r.choice(MARKS) for _ in range(r.randint(1, 6)))
        if kind < .64:
            return r.choice(MARKS) + r.choice(self.words)
        if kind < .7:
            return r.choice(SPACES)
        low, high = r.choice(BLOCKS)
        return "".join(chr(r.randint(low, high)) for _ in range(r.randint(1, 8)))

    def next(self):
        r = self.random
        pieces = range(r.randint(1, r.choice([3, 8, 30])))
        text = "".join(self.piece() + r.choice(["", " ", "", ".", ","]) for _ in pieces)
        text = bytearray(text.encode())
        for _ in range(r.choice([0, 0, r.randint(1, 4)])):
            at = r.randrange(len(text) + 1)
            text[at:at + r.randint(0, 1)] = bytes(r.sample(range(0x80, 0x100), r.randint(0, 1)))
        return bytes(text)


def random_options(strings):
    r = strings.random
    max_length = r.choice([2, 3, 4, 5, 8, 16, 32])
    return dict(max_length=max_length, truncation=r.randrange(3), truncate_left=r.random() < .5,
                overflow=r.random() < .5, stride=r.choice([0, 0, 1, 2, 5]),
                no_special=r.random() < .2)


def try_to(function):
    try:
        return function()
    except BaseException as problem:  # a panic of the Rust library is a BaseException
        if isinstance(problem, KeyboardInterrupt):
            raise
        return None


def random_strings(ours, theirs, name, strings, count):
    check = Check(f"{name}: random strings")
    for _ in range(count):
        compare_text(check, ours, theirs, strings.next())
    return check.end()


def random_windows(ours, theirs, name, strings, count):
    """Pairs, truncation, strides. What one side refuses, the other must refuse, too; but bertrun alone
    refuses windows in which a text has no room, for which `tokenizers` gives the text uncut."""
    check = Check(f"{name}: pairs, truncation and windows")
    for _ in range(count):
        text, pair, options = strings.next(), strings.next(), random_options(strings)
        pair = pair if strings.random.random() < .6 else None
        special = 0 if options["no_special"] else 2 if pair is None else 3
        if options["max_length"] <= special + (pair is not None):
            continue
        if not options["overflow"]:
            options["stride"] = 0
        direction = "left" if options["truncate_left"] else "right"
        if try_to(lambda: theirs.enable_truncation(
                options["max_length"], stride=options["stride"], direction=direction,
                strategy=TRUNCATIONS[options["truncation"]]) or True) is None:
            continue
        expected = try_to(lambda: reference(theirs, text, pair, not options["no_special"]))
        if expected and not options["overflow"]:
            expected = expected[:1]
        found = try_to(lambda: ours.encode(text, pair, offsets=True, **options))
        check.compare(found, expected, text, pair, options)
    theirs.no_truncation()
    return check.end()


def read_words(directory):
    words = []
    for file in ("multilingual.txt", "stsb.tsv"):
        with open(os.path.join(directory, file), encoding="utf-8") as stream:
            words += stream.read().split()
    return words


def with_case_changed(directory, path):
    """Writes the tokenizer.json of `path` with the other lower-casing into the directory."""
    with open(os.path.join(path, "tokenizer.json"), encoding="utf-8") as stream:
        tokenizer = json.load(stream)
    tokenizer["normalizer"]["lowercase"] = not tokenizer["normalizer"]["lowercase"]
    with open(os.path.join(directory, "tokenizer.json"), "w", encoding="utf-8") as stream:
        json.dump(tokenizer, stream)
    return directory


def open_both(library, path):
    return Bertrun(library, path), Tokenizer.from_file(os.path.join(path, "tokenizer.json"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--library", default="build/engine/libbertrun.so")
    parser.add_argument("--shared", default="../shared")
    parser.add_argument("--random", type=int, default=50000, help="strings for each vocabulary")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", default="", help="of points,texts,random,windows")
    parser.add_argument("--vocabulary", action="append", help="of those in SHARED/vocab")
    arguments = parser.parse_args()
    library = c.CDLL(os.path.abspath(arguments.library))
    data, skip, failures = os.path.join(arguments.shared, "data"), arguments.skip.split(","), 0
    words = read_words(data)
    for name in arguments.vocabulary or VOCABULARIES:
        path = os.path.join(arguments.shared, "vocab", name)
        ours, theirs = open_both(library, path)
        strings = Strings(arguments.seed, words)
        if "texts" not in skip:
            failures += real_texts(ours, theirs, name, data)
        if "points" not in skip:
            failures += every_code_point(ours, theirs, name)
        if "random" not in skip:
            half = arguments.random // 2
            failures += random_strings(ours, theirs, name, strings, arguments.random - half)
            with tempfile.TemporaryDirectory() as directory:
                other = open_both(library, with_case_changed(directory, path))
                failures += random_strings(*other, f"{name}, the other case", strings, half)
        if "windows" not in skip:
            failures += random_windows(ours, theirs, name, strings, arguments.random // 10)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
