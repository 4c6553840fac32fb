#!/usr/bin/env python3
"""Times what users do with bertrun, whole processes, beside the other engines where they can do it.

    scripts/bench_workloads.py --stsb stsb.tsv --output build/peers/results

  STS-B      MiniLM, the test split's sentences in the file's order, text to .npy; and the same 36 times over
  mixed      MiniLM, texts of 8 to 512 tokens in random order, 32 a batch: the first --batches of
             the 32 that 1,024 texts make, the same for all engines
  sentence   one text, the whole process, and its peak memory, MiniLM and DistilBERT-base's shape
  lengths    2,000 texts of random lengths from the first after opening on: time / median of that length
  idle       CPU time of two threads in the 200 ms after a call, the most of 20 times
  together   two processes at once against one

bertrun counts as a whole process: open, read, tokenize, compute, write. The peers count without their
start; they pad, 32 texts a batch, and sort STS-B by length, fastest of three passes. Runs of all engines
are interleaved, medians of --rounds. Models and the peers' Python are those of bench_peers.py, which
must have run before (or name them with --work and --venv). Writes OUTPUT/workloads.json, prints a
table in Markdown. Use an otherwise idle machine.
"""
import argparse
import datetime
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_peers import DYNAMIC, command_output, machine, say

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent
PEERS = [*DYNAMIC, "ov-ptq"]
PARTS = ["stsb", "mixed", "sentence", "lengths", "together"]
STSB_REPEATS = 36
BATCH = 32
SENTENCE = "A man is playing a guitar."


