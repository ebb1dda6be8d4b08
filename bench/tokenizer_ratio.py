#!/usr/bin/env python3
"""Speed of linnet's tokenizer beside the Rust library tokenizers, one thread, the same texts, in turns.

usage: tokenizer_ratio.py BENCH_TOKENIZER TOKENIZER.json TEXTS.jsonl [ROUNDS]

BENCH_TOKENIZER is the program of bench/tokenizer.cpp. Needs the package tokenizers==0.22.2. Prints MB/s of
each way (best and lower quartile of the rounds) and the ratios; ends with 1 when the ids differ.
"""
import json
import os
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402  (reads the variables above)


def linnet(program, tokenizer, texts):
    """way -> (MB/s, tokens) of one round."""
    out = subprocess.run([program, tokenizer, texts, "1"], check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return {r["way"]: (r["mb_per_s"], r["tokens"]) for r in rows}


def reference(tokenizer, texts, size):
    start = time.perf_counter()
    fast = sum(len(e.ids) for e in tokenizer.encode_batch_fast(texts))
    middle = time.perf_counter()
    full = sum(len(tokenizer.encode(t).ids) for t in texts)
    end = time.perf_counter()
    return {"ids": (size / (middle - start) / 1e6, fast), "offsets": (size / (end - middle) / 1e6, full)}


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    program, path, texts_path = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) == 5 else 3
    with open(texts_path, encoding="utf-8", newline="\n") as f:
        texts = [json.loads(line)["text"] for line in f]
    size = sum(len(t.encode()) for t in texts)
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(linnet(program, path, texts_path))
        theirs.append(reference(tokenizer, texts, size))
    names = {"ids": "encode_batch_fast", "offsets": "encode"}
    print(f"{len(texts)} texts, {size / 1e6:.1f} MB, {rounds} rounds")
    for way, name in names.items():
        a, b = sorted(r[way][0] for r in ours), sorted(r[way][0] for r in theirs)
        tokens = {r[way][1] for r in ours + theirs}
        quarter = rounds // 4
        print(f"{way}: linnet {a[-1]:.1f} (p25 {a[quarter]:.1f}) MB/s, {name} {b[-1]:.2f} "
              f"(p25 {b[quarter]:.2f}) MB/s: {a[-1] / b[-1]:.1f} times (p25 {a[quarter] / b[quarter]:.1f})")
        if len(tokens) != 1:
            sys.exit(f"{way}: not the same number of ids: {tokens}")


main()
