#!/usr/bin/env python3
"""Converts three models by every scheme, compares them on real text, and writes the tables of
README.md and docs/QUANTIZATION.md, with a line for each bar: pass or FAIL.

    scripts/quantization_tables.py                  # all steps
    scripts/quantization_tables.py quality tables   # some: files, quality, latency, peers, tables
    scripts/quantization_tables.py peers --python VENV/bin/python    # one with torch, transformers

Needs a build, BERTRUN_SHARED (models and data; default ../shared) and build/models/minilm. Models and
results stay in build/quantization: a file or quality that is there is not made again; remove it to
begin anew. Latency wants an idle machine, and is measured again each time, on fewer rows, a minute a
model. Calibration sees training text only.
"""

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("BERTRUN_SHARED", ROOT.parent / "shared")).resolve()
DATA = SHARED / "data"
BERTRUN = ROOT / "build" / "bertrun"
WORK = ROOT / "build" / "quantization"

LABELS = ["--header", "--columns", "text,label"]
TEXTS = ["--header", "--columns", "text"]
PAIRS = ["--header", "--columns", "sentence1,sentence2"]
MODELS = {
    "minilm": {
        "title": "all-MiniLM-L6-v2, STS benchmark test, 1,379 pairs",
        "model": ROOT / "build" / "models" / "minilm",
        "data": "stsb.tsv",
        "columns": [*PAIRS[:-1], "sentence1,sentence2,score", "--where", "split=test"],
        "calibration": [WORK / "minilm" / "calibration.txt"],
        "figures": [("spearman", "Spearman", 4)],
    },
    "clinc": {
        "title": "DistilBERT, CLINC150 test, 5,500 rows, 151 labels",
        "model": SHARED / "models" / "distilbert-minilm-clinc",
        "data": "clinc150-test.tsv",
        "columns": LABELS,
        "calibration": [DATA / "clinc150-train.tsv", *TEXTS],
        "figures": [("correct", "right", 0), ("macro_f1", "macro F1", 4), ("flips", "flips", 0)],
    },
    "sst2": {
        "title": "DistilBERT, SST-2, 872 rows",
        "model": SHARED / "models" / "distilbert-minilm-sst2",
        "data": "sst2-test.tsv",
        "columns": LABELS,
        "calibration": [DATA / "sst2-calibration.tsv", *TEXTS],
        "figures": [("correct", "right", 0), ("flips", "flips", 0)],
    },
}
COSINES = [("cosine_mean", "cosine: mean", 5), ("cosine_worst", "worst", 5)]
COSTS = [("latency_p50_ms", "p50 ms", 2), ("latency_p99_ms", "p99 ms", 2), ("file_mb", "disk MB", 1)]

EQUALIZED = ["--equalize", "auto"]
GPTQ = [*EQUALIZED, "--rounding", "gptq"]
CALIBRATED = "--calibration"  # followed by the model's own text

FILES = {
    "f32": ["convert", "--dtype", "f32"],
    "f16": ["convert", "--dtype", "f16"],
    "bf16": ["convert", "--dtype", "bf16"],
    "int8": ["convert"],
    "int8-tensor": ["convert", "--weights", "per-tensor"],
    "equalized": ["convert", CALIBRATED, *EQUALIZED],
    "equalized-tensor": ["convert", CALIBRATED, "--weights", "per-tensor", *EQUALIZED],
    "gptq": ["convert", CALIBRATED, *GPTQ],
    "minmax": ["calibrate", "--observer", "minmax"],
    "percentile": ["calibrate", "--observer", "percentile"],
    "entropy": ["calibrate", "--observer", "entropy"],
    "static-gptq": ["calibrate", "--observer", "minmax", *GPTQ],
    "mixed": ["convert", "--keep", "bf16", "encoder.layer.*.output.dense"],
}
ROWS = {  # what is measured: file and run-time options, its title
    "f32": "f32",
    "f16": "f16",
    "bf16": "bf16",
    "int8": "**int8**: a scale a token, a channel (default)",
    "int8:activations=batch": "- per batch",
    "int8-tensor": "- per-tensor weights",
    "int8-tensor:activations=batch": "- both",
    "int8-tensor:activations=pytorch": "- as PyTorch's `quantize_dynamic`",
    "equalized": "**equalized**",
    "equalized:activations=batch": "- per batch",
    "equalized-tensor": "- per-tensor weights",
    "gptq": "**equalized, GPTQ**",
    "gptq:activations=batch": "- per batch",
    "minmax": "**static**, minmax",
    "percentile": "- percentile",
    "entropy": "- entropy",
    "static-gptq": "**static, equalized, GPTQ**",
    "mixed": "second feed-forward layers kept in bf16",
}
SHORT = ["f32", "int8", "int8:activations=batch", "int8-tensor", "equalized", "gptq", "minmax"]

