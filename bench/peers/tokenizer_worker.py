#!/usr/bin/env python3
"""tokenizer_worker.py DIRECTORY MODE: encodes texts with the tokenizers package; threads as in
RAYON_NUM_THREADS. MODE is a method of its Tokenizer; `encode` is called for one text at a time."""

import json
import os
import pathlib
import sys
import time

import tokenizers

from worker import serve


class Texts:
    """Answers requests about one tokenizer."""

    def __init__(self, directory, mode):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_truncation()  # files often carry what one application wanted
        self.tokenizer.no_padding()
        self.mode = mode
        self.texts = []

    def about(self, _request):
        return {"versions": {"tokenizers": tokenizers.__version__}}

    def read(self, request):
        with open(request["file"], encoding="utf-8") as lines:
            self.texts = [json.loads(line) for line in lines]
        return {"texts": len(self.texts)}

    def tokenize(self, _request):
        start = time.perf_counter()
        if self.mode == "encode":
            encodings = [self.tokenizer.encode(text) for text in self.texts]
        else:
            encodings = getattr(self.tokenizer, self.mode)(self.texts)
        ms = (time.perf_counter() - start) * 1e3
        ids = [i for encoding in encodings for i in encoding.ids]
        return {"ms": [ms], "tokens": len(ids), "digest": digest(ids)}


def digest(ids):
    """An FNV-1a hash that takes an id at a time."""
    value = 0xcbf29ce484222325
    for i in ids:
        value = (value ^ i) * 0x100000001b3 & 0xffffffffffffffff
    return str(value)


if __name__ == "__main__":
    serve(Texts(pathlib.Path(sys.argv[1]), sys.argv[2]), sys.stdin, os.fdopen(os.dup(1), "w"))
