#!/usr/bin/env python3
"""Writes answer.jsonl, tag.jsonl and fill.jsonl: what the pipelines of transformers answer.

    python3 make_cases.py SHARED_DATA

SHARED_DATA holds checkpoints/ and goldens/. Made with transformers 4.57.6 and torch 2.15, in
float32 on a CPU. A line is {"input", "options", "expected"}; strings of a word list and a number
stand for long texts, so that the files stay small.
"""
import itertools
import json
import pathlib
import shutil
import sys
import tempfile
import warnings

import torch
from transformers import pipeline

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent


def long_text(words, count):
    return " ".join(itertools.islice(itertools.cycle(words.split()), count))


def pipe(task, folder):
    return pipeline(task, model=str(folder), dtype=torch.float32, device="cpu")


def small_model(data, name, changes, folder):
    """The golden `name` with the tokenizer of another golden that has the same vocabulary."""
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(data / "goldens/bert_seqcls_text" / file, folder)
    shutil.copy(data / "goldens" / name / "model.safetensors", folder)
    config = json.loads((data / "goldens" / name / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float("%.7g" % value) if isinstance(value, (float, torch.Tensor)) or hasattr(
        value, "dtype") else value


def write(name, cases):
    with open(HERE / name, "w", encoding="utf-8") as file:
        for case in cases:
            file.write(json.dumps(rounded(case), ensure_ascii=False) + "\n")


def as_list(result):
    return [result] if isinstance(result, dict) else result


def answer_cases(data):
    answer = pipe("question-answering", data / "checkpoints/minilm-squad2")
    short = "Ada baked the bread in Riga. Zoë 😀 ate it in Zürich. ADA sold it."
    accents = "Le cafe\u0301 de Zoë, l'«Étoile», ouvre à 8 h 30 — 北京 time — près du Rhône."
    rooms = " ".join(f"Room {i} holds {7 * i} jars of figs." for i in range(90))
    rooms += " The zoë 😀 key opens every room."
    cases = [
        (short, "Who baked the bread?", {}),
        (short, "Who baked the bread?", {"top_k": 3}),
        (short, "Where did Zoë eat?", {"top_k": 4, "max_answer_len": 3}),
        (short, "Who painted the ceiling?", {"top_k": 3, "handle_impossible_answer": True}),
        (short, "Who painted the ceiling?", {"handle_impossible_answer": True}),
        (short, "Where?", {"top_k": 5, "align_to_words": False}),
        (accents, "When does the café open?", {"top_k": 4}),
        (accents, "Which river?", {"top_k": 4, "align_to_words": False}),
        (accents, "Where is 北京?", {"top_k": 2, "max_seq_len": 24, "doc_stride": 7}),
        (rooms, "How many jars of figs are in room 71?", {"top_k": 3}),
        (rooms, "What opens every room?", {"top_k": 3, "max_seq_len": 64, "doc_stride": 16}),
        (rooms, "What opens every room?", {"top_k": 2, "doc_stride": 0,
                                           "handle_impossible_answer": True}),
        (rooms, "Which room is last?", {"top_k": 2, "max_seq_len": 48, "doc_stride": 20,
                                        "align_to_words": False, "max_answer_len": 2}),
    ]
    for context, question, options in cases:
        expected = as_list(answer(question=question, context=context, **options))
        yield {"input": [question, context], "options": options, "expected": expected}


LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
LONG_WORDS = "where people said they had more than 20 into on"


def tag_cases(data, folder):
    ids = {"id2label": {str(i): label for i, label in enumerate(LABELS)},
           "label2id": {label: i for i, label in enumerate(LABELS)}}
    tag = pipe("token-classification", small_model(data, "bert_tokcls", ids, folder))
    texts = [
        "He had been there before the world was made.",
        'My 😀 café and Cafe\u0301: "they\'re not what you said!" 中中 α',
        "bathing, 'makers' & walled-in mania (30%)",
        "",
    ]
    strategies = ["none", "simple", "first", "average", "max"]
    cases = [(text, {"aggregation_strategy": s}) for text in texts for s in strategies]
    cases.append((texts[0], {"ignore_labels": []}))
    cases.append((texts[2], {"aggregation_strategy": "simple", "ignore_labels": ["PER"]}))
    cases.append((texts[2], {"ignore_labels": ["B-PER", "O"]}))
    for strategy, stride in [("simple", 0), ("first", 5), ("average", 20), ("max", 31)]:
        cases.append(([LONG_WORDS, 60], {"aggregation_strategy": strategy, "stride": stride}))
    cases.append(([LONG_WORDS, 60], {"aggregation_strategy": "average"}))
    for given, options in cases:
        text = given if isinstance(given, str) else long_text(*given)
        yield {"input": given, "options": options, "expected": tag(text, **options)}
    words = ["New", "walled-in", "café", "👍🏽", "don't"]
    options = {"aggregation_strategy": "first"}
    expected = tag(words, is_split_into_words=True, **options)
    expected = expected[0] if expected and isinstance(expected[0], list) else expected
    yield {"input": " ".join(words), "options": options, "expected": expected}


def fill_cases(data, folder):
    fill = pipe("fill-mask", small_model(data, "bert_mlm", {}, folder))
    cases = [
        ("He was [MASK] before.", {}),
        ("He was [MASK] before.", {"top_k": 2}),
        ("Café 😀 [MASK], don't!", {"top_k": 3}),
        ("[MASK]", {"top_k": 1}),
        ("The [MASK] and the [MASK] had it.", {"top_k": 2}),
        ("[MASK][MASK][MASK]", {"top_k": 1}),
        ("It is [MASK].", {"targets": ["world", "made", "there"]}),
        ("It is [MASK].", {"targets": ["world", "made", "there"], "top_k": 2}),
        ("It is [MASK].", {"targets": ["worldly", "made", "zz"]}),
        ("The [MASK] and the [MASK] had it.", {"targets": "time"}),
        ("It is [MASK].", {"top_k": 211}),
    ]
    for text, options in cases:
        yield {"input": text, "options": options, "expected": fill(text, **options)}


def main():
    data = pathlib.Path(sys.argv[1])
    write("answer.jsonl", answer_cases(data))
    for name, cases in (("tag.jsonl", tag_cases), ("fill.jsonl", fill_cases)):
        with tempfile.TemporaryDirectory() as folder:
            write(name, cases(data, pathlib.Path(folder)))


if __name__ == "__main__":
    main()