# Others on the same sentences: mean and worst cosine to f32, by the project's brief (shared/peers)
PEERS = [
    ("llama.cpp Q8_0", 0.99958, 0.9981),
    ("OpenVINO, int8 weights", 0.9991, 0.9953),
    ("CTranslate2", 0.9964, 0.982),
    ("ONNX Runtime, dynamic", 0.992, 0.966),
    ("PyTorch, dynamic", 0.937, 0.739),
]


# ---------------------------------------------------------------------------------------- steps


def write_stsb_calibration(target):
    """Every eighth sentence of the training split, 1,438 of them; more gain nothing."""
    header, lines = rows_of("minilm", "train")
    first = header.split("\t").index("sentence1")
    texts = [text for line in lines for text in line.rstrip("\n").split("\t")[first : first + 2]]
    target.write_text("\n".join(texts[::8]) + "\n", encoding="utf-8")


def make_files(name):
    of = MODELS[name]
    if name == "minilm":
        write_stsb_calibration(WORK / name / "calibration.txt")
    for file, (command, *options) in FILES.items():
        target = WORK / name / f"{file}.bin"
        if target.exists():
            continue
        words = [BERTRUN, command, "-o", target]
        words += [of["model"]] if command == "convert" else ["--model", of["model"]]
        if command == "calibrate":
            options = ["--data", *of["calibration"], *options]
        elif CALIBRATED in options:
            options = [CALIBRATED, *of["calibration"], *options[1:]]
        subprocess.run(words + options, check=True, stderr=subprocess.DEVNULL)
        print(f"{name}: {file}.bin", flush=True)


def compare(name, data, result):
    models = [row.replace(":", ".bin:") if ":" in row else f"{row}.bin" for row in ROWS]
    words = [BERTRUN, "compare", *models, "--data", data, *MODELS[name]["columns"]]
    words += ["--threads", "1", "--format", "json"]
    output = subprocess.run(words, check=True, cwd=WORK / name, stdout=subprocess.PIPE).stdout
    (WORK / name / result).write_bytes(output)
    print(f"{name}: {result}", flush=True)


def measure_quality(name):
    if not (WORK / name / "quality.json").exists():
        compare(name, DATA / MODELS[name]["data"], "quality.json")


def rows_of(name, split="test"):
    """Header and rows of the test file; of STS-B's those of a split."""
    lines = (DATA / MODELS[name]["data"]).read_text(encoding="utf-8").splitlines(keepends=True)
    return lines[0], [line for line in lines[1:] if name != "minilm" or line.startswith(f"{split}\t")]


