"""Measures language models: the first token, the tokens behind it, answers, memory, start, size."""

import json
import random
import subprocess
import time

import engines
import generation_report
import table
from driver import Worker, WorkerFailed
from encoders import cosine, note
from prepare import folder_of


def prompts_of(cell, turn=0):
    """The same random ids for every backend, and how many tokens follow each. Others in each turn:
    what an engine keeps of a prompt is of no use for the next one."""
    count, length, new = table.GENERATIONS[cell]
    rng = random.Random(f"{cell} {turn}")
    return [[rng.randrange(1000, 50000) for _ in range(length)] for _ in range(count)], new


def start(setup, model, name, threads):
    backend = table.GENERATORS[name]
    folder = folder_of(setup.cache, model, backend)
    return Worker(engines.command(backend, folder, threads, setup.linnet, "generator"), threads)


def reference(setup, model):
    """Of torch in FP32: a prompt, the logits behind it, and the tokens of a whole generation; stored
    beside the model."""
    prompt = prompts_of("prefill 128")[0]
    rows, new = prompts_of("decode, batch 1")
    path = setup.cache / model / "reference-generation.json"
    if path.exists():
        stored = json.loads(path.read_text())
        if (stored["prompt"], stored["rows"], len(stored["tokens"][0])) == (prompt, rows, new):
            return stored
    worker = start(setup, model, "torch_fp32", 2)
    try:
        found = {"prompt": prompt, "logits": worker.ask("batch", ids=prompt)["logits"],
                 "rows": rows, "tokens": worker.ask("generate", ids=rows, tokens=new)["tokens"]}
    finally:
        worker.close()
    path.write_text(json.dumps(found))
    return found


def check(name, worker, wanted):
    """{difference, cosine, same_tokens}, as encoders.check() has them, and the share of the tokens
    of a generation before the first other one than torch's. Throws WorkerFailed."""
    logits = worker.ask("batch", ids=wanted["prompt"])["logits"]
    largest = max(abs(x) for x in wanted["logits"][0])
    worst = max(abs(a - b) / largest for a, b in zip(logits[0], wanted["logits"][0], strict=True))
    backend = table.GENERATORS[name]
    precision = backend.precision
    if not worst <= (backend.tolerance or table.TOLERANCE[precision]):
        raise WorkerFailed(f"logits differ by {worst:.2g} of the largest")
    tokens = worker.ask("generate", ids=wanted["rows"], tokens=len(wanted["tokens"][0]))["tokens"]
    same = 0
    while same < len(tokens[0]) and tokens[0][same] == wanted["tokens"][0][same]:
        same += 1
    if precision == "fp32" and same < len(tokens[0]):
        raise WorkerFailed(f"other tokens than torch after {same}")
    return {"difference": worst, "cosine": cosine(logits, wanted["logits"]),
            "same_tokens": same / len(tokens[0])}


def generation(setup, model, threads):
    """Rows {model, threads, backend, cosine, …, load_seconds, peak_kb, model_bytes, cells} or {…,
    error}. A cell has pairs of ms, one for each round: of the first token of all prompts, and of a
    step behind it (none for a prefill)."""
    wanted, workers, rows = reference(setup, model), {}, {}
    try:
        for name in setup.generators:
            row = {"model": model, "threads": threads, "backend": name, "cells": {},
                   "model_bytes": _bytes(setup, model, name)}
            rows[name] = row
            workers[name] = start(setup, model, name, threads)
            try:
                workers[name].ask("generate", ids=[[1000]], tokens=1)
                row["load_seconds"] = time.perf_counter() - workers[name].started
                row.update(check(name, workers[name], wanted))
                row["peak_kb"] = peak_kb(setup, model, name, threads, wanted)
            except WorkerFailed as failure:
                row["error"] = str(failure)
        for cell in setup.generations:
            gbytes = probe(setup, threads)
            _cell(setup, threads, cell, workers, rows)
            for row in rows.values():
                row.setdefault("memory_gbytes", {})[cell] = max(gbytes, probe(setup, threads))
    finally:
        for worker in workers.values():
            worker.close()
    return list(rows.values())


def peak_kb(setup, model, name, threads, wanted):
    """Most memory that was resident in a process of its own, which loads the model and answers the
    prompt of 128 tokens with 129 new ones: no logits are written out there and nothing else runs."""
    worker = start(setup, model, name, threads)
    try:
        worker.ask("generate", ids=wanted["prompt"], tokens=table.MEMORY_TOKENS)
        return worker.ask("about")["peak_kb"]
    finally:
        worker.close()


def probe(setup, threads):
    """Linear reads of at most two threads at this moment, in GB/s."""
    machine = json.loads(subprocess.run([setup.linnet, "machine"], capture_output=True,
                                        check=True).stdout)
    return machine["memory_gbytes" if threads == 1 else "memory_gbytes_2"]


def _cell(setup, threads, cell, workers, rows):
    for turn in range(-1, setup.rounds):  # the first is not counted
        (ids, new), (others, _) = prompts_of(cell, 2 * turn), prompts_of(cell, 2 * turn + 1)
        running = [name for name, row in rows.items() if "error" not in row]
        for name in running[turn % len(running):] + running[:turn % len(running)]:
            try:
                first = workers[name].ask("generate", ids=ids, tokens=1)["ms"][0]
                step = None
                if new > 1:
                    whole = workers[name].ask("generate", ids=others, tokens=new)["ms"][0]
                    step = (whole - first) / (new - 1)
            except WorkerFailed as failure:
                rows[name]["error"] = str(failure)
                continue
            if turn >= 0:
                rows[name]["cells"].setdefault(cell, []).append([first, step])
    note(f"{threads} {cell}: " + "  ".join(
        f"{name} {row.get('error') or format(generation_report.best(row, cell), '.4g')}"
        for name, row in rows.items()))


def _bytes(setup, model, name):
    folder = folder_of(setup.cache, model, table.GENERATORS[name])
    words = ("vocab.json", "merges.txt", "vocabulary.json", "tokenizer.json")
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.name not in words)
