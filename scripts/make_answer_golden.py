#!/usr/bin/env python3
"""Writes answers.tsv of the question answering models in tests/golden/data/tiny: what transformers'
question answering pipeline makes of their texts.tsv.

    scripts/make_answer_golden.py [OUTPUT_DIR]

Needs torch and transformers 4, whose pipeline it is: 5 has none any more. Run it after
make_golden.py, which makes the models (`pip install 'transformers<5'` in an environment of its own).
A line: max_length, no_answer, question, begin, end (code points), score; windows share 6 tokens.
"""
import sys
from pathlib import Path

import transformers
from transformers import SquadExample  # as it is: the pipeline refuses an empty question

ROOT = Path(__file__).resolve().parent.parent


def answers(folder):
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).double()
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True)
    if model.config.model_type != "bert":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    pipe = transformers.pipeline("question-answering", model=model, tokenizer=tokenizer)
    pairs = [line.split("\t") for line in (folder / "texts.tsv").read_text("utf8").splitlines()]
    for max_length in (33, 20):
        for no_answer in (False, True):
            for index, (question, context) in enumerate(pairs):
                example = SquadExample(None, question, context, None, None, None)
                found = pipe([example], top_k=3, doc_stride=6, max_seq_len=max_length,
                             handle_impossible_answer=no_answer)
                for a in found if isinstance(found, list) else [found]:
                    yield max_length, int(no_answer), index, a["start"], a["end"], a["score"]


def main():
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "data"
    for name in ("bert-answer", "distilbert-answer"):
        folder = output / "tiny" / name
        lines = ["\t".join(map(str, row[:-1])) + f"\t{row[-1]:.9g}\n" for row in answers(folder)]
        (folder / "answers.tsv").write_text("".join(lines), encoding="utf8")


if __name__ == "__main__":
    main()