def spread(lines, count):
    return [lines[i * len(lines) // count] for i in range(count)]


def measure_latency(name):
    header, lines = rows_of(name)
    part = WORK / name / "part.tsv"
    part.write_text(header + "".join(spread(lines, 200)), encoding="utf-8")
    compare(name, part, "latency.json")
    ratios = [bench_ms(name, "minmax") / bench_ms(name, "int8") for _ in range(9)]
    (WORK / name / "static.json").write_text(json.dumps(statistics.median(ratios)))


def bench_ms(name, file):
    """The fastest pass of a text of 16 tokens; whatever else the machine does makes passes slower."""
    words = [BERTRUN, "bench", "--model", f"{file}.bin", "--shapes", "1x16", "--seconds", "0.3", "--json"]
    output = subprocess.run(words, check=True, cwd=WORK / name, stdout=subprocess.PIPE).stdout
    return json.loads(output)["results"][0]["ms"]["min"]


PYTORCH = r"""
import sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
torch.set_num_threads(1)
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
if sys.argv[2] == "int8":
    model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print("ready", flush=True)
with torch.inference_mode():
    for line in sys.stdin:
        model(**tokenizer(line.rstrip("\n"), return_tensors="pt")).logits.argmax().item()
        print("done", flush=True)
"""


def measure_peers(python):
    """Median ms of CLINC150's texts one at a time, through a pipe, in turn by blocks of 50."""
    import time

    folder, model = WORK / "clinc", str(MODELS["clinc"]["model"])
    commands = {
        "PyTorch f32": [python, "-c", PYTORCH, model, "f32"],
        "PyTorch int8": [python, "-c", PYTORCH, model, "int8"],
        "bertrun int8": [BERTRUN, "--model", folder / "int8.bin", "--threads", "1", "--batch-size", "1"],
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    running = {name: subprocess.Popen(words, text=True, bufsize=1, **pipes)
               for name, words in commands.items()}
    seconds = {name: [] for name in commands}
    for name, process in running.items():
        if name.startswith("PyTorch"):
            process.stdout.readline()
    texts = [line.split("\t")[0] for line in spread(rows_of("clinc")[1], 400)]
    for first in range(0, len(texts), 50):
        for name, process in running.items():
            for i, text in enumerate([texts[first], *texts[first:first + 50]]):
                begin = time.perf_counter()
                process.stdin.write(text + "\n")
                process.stdin.flush()
                process.stdout.readline()
                if i:  # the first only warms the caches
                    seconds[name].append(time.perf_counter() - begin)
    for process in running.values():
        process.stdin.close()
        process.wait()
    medians = {name: sorted(s)[len(s) // 2] * 1e3 for name, s in seconds.items()}
    (folder / "peers.json").write_text(json.dumps(medians))


# --------------------------------------------------------------------------------------- tables


def results(name, step):
    """Row -> figures, or nothing where it has not been measured."""
    path = WORK / name / f"{step}.json"
    return dict(zip(ROWS, json.loads(path.read_text())["models"])) if path.exists() else {}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def big_table(name):
    of, quality, latency = MODELS[name], results(name, "quality"), results(name, "latency")
    figures = of["figures"] + (COSINES if name == "minilm" else [])
    rows = []
    for row, title in ROWS.items():
        cells = [f"{quality[row][key]:,.{decimals}f}" for key, _, decimals in figures]
        cells += [f"{latency[row][key]:.{decimals}f}" if latency else "" for key, _, decimals in COSTS]
        rows.append([title, *cells])
    if name == "minilm":
        rows += [[f"*{who}*", "", f"{mean}", f"{worst}", *[""] * len(COSTS)] for who, mean, worst in PEERS]
    return f"**{of['title']}**\n\n" + table(["", *(t for _, t, _ in figures + COSTS)], rows)


def short_table():
    minilm, clinc, sst2 = (results(name, "quality") for name in MODELS)
    head = ["", "MiniLM, STS-B: Spearman", "cosine to f32: mean", "worst", "CLINC150: right of 5,500",
            "SST-2: right of 872", "disk MB"]
    titles = {"int8": "int8 (default)", "int8:activations=batch": "a scale a batch",
              "int8-tensor": "a scale a weight tensor", "minmax": "static"}
    rows = []
    for row in SHORT:
        of, title = minilm[row], titles.get(row, ROWS[row].strip("*"))
        rows.append([title, f"{of['spearman']:.4f}", f"{of['cosine_mean']:.5f}",
                     f"{of['cosine_worst']:.4f}", f"{clinc[row]['correct']:,.0f}",
                     f"{sst2[row]['correct']:.0f}", f"{of['file_mb']:.1f}"])
    return table(head, rows)


def quality_bars():
    minilm, clinc, sst2 = (results(name, "quality") for name in MODELS)
    for row, key, least in [("int8", "cosine_mean", 0.9985), ("int8", "cosine_worst", 0.990),
                            ("int8", "spearman", 0.8180), ("equalized", "cosine_mean", 0.9992),
                            ("equalized", "cosine_worst", 0.9965), ("gptq", "cosine_mean", 0.9994),
                            ("gptq", "cosine_mean", 0.99958), ("gptq", "cosine_worst", 0.9981)]:
        value = minilm[row][key]
        yield f"MiniLM, {row}: {key} ≥ {least}", f"{value:.5f}", value >= least
    for name, of, row, most in [("CLINC150", clinc, "int8", 11), ("CLINC150", clinc, "equalized", 6),
                                ("SST-2", sst2, "int8", 3)]:
        change = of[row]["correct"] - of["f32"]["correct"]
        yield (f"{name}, {row}: within {most} rows of f32", f"{change:+.0f}, {of[row]['flips']:.0f} flips",
               abs(change) <= most)
    disk = clinc["int8"]["file_mb"] / clinc["f32"]["file_mb"] - 1
    yield "CLINC150, int8: disk ≤ −70 % of F32", f"{disk:+.1%}", disk <= -0.70
    for name, of, key in [("MiniLM", minilm, "spearman"), ("CLINC150", clinc, "accuracy"),
                          ("SST-2", sst2, "accuracy")]:
        lost = 100 * (of["int8"][key] - of["minmax"][key])
        yield f"{name}, static: within 0.5 points of dynamic", f"{-lost:+.2f}", lost <= 0.5


def latency_bars():
    for name in MODELS:
        path = WORK / name / "static.json"
        if path.exists():
            ratio = json.loads(path.read_text())
            yield f"{name}, static: no slower than dynamic", f"{ratio:.3f} of its time", ratio <= 1
    path = WORK / "clinc" / "peers.json"
    if path.exists():
        ms = json.loads(path.read_text())
        change = ms["bertrun int8"] / ms["PyTorch f32"] - 1
        figures = ", ".join(f"{who} {value:.2f} ms" for who, value in ms.items())
        yield "CLINC150, int8, a text at a time: ≤ −85 % of PyTorch f32", f"{change:+.1%} ({figures})", change <= -0.85


def replace_between(path, key, text):
    page = path.read_text(encoding="utf-8")
    head, rest = page.split(f"<!-- {key} -->")
    tail = rest.split(f"<!-- /{key} -->")[1]
    path.write_text(f"{head}<!-- {key} -->\n{text}\n<!-- /{key} -->{tail}", encoding="utf-8")


def write_tables():
    bars = [*quality_bars(), *latency_bars()]
    lines = [[what, figure, "pass" if passes else "FAIL"] for what, figure, passes in bars]
    tables = [table(["what it must show", "", ""], lines), *(big_table(name) for name in MODELS)]
    replace_between(ROOT / "docs" / "QUANTIZATION.md", "tables", "\n\n".join(tables))
    replace_between(ROOT / "README.md", "quantization", short_table())
    for line in lines:
        print("  ".join(reversed(line)))


def main():
    steps = ["files", "quality", "latency", "peers", "tables"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help="default: all")
    parser.add_argument("--model", choices=MODELS, help="only this one, but in tables")
    parser.add_argument("--python", help="has torch and transformers; peers is left out without it")
    options = parser.parse_args()
    chosen = options.steps or steps
    if set(chosen) - set(steps):
        parser.error(f"steps are {', '.join(steps)}")
    for name in [options.model] if options.model else MODELS:
        (WORK / name).mkdir(parents=True, exist_ok=True)
        for step, run in [("files", make_files), ("quality", measure_quality), ("latency", measure_latency)]:
            if step in chosen:
                run(name)
    if "peers" in chosen and options.python:
        measure_peers(options.python)
    if "tables" in chosen:
        write_tables()


if __name__ == "__main__":
    main()
