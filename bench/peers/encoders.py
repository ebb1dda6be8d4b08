"""Measures encoders: latency, answers, memory, start-up, dependence on the batch, sizes."""

import importlib.metadata
import json
import math
import random
import sys
import time

import engines
import table
from driver import Worker, WorkerFailed
from prepare import folder_of


def ids_of(cell):
    """The same random ids for every backend, in the range of whole words."""
    rng = random.Random(cell)
    return [[rng.randrange(1000, 30000) for _ in range(n)] for n in table.CELLS[cell]]


def note(text):
    print(text, file=sys.stderr, flush=True)


def start(setup, model, backend, threads):
    backend = table.BACKENDS[backend]
    folder = folder_of(setup.cache, model, backend)
    return Worker(engines.command(backend, folder, threads, setup.linnet), threads)


def reference_logits(setup, model, rows, name):
    """Logits of torch in FP32, each row alone; stored beside the model."""
    path = setup.cache / model / f"reference-{name}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        if stored["ids"] == rows:
            return stored["logits"]
    worker = start(setup, model, "torch_fp32", 2)
    try:
        logits = [worker.ask("batch", ids=[row])["logits"][0] for row in rows]
    finally:
        worker.close()
    path.write_text(json.dumps({"ids": rows, "logits": logits}))
    return logits


def check(backend, logits, reference):
    """{difference, cosine}: the largest absolute difference as a share of the reference's largest
    absolute value, and the cosine of all logits taken as one vector. Throws WorkerFailed when the
    difference is more than the backend's number format may show."""
    if len(logits) != len(reference):
        raise WorkerFailed(f"{len(logits)} rows of logits, expected {len(reference)}")
    largest = max(abs(x) for row in reference for x in row)
    differences = [abs(a - b) / largest for got, want in zip(logits, reference)
                   for a, b in zip(got, want, strict=True)]
    worst = next((d for d in differences if math.isnan(d)), max(differences))
    if not worst <= table.TOLERANCE[table.BACKENDS[backend].precision]:
        raise WorkerFailed(f"logits differ by {worst:.2g} of the largest")
    return {"difference": worst, "cosine": cosine(logits, reference)}


def cosine(a, b):
    pairs = [(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)]
    ab, aa, bb = (sum(x * y for x, y in some) for some in (
        pairs, [(x, x) for x, _ in pairs], [(y, y) for _, y in pairs]))
    return ab / math.sqrt(aa * bb)


def latency(setup, model, threads):
    """Rows {model, threads, cell, backend, difference, rounds} or {…, error}."""
    workers, results = {}, []
    try:
        for name in setup.backends:
            workers[name] = start(setup, model, name, threads)
        for cell in setup.cells:
            results += _cell(setup, model, threads, cell, workers)
        peaks = {name: worker.ask("about")["peak_kb"] for name, worker in workers.items()
                 if worker.process.poll() is None}
    finally:
        for worker in workers.values():
            worker.close()
    for row in results:
        row["peak_kb"] = peaks.get(row["backend"])
    return results


def _cell(setup, model, threads, cell, workers):
    ids = ids_of(cell)
    reference = reference_logits(setup, model, ids, cell)
    rows = {}
    for name, worker in workers.items():
        row = {"model": model, "threads": threads, "cell": cell, "backend": name, "rounds": []}
        try:
            row.update(check(name, worker.ask("batch", ids=ids)["logits"], reference))
        except WorkerFailed as failure:
            row["error"] = str(failure)
        rows[name] = row
    running = [name for name, row in rows.items() if "error" not in row]
    for turn in range(setup.rounds):
        # Another one goes first in each round, so that nobody always follows the same neighbour.
        for name in running[turn % len(running):] + running[:turn % len(running)]:
            try:
                rows[name]["rounds"].append(workers[name].ask("run", seconds=setup.seconds)["ms"])
            except WorkerFailed as failure:
                rows[name]["error"] = str(failure)
                running = [other for other in running if other != name]
    best = {name: f"{min(map(min, row['rounds'])):.3g}" if "error" not in row else row["error"]
            for name, row in rows.items()}
    note(f"{model} {threads} {cell}: " + "  ".join(f"{k} {v}" for k, v in best.items()))
    return list(rows.values())


def cold_start(setup, model, threads):
    """Seconds from starting the process to its first logits (1x16), and its peak memory then."""
    ids, rows = ids_of("1x16"), {}
    reference = reference_logits(setup, model, ids, "1x16")
    for turn in range(setup.cold_rounds + 1):  # the first brings the files into memory
        for name in setup.backends:
            row = rows.setdefault(name, {"model": model, "threads": threads, "backend": name,
                                         "seconds": [], "peak_kb": []})
            worker = start(setup, model, name, threads)
            try:
                logits = worker.ask("batch", ids=ids)["logits"]
                seconds = time.perf_counter() - worker.started
                row.update(check(name, logits, reference))
                if turn > 0:
                    row["seconds"].append(seconds)
                    row["peak_kb"].append(worker.ask("about")["peak_kb"])
            except WorkerFailed as failure:
                row["error"] = str(failure)
            finally:
                worker.close()
    note(f"{model} cold: " + "  ".join(
        f"{k} {min(v['seconds']) if v['seconds'] else v['error']}" for k, v in rows.items()))
    return list(rows.values())


def invariance(setup, model):
    """How the logits of one sentence depend on what they are computed with: the largest difference
    to the sentence alone on one thread, over the rows of the ragged cell and of 8 equal lengths."""
    ragged = ids_of("32ragged")
    equal = [row[:8] for row in ragged[:8]]
    rows = []
    for name in setup.backends:
        row = {"model": model, "backend": name}
        workers = []
        try:
            workers = [start(setup, model, name, threads) for threads in (1, 2)]
            alone = [workers[0].ask("batch", ids=[ids])["logits"][0] for ids in ragged]
            short = [workers[0].ask("batch", ids=[ids])["logits"][0] for ids in equal]
            row["ragged"] = _largest(alone, workers[0].ask("batch", ids=ragged)["logits"])
            row["equal"] = _largest(short, workers[0].ask("batch", ids=equal)["logits"])
            row["threads"] = _largest(alone, [workers[1].ask("batch", ids=[ids])["logits"][0]
                                              for ids in ragged])
        except WorkerFailed as failure:
            row["error"] = str(failure)
        finally:
            for worker in workers:
                worker.close()
        rows.append(row)
    note(f"{model} invariance: " + "  ".join(
        f"{r['backend']} {r.get('error') or r['ragged']}" for r in rows))
    return rows


def _largest(a, b):
    return max(abs(x - y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True))


def sizes(setup, model):
    """Bytes of what each backend reads, and of the installed engine without what it depends on."""
    rows = []
    for name in setup.backends:
        backend = table.BACKENDS[name]
        folder = folder_of(setup.cache, model, backend)
        rows.append({"model": model, "backend": name,
                     "model_bytes": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()
                                        and f.name not in ("vocab.txt", "vocabulary.json")),
                     "engine_bytes": _engine_bytes(setup, backend)})
    return rows


def _engine_bytes(setup, backend):
    if backend.engine == "linnet":
        return setup.linnet.stat().st_size
    return sum(file.locate().stat().st_size
               for package in engines.module(backend.engine).PACKAGES
               for file in importlib.metadata.files(package) or [] if file.locate().is_file())