def stsb_sentences(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [text for row in rows if row[0] == "test" for text in row[6:8]]


def mixed_texts(vocabulary, count=1024, shortest=8, longest=512):
    """Texts of an exact number of tokens: words that are tokens by themselves, and [CLS], [SEP]."""
    words = re.findall(r"^[a-z]{3,}$", vocabulary.read_text(), re.M)
    draw = random.Random(0)
    return [" ".join(draw.choices(words, k=draw.randint(shortest, longest) - 2))
            for _ in range(count)]


def write_lines(path, texts):
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def whole_process(*command):
    """(seconds, peak resident bytes) of a command that must succeed; its output is thrown away."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if child.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {errors.decode().strip()}")
    return seconds, usage.ru_maxrss * 1024


class Bench:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.minilm, self.distilbert = options.work / "minilm", options.work / "distilbert-rand"
        for model in (self.minilm, self.distilbert):
            subprocess.run([options.bertrun, "convert", model, "-o", self.bin(model)], check=True,
                           stdout=subprocess.DEVNULL)

    def bin(self, model):
        return self.directory / f"{model.name}.bin"

    def ours(self, file, max_length=256):
        return whole_process(self.options.bertrun, "--model", self.bin(self.minilm), "--input", file,
                             "--max-length", str(max_length), "--format", "npy",
                             "-o", self.directory / "out.npy")

    def peer(self, engine, file, max_length, order, passes):
        command = [self.options.python, SCRIPTS / "peers_workload.py", engine, self.minilm, "1",
                   file, str(max_length), order, str(passes)]
        done = subprocess.run(command, capture_output=True, text=True,
                              env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["failed"])[-1])
        return json.loads(done.stdout)["seconds"]

    def stream(self, name, file, order, max_length, passes):
        """Median seconds of each engine on a file, interleaved."""
        taken = {"bertrun": []}
        failed = {}
        for number in range(self.options.rounds):
            taken["bertrun"].append(self.ours(file, max_length)[0])
            for engine in self.options.engines:
                if engine in failed:
                    continue
                try:
                    seconds = self.peer(engine, file, max_length, order, passes)
                    taken.setdefault(engine, []).append(seconds)
                except RuntimeError as error:
                    failed[engine] = str(error)
                    say(f"{name}: {engine} left out: {error}")
            say(f"{name}, round {number + 1}: " + "  ".join(
                f"{engine} {seconds[-1]:.2f}" for engine, seconds in taken.items()) + " s")
        return {engine: statistics.median(seconds) for engine, seconds in taken.items() if seconds}

    def stsb(self):
        sentences = stsb_sentences(self.options.stsb)
        once = write_lines(self.directory / "stsb.txt", sentences)
        seconds = self.stream("STS-B", once, "sorted", 256, passes=3)
        many = write_lines(self.directory / "many.txt", sentences * STSB_REPEATS)
        short, short_peak = self.ours(once)
        long, long_peak = self.ours(many)
        return {"texts": len(sentences), "seconds": seconds, "repeats": STSB_REPEATS,
                "rate_ratio": STSB_REPEATS * min(short, seconds["bertrun"]) / long,
                "peak_bytes": [short_peak, long_peak]}

    def mixed(self):
        texts = mixed_texts(self.minilm / "vocab.txt")[:BATCH * self.options.batches]
        file = write_lines(self.directory / "mixed.txt", texts)
        seconds = self.stream("mixed", file, "as-they-come", 512, passes=1)
        return {"texts": len(texts), "tokens": sum(len(text.split()) + 2 for text in texts),
                "seconds": seconds}

    def sentence(self):
        result = {}
        for model in (self.minilm, self.distilbert):
            runs = [whole_process(self.options.bertrun, "--model", self.bin(model), SENTENCE)
                    for _ in range(4 * self.options.rounds)]
            result[model.name] = {"seconds": statistics.median(run[0] for run in runs[1:]),
                                  "peak_bytes": max(run[1] for run in runs),
                                  "file_bytes": self.bin(model).stat().st_size}
        return result

    def lengths(self):
        program = self.options.bertrun.parent / "tests" / "bench" / "bench_session"
        done = subprocess.run([program, self.bin(self.minilm), "2000"], capture_output=True,
                              text=True, check=True)
        return json.loads(done.stdout)

    def rate(self, threads, copies):
        """Tokens a second of all copies of `bertrun bench` together, at 8x128."""
        command = [self.options.bertrun, "bench", "--model", self.bin(self.minilm), "--shapes",
                   "8x128", "--threads", str(threads), "--seconds", "3", "--json"]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                    for _ in range(copies)]
        reports = [json.loads(child.communicate()[0]) for child in children]
        return sum(8 * 128 / report["results"][0]["ms"]["median"] * 1e3 for report in reports)

    def together(self):
        medians = {}
        for name, threads, copies in (("one", 1, 1), ("two", 1, 2), ("one of two threads", 2, 1),
                                      ("two of two threads", 2, 2)):
            medians[name] = statistics.median(
                self.rate(threads, copies) for _ in range(self.options.rounds))
        return medians


def rows(result):
    """What, figure, bar, pass: from the measured."""
    verdicts = {True: "pass", False: "**FAIL**", None: ""}

    def row(what, value, bar="", good=None):
        return f"| {what} | {value} | {bar} | {verdicts[good]} |"

    for name, bar in (("stsb", 2), ("mixed", 2.5)):
        if name not in result:
            continue
        seconds = dict(result[name]["seconds"])
        ours = seconds.pop("bertrun")
        texts = result[name]["texts"]
        yield row(f"{name}: bertrun, whole process, {texts:,} texts",
                  f"{ours:.2f} s, {texts / ours:.0f} texts/s")
        for engine, peer in seconds.items():
            yield row(f"{name}: rate ÷ {engine} ({peer:.2f} s)", f"{peer / ours:.2f}", f"≥ {bar}",
                      peer / ours >= bar)
    if "stsb" in result:
        stsb = result["stsb"]
        yield row(f"stsb × {stsb['repeats']}: rate ÷ once's", f"{stsb['rate_ratio']:.3f}", "≥ 0.95",
                  stsb["rate_ratio"] >= 0.95)
        grown = stsb["peak_bytes"][1] - stsb["peak_bytes"][0]
        yield row(f"stsb × {stsb['repeats']}: peak memory more than once's", f"{grown / 1e6:.1f} MB",
                  "≤ 1 MB", grown <= 1e6)
    for model, bar in (("minilm", 0.040), ("distilbert-rand", 0.120)):
        if "sentence" not in result:
            break
        one = result["sentence"][model]
        most = 1.3 * one["file_bytes"] + 60e6
        yield row(f"{model}: one sentence", f"{1e3 * one['seconds']:.0f} ms", f"≤ {1e3 * bar:.0f} ms",
                  one["seconds"] <= bar)
        yield row(f"{model}: peak memory", f"{one['peak_bytes'] / 1e6:.0f} MB",
                  f"≤ {most / 1e6:.0f} MB", one["peak_bytes"] <= most)
    if "lengths" in result:
        new, idle = result["lengths"]["new_length"], result["lengths"]["idle_cpu_ms"]
        yield row("time ÷ median of that length, p99", f"{new['p99']:.2f}", "≤ 1.3",
                  new["p99"] <= 1.3)
        yield row("CPU time of two threads in 200 idle ms, the most of 20 times", f"{idle:.2f} ms", "≤ 1 ms", idle <= 1)
    if "together" in result:
        rate = result["together"]
        two, four = rate["two"] / rate["one"], rate["two of two threads"] / rate["one of two threads"]
        yield row("two processes ÷ one", f"{two:.2f}", "≥ 1.85", two >= 1.85)
        yield row("two of two threads each ÷ one", f"{four:.2f}", "≥ 0.85", four >= 0.85)


def markdown(result):
    yield (f"{result['date']}, commit {result['commit'] or '?'}, "
           f"{result['machine'].get('Model name', '?')}, one thread unless said.")
    yield "\n| what | figure | bar | |\n|---|---|---|---|"
    yield from rows(result)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peers = ROOT / "build" / "peers"
    parser.add_argument("--stsb", type=Path, help="stsb.tsv; without it STS-B is left out")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=PEERS,
                        help=f"default {','.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=6,
                        help="of mixed, default 6, which takes a slow engine half a minute; all: 32")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=PARTS,
                        help=f"default {','.join(PARTS)}")
    parser.add_argument("--bertrun", type=Path, default=ROOT / "build" / "bertrun")
    parser.add_argument("--venv", type=Path, default=peers / "venv")
    parser.add_argument("--work", type=Path, default=peers / "models")
    parser.add_argument("--output", type=Path, default=peers / "results")
    options = parser.parse_args()
    options.bertrun = options.bertrun.absolute()
    options.work = options.work.absolute()
    options.python = options.venv.absolute() / "bin" / "python"
    return options


def main():
    options = parse_arguments()
    for needed in (options.bertrun, options.python, options.work / "distilbert-rand"):
        if not needed.exists():
            sys.exit(f"{needed}: not there; build, and run scripts/bench_peers.py first")
    options.output.mkdir(parents=True, exist_ok=True)
    result = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
              "commit": command_output("git", "describe", "--always", "--dirty").strip(),
              "machine": machine()}
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(options, Path(directory))
        for part in options.parts:
            if part == "stsb" and not options.stsb:
                continue
            result[part] = getattr(bench, part)()
            (options.output / "workloads.json").write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(markdown(result)))


if __name__ == "__main__":
    main()
