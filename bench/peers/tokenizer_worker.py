#!/usr/bin/env python3
"""tokenizer_worker.py tokenizers|tiktoken DIRECTORY MODE: encodes texts with one of the packages.
MODE is a method of tokenizers.Tokenizer, whose threads are as in RAYON_NUM_THREADS, or of
tiktoken.Encoding; one that is no batch is called for one text at a time."""

import json
import os
import pathlib
import sys
import time

from worker import serve


def load_tokenizers(directory):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_truncation()  # files often carry what one application wanted
    tokenizer.no_padding()
    return tokenizer


def load_tiktoken(directory):
    """GPT-2's encoding from its files: tokens as bytes, ranked by their ids."""
    import tiktoken

    # Bytes that print stand for themselves, the others for the characters from 256 on.
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    byte_of = {chr(byte): byte for byte in printing}
    byte_of.update((chr(256 + i), byte) for i, byte in
                   enumerate(byte for byte in range(256) if byte not in printing))
    words = json.loads((directory / "vocab.json").read_text(encoding="utf-8"))
    special = {"<|endoftext|>": words.pop("<|endoftext|>")}
    ranks = {bytes(byte_of[c] for c in word): i for word, i in words.items()}
    # tiktoken's own way to write the expression of openai/gpt-2, encoder.py.
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
    return tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks,
                             special_tokens=special)


class Texts:
    """Answers requests about one tokenizer."""

    def __init__(self, package, directory, mode):
        self.tokenizer = {"tokenizers": load_tokenizers, "tiktoken": load_tiktoken}[package](directory)
        self.mode = mode
        self.texts = []

    def read(self, request):
        with open(request["file"], encoding="utf-8") as lines:
            self.texts = [json.loads(line) for line in lines]
        return {"texts": len(self.texts)}

    def tokenize(self, _request):
        start = time.perf_counter()
        encode = getattr(self.tokenizer, self.mode)
        encodings = encode(self.texts) if "batch" in self.mode else list(map(encode, self.texts))
        ms = (time.perf_counter() - start) * 1e3
        ids = [i for encoding in encodings for i in getattr(encoding, "ids", encoding)]
        return {"ms": [ms], "tokens": len(ids), "digest": digest(ids)}


def digest(ids):
    """An FNV-1a hash that takes an id at a time."""
    value = 0xcbf29ce484222325
    for i in ids:
        value = (value ^ i) * 0x100000001b3 & 0xffffffffffffffff
    return str(value)


if __name__ == "__main__":
    serve(Texts(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]), sys.stdin,
          os.fdopen(os.dup(1), "w"))
