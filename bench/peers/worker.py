#!/usr/bin/env python3
"""worker.py encoder|generator|trainer ENGINE FOLDER THREADS PRECISION [OPTION]: the process of one engine, as README.md
describes the protocol: a JSON request on a line of standard input, a JSON reply on a line of standard output.
Imports the engine's own runtime and numpy, nothing else: start-up time is measured with it.
"""

import importlib.metadata
import json
import os
import pathlib
import sys
import time


class Batch:
    """Padded to the longest row, as these engines take it."""

    def __init__(self, rows):
        import numpy

        self.lengths = [len(row) for row in rows]
        self.ids = numpy.zeros((len(rows), max(self.lengths)), numpy.int64)
        self.mask = numpy.zeros_like(self.ids)
        for i, row in enumerate(rows):
            self.ids[i, :len(row)] = row
            self.mask[i, :len(row)] = 1


class Encoder:
    """Answers requests about one model."""

    def __init__(self, module, folder, threads, precision):
        self.module = module
        self.engine = module.Engine(folder, threads, precision)
        self.call = None

    def batch(self, request):
        """Takes a batch and runs it once: its answer, and the first call of the shape."""
        self.call = self.engine.prepare(Batch(request["ids"]))
        return {"logits": [[float(x) for x in row] for row in self.engine.logits(self.call())]}

    def run(self, request):
        times, end = [], time.perf_counter() + request["seconds"]
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            self.call()
            times.append((time.perf_counter() - start) * 1e3)
        return {"ms": times}

    def about(self, _request):
        return about(self.module)


class Generator:
    """Continues token ids greedily."""

    def __init__(self, module, folder, threads, precision):
        self.module = module
        self.engine = module.Generator(folder, threads, precision)

    def batch(self, request):
        """The logits after the last token of each row."""
        return {"logits": [[float(x) for x in self.engine.last_logits(row)]
                           for row in request["ids"]]}

    def generate(self, request):
        start = time.perf_counter()
        tokens = self.engine.generate(request["ids"], request["tokens"])
        return {"ms": [(time.perf_counter() - start) * 1e3], "tokens": tokens}

    def about(self, _request):
        return about(self.module)


class Training:
    """Takes steps of training."""

    def __init__(self, module, folder, threads, precision, option):
        self.module = module
        self.engine = module.Trainer(folder, threads, precision, option)

    def train(self, request):
        self.engine.train(*(request[key] for key in (
            "ids", "labels", "batch", "learning_rate", "dropout")))
        return {}

    def steps(self, request):
        times, losses = [], []
        for _ in range(request["count"]):
            start = time.perf_counter()
            losses.append(self.engine.step())
            times.append((time.perf_counter() - start) * 1e3)
        return {"ms": times, "losses": losses}

    def about(self, _request):
        return about(self.module)


def about(module):
    return {"versions": {p: importlib.metadata.version(p) for p in module.PACKAGES},
            "peak_kb": peak_kb()}


def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def serve(target, requests, replies):
    for line in requests:
        request = json.loads(line)
        try:
            reply = getattr(target, request["op"])(request)
        except Exception as error:  # reported to the other side, which leaves the row out
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main():
    kind, name, folder, threads, precision, *option = sys.argv[1:]
    # Libraries print to standard output as they like: the replies get a descriptor of their own.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import engines

    answers = {"encoder": Encoder, "generator": Generator, "trainer": Training}[kind]
    target = answers(engines.module(name), pathlib.Path(folder), int(threads), precision, *option)
    serve(target, sys.stdin, replies)


if __name__ == "__main__":
    main()
